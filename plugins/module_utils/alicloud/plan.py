# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what a stack needs: from what is there and what is wanted to a change and its steps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import records
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.template import (
    MASK,
    Parameter,
    Template,
    alike,
    outline,
    same,
)
from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid

BUSY = "_IN_PROGRESS"
REVIEW = "REVIEW_IN_PROGRESS"  # waits for a change set to be executed: it does not end by itself
BROKEN = ("CREATE_FAILED", "CREATE_ROLLBACK_COMPLETE", "DELETE_FAILED")
CHANGED = " (changed)"


@dataclass(frozen=True)
class Wanted:
    """What the options ask for; ``None`` leaves as it is. ``parameters`` are texts as the service takes them."""

    name: str
    template: Template | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, Parameter] = field(default_factory=dict)
    secret: frozenset[str] = frozenset()
    tags: Mapping[str, str] | None = None
    purge_tags: bool = False
    deletion_protection: bool | None = None
    recreate_failed: bool = False

    @property
    def source(self) -> Template:
        """The template to send; without one there is nothing that a stack could be made of."""
        if self.template is None:
            raise Invalid(
                f"Stack {self.name} does not exist: to create it, give template, template_body or template_url"
            )
        return self.template

    def hidden(self, name: str) -> bool:
        """Whether a parameter's value must never be shown."""
        return name in self.secret or (name in self.known and self.known[name].secret)


def broken(status: str) -> bool:
    """Whether a stack in this status can only be deleted."""
    return status in BROKEN or status.endswith("ROLLBACK_FAILED")


def advice(name: str, status: str) -> str:
    """One line on what to do with a stack that can only be deleted."""
    if status == "DELETE_FAILED":
        return (
            f"Stack {name} is {status}: it could not be deleted. See its events, remove what blocks it, and delete it "
            f"with state=absent (retain_resources leaves resources behind), or set recreate_failed=true"
        )
    return (
        f"Stack {name} is {status}: it cannot be updated. See its events for the reason, delete it with state=absent "
        f"and create it again, or set recreate_failed=true to have that done"
    )


def present(found: Mapping[str, Any] | None, text: str | None, wanted: Wanted) -> Change:
    """The change that makes the stack as wanted; ``text`` is its template now. Raises :class:`Invalid`."""
    if found is None:
        return Change(None, _fresh(wanted))
    status = str(found.get("Status"))
    if status == REVIEW:
        raise Invalid(f"Stack {wanted.name} waits for a change set to be executed: execute it or delete the stack")
    if broken(status):
        if not wanted.recreate_failed:
            raise Invalid(advice(wanted.name, status))
        _unprotected(found, wanted)
        return Change({**_now(found, None), "status": status}, {**_fresh(wanted), "status": "CREATE_COMPLETE"})
    before = _now(found, text)
    after = dict(before)
    old, new, unsure = _parameters(before["parameters"], wanted)
    before["parameters"], after["parameters"] = old, new
    if wanted.template and wanted.template.url:
        unsure = True
    elif wanted.template and text is not None and not same(text, wanted.template.body or ""):
        after["template"] = outline(wanted.template.body or "")
    if wanted.tags is not None:
        after["tags"] = dict(wanted.tags) if wanted.purge_tags else {**before["tags"], **wanted.tags}
    if wanted.deletion_protection is not None:
        after["deletion_protection"] = wanted.deletion_protection
    return Change(before, after, unsure or status == "UPDATE_FAILED")


def absent(found: Mapping[str, Any] | None, wanted: Wanted) -> Change:
    """The change that removes the stack. Raises :class:`Invalid` when it is protected."""
    if found is None:
        return Change(None, None)
    _unprotected(found, wanted)
    return Change(_now(found, None), None)


def _unprotected(found: Mapping[str, Any], wanted: Wanted) -> None:
    if records.protected(found) and wanted.deletion_protection is not False:
        raise Invalid(
            f"Stack {wanted.name} is protected from being deleted: set deletion_protection=false to lift that first"
        )


def steps(change: Change, wanted: Wanted) -> tuple[str, ...]:
    """The calls that make the change, in order, of: unprotect, delete, create, untag, update, protect."""
    if not change:
        return ()
    opened = ("unprotect",) if wanted.deletion_protection is False else ()
    if change.after is None:
        return (*(opened if change.before and change.before["deletion_protection"] else ()), "delete")
    if change.before is None:
        return ("create",)
    if "status" in change.differs:
        return (*(opened if change.before["deletion_protection"] else ()), "delete", "create")
    found, differs = [], set(change.differs)
    if "tags" in differs and not change.after["tags"]:
        # an update cannot say that there are none: what it does not name stays
        differs.remove("tags")
        found.append("untag")
    if change.unsure or differs & {"template", "parameters", "tags", "resources"}:
        found.append("update")
    if "deletion_protection" in change.differs:
        found.append("protect" if change.after["deletion_protection"] else "unprotect")
    return tuple(found)


def previewed(change: Change, actions: Iterable[Mapping[str, Any]]) -> Change:
    """The change with what the service says about each resource, which settles what could not be compared."""
    if not change:
        return change
    listed = [one for one in actions if one["logical_id"]]
    before = {one["logical_id"]: one["type"] for one in listed if one["action"] != "Add"}
    after = {one["logical_id"]: one["type"] + _note(one) for one in listed if one["action"] != "Remove"}
    return replace(
        change,
        before=None if change.before is None else {**change.before, "resources": before},
        after=None if change.after is None else {**change.after, "resources": after},
        unsure=False,
    )


def _note(action: Mapping[str, Any]) -> str:
    if action["action"] != "Modify":
        return ""
    how = {"True": " by replacement", "Conditional": ", perhaps by replacement"}
    return f" (modified{how.get(str(action['replacement']), '')})"


def _now(found: Mapping[str, Any], text: str | None) -> dict[str, Any]:
    return {
        "name": found.get("StackName"),
        "template": outline(text) if text is not None else None,
        "parameters": records.parameters(found),
        "tags": records.tags(found),
        "deletion_protection": records.protected(found),
    }


def _fresh(wanted: Wanted) -> dict[str, Any]:
    shown = {name: MASK if wanted.hidden(name) else value for name, value in wanted.parameters.items()}
    return {
        "name": wanted.name,
        "template": wanted.source.url or outline(wanted.source.body or ""),
        "parameters": shown,
        "tags": dict(wanted.tags or {}),
        "deletion_protection": bool(wanted.deletion_protection),
    }


def _parameters(old: Mapping[str, str], wanted: Wanted) -> tuple[dict[str, str], dict[str, str], bool]:
    """Both sides as they may be shown, and whether one of the wanted values cannot be compared."""
    before = {name: MASK if wanted.hidden(name) else value for name, value in old.items()}
    after, unsure = dict(before), False
    for name, value in wanted.parameters.items():
        hidden = wanted.hidden(name)
        if old.get(name) == MASK and (hidden or value != MASK):
            unsure = True
        elif name not in old or not alike(old[name], value, wanted.known[name].type if name in wanted.known else ""):
            after[name] = MASK + CHANGED if hidden else value
    return before, after, unsure
