# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one value that decides ``changed``, the diff, and what is to be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """From ``before`` to ``after``; ``None`` means that it does not exist.

    Both hold only what is meant to be compared and shown, with secrets masked. ``unsure`` says that something wanted
    cannot be read back (a masked parameter, a template behind a URL), so that only the service can tell.
    """

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    unsure: bool = False

    def __bool__(self) -> bool:
        return self.unsure or self.before != self.after

    @property
    def differs(self) -> frozenset[str]:
        """The keys that differ between both sides."""
        before, after = self.before or {}, self.after or {}
        return frozenset(key for key in {*before, *after} if before.get(key) != after.get(key))

    @property
    def diff(self) -> dict[str, Any]:
        """In the shape of Ansible's ``--diff``, cut down to what differs."""
        keys = self.differs
        return {"before": _cut(self.before, keys), "after": _cut(self.after, keys)}


def _cut(side: Mapping[str, Any] | None, keys: frozenset[str]) -> dict[str, Any]:
    return {key: side[key] for key in sorted(keys) if key in side} if side else {}
