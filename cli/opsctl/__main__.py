"""`python -m opsctl`."""

from __future__ import annotations

from opsctl.app import main

main()
