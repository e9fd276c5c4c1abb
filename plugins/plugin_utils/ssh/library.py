# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH library, which a plain installation of Ansible may lack."""

from __future__ import annotations

import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["MISSING", "asyncssh"]

_PLACES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")


def _found(name: str) -> str | None:
    """The name of a shared library as the loader takes it."""
    places = [place for top in _PLACES for place in (Path(top), *Path(top).glob("*-linux-*"))]
    return next((file.name for place in places for file in sorted(place.glob(f"lib{name}.so*"))), None)


@contextmanager
def _looked_for() -> Iterator[None]:
    """The SSH library looks for an optional one of C, for which Python asks the compiler and the linker: a tenth of a
    second, and six processes. Its file is looked for instead.
    """
    usual = ctypes.util.find_library
    ctypes.util.find_library = _found
    try:
        yield
    finally:
        ctypes.util.find_library = usual


asyncssh: Any
try:
    with _looked_for():
        import asyncssh
except ImportError as error:
    asyncssh = None
    MISSING = str(error)
else:
    MISSING = ""
