# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that all Redis modules share; documented in the doc fragment ``redis``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Node


def options(**more: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """An argument spec: the shared options and those of one module."""
    node = {
        "host": {"type": "str", "required": True},
        "port": {"type": "int", "default": 6379},
        "zone": {"type": "str"},
        "name": {"type": "str"},
    }
    return {
        "nodes": {"type": "list", "elements": "dict", "required": True, "options": node},
        "password": {"type": "str", "no_log": True},
        **more,
    }


def nodes(params: Mapping[str, Any]) -> list[Node]:
    """The nodes a module was given."""
    return [
        Node(item["host"], item["port"], item["zone"] or item["host"], item["name"] or f"{item['host']}:{item['port']}")
        for item in params["nodes"]
    ]
