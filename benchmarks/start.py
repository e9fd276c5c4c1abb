#!/usr/bin/env python3
"""How long `opsctl --help` takes, against an empty Python.

python benchmarks/start.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from common import header, row, timed

ROUNDS = 15


def main() -> None:
    opsctl = str(Path(sys.executable).with_name("opsctl"))
    ours, peer = [], []
    for _ in range(ROUNDS):
        ours.append(timed(lambda: subprocess.run([opsctl, "--help"], capture_output=True, check=True))[0])
        peer.append(timed(lambda: subprocess.run([sys.executable, "-c", ""], check=True))[0])
    header("opsctl", "python")
    row("opsctl --help", ours, peer, "< 0.3 s")


if __name__ == "__main__":
    main()
