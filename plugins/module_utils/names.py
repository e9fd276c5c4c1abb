# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that Ansible accepts for groups."""

from __future__ import annotations

import re


def group_name(*parts: object) -> str:
    """The parts joined by ``_``, with all but ASCII letters, digits and ``_`` replaced by ``_``."""
    return re.sub(r"[^A-Za-z0-9_]", "_", "_".join(str(part) for part in parts))
