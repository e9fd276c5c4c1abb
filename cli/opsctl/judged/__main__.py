"""`python -P -m opsctl.judged ARGUMENTS`: ansible-playbook, with the limits of the file that OPSCTL_RISK names.

A program of its own rather than a plug-in: plug-ins can be shadowed or switched off by files beside a playbook, and
Ansible goes on without one that cannot be loaded. This ends before Ansible begins when the limits cannot be read.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from opsctl.judged import VARIABLE
from opsctl.judged.executor import install
from opsctl.policy.limit import Limits


def main() -> int:
    """Run it; Ansible's exit status."""
    try:
        limits = Limits.of(json.loads(Path(os.environ[VARIABLE]).read_text(encoding="utf-8")))
    except (KeyError, OSError, ValueError, TypeError, AttributeError) as error:
        print(f"ERROR! The limits of policy cannot be read: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    sys.argv[0] = "ansible-playbook"
    from ansible.cli.playbook import main as ansible_playbook

    try:
        install(limits)
    except RuntimeError as error:
        print(f"ERROR! {error}", file=sys.stderr)
        return 1
    status: int | None = ansible_playbook()
    return status or 0


if __name__ == "__main__":
    sys.exit(main())
