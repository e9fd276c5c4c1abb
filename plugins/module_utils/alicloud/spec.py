# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that modules share; the doc fragment alicloud documents them."""

from __future__ import annotations

from typing import Any

CONNECTION: dict[str, Any] = {
    "access_key_id": {"type": "str", "no_log": False},
    "access_key_secret": {"type": "str", "no_log": True},
    "security_token": {"type": "str", "no_log": True},
    "profile": {"type": "str"},
    "region": {"type": "str"},
    "endpoint": {"type": "str"},
}

ADDRESSES = ["tag", "public", "eip", "private"]
HOSTS: dict[str, Any] = {
    "address": {"type": "list", "elements": "str", "choices": ADDRESSES, "default": ADDRESSES},
    "host_key_alias": {"type": "bool", "default": True, "no_log": False},
    "ssh_user": {"type": "str", "default": "root"},
    "ssh_private_key": {"type": "str", "no_log": False},
    "include_stopped": {"type": "bool", "default": False},
}
