# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH library, which a plain installation of Ansible may lack."""

from __future__ import annotations

from typing import Any

__all__ = ["MISSING", "asyncssh"]

asyncssh: Any
try:
    import asyncssh
except ImportError as error:
    asyncssh = None
    MISSING = str(error)
else:
    MISSING = ""
