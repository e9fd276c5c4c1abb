"""What an update would do to one resource. Pure: the record, the wanted properties, the type; a verdict out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from opsctl.localcloud.models import StackResource
from opsctl.localcloud.resources.base import Resource

UNKNOWN = "\0"
"""In a preview, a value that depends on what does not exist yet holds this character."""

Verdict = Literal["create", "keep", "modify", "replace", "resume"]


@dataclass(frozen=True)
class Decision:
    """``changed``: names of properties that differ; ``fixed``: those of them that cannot be changed in place."""

    verdict: Verdict
    changed: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()


def unknown(value: Any) -> bool:
    """Whether a value of a preview holds something that does not exist yet."""
    if isinstance(value, str):
        return UNKNOWN in value
    if isinstance(value, Mapping):
        return any(unknown(item) for item in value.values())
    return isinstance(value, list) and any(unknown(item) for item in value)


def decide(
    cls: type[Resource], record: StackResource | None, properties: Mapping[str, Any], tags: Mapping[str, str]
) -> Decision:
    """Create, keep, modify in place, replace, or take up again what a crash interrupted."""
    if record is None or record.status.startswith("DELETE"):
        return Decision("create")
    if record.status == "CREATE_IN_PROGRESS":
        return Decision("resume")
    if record.status == "CREATE_FAILED" or record.type != cls.type:
        return Decision("replace")
    names = {*record.properties, *properties}
    changed = {name for name in names if record.properties.get(name) != properties.get(name)}
    if "Tags" in cls.properties and record.tags != dict(tags):
        changed.add("Tags")
    if not changed and not record.pending:
        return Decision("keep")
    fixed = tuple(sorted(name for name in changed if name not in cls.properties or not cls.properties[name].update))
    return Decision("replace" if fixed else "modify", tuple(sorted(changed)), fixed)
