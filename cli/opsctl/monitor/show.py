"""What `opsctl monitor` prints for people."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from opsctl.output import fields, grid

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opsctl.monitor.setup.setup import Change

_MARKS = {"create": "+", "update": "~", "unchanged": " "}


def made(row: dict[str, Any], changes: Sequence[Change], *, diff: bool) -> RenderableType:
    """What setup did, or would."""
    table = grid(("", "kind", "name", "change"), [(_MARKS[c.what], c.kind, c.name, c.what) for c in changes])
    told = [Text(f"\n{change.diff()}") for change in changes if diff and change.what != "unchanged"]
    files = fields([("token", row["token_file"]), ("key of webhooks", row["key_file"])])
    return Group(table, *told, Text(""), files)


def synced(rows: list[dict[str, Any]]) -> RenderableType | str:
    """What became of the hosts of stacks."""
    if not rows:
        return "Zabbix watches no stack of this cloud; name one to have it watched"
    kinds = ("created", "updated", "deleted", "unchanged", "failed")
    table = grid(("stack", *kinds), [(row["stack"], *(len(row[kind]) for kind in kinds)) for row in rows])
    marks = {"created": "+", "updated": "~", "deleted": "-"}
    lines = [f"{mark} {host}" for row in rows for kind, mark in marks.items() for host in row[kind]]
    lines += [f"! {host}: {why}" for row in rows for host, why in row["failed"].items()]
    lines += [f"- {host}: {len(ids)} of the same name" for row in rows for host, ids in row["duplicates"].items()]
    told = [Text(_differences(row["diff"])) for row in rows if row.get("diff")]
    return Group(table, Text("\n".join(["", *lines]) if lines else ""), *told)


def _differences(diff: dict[str, Any]) -> str:
    before, after = (json.dumps(diff[side], indent=2, sort_keys=True).splitlines() for side in ("before", "after"))
    return "\n".join(difflib.unified_diff(before, after, "before", "after", lineterm=""))


def status(found: dict[str, Any]) -> RenderableType:
    """Whether Zabbix is well."""
    sent = found["deliveries"]
    wrong = ", ".join(f"{count} {severity}" for severity, count in found["problems"].items() if count)
    parts: list[RenderableType] = [
        fields(
            [
                ("url", found["url"]),
                ("version", found["version"] or _bad(found["error"])),
                ("server", _server(found)),
                ("trouble", _bad(found["error"]) if found["version"] and found["error"] else ""),
                ("problems", (wrong or "none") if found["reachable"] else ""),
                ("in maintenance", found["suppressed"] or ""),
                ("told in a day", f"{sent['sent']} messages, {sent['waiting']} wait" if found["reachable"] else ""),
                ("not told", _bad(f"{sent['failed']}: {'; '.join(sent['errors'])}") if sent["failed"] else ""),
            ]
        )
    ]
    if found["stacks"]:
        rows = [(row["stack"], row["hosts"], row["disabled"], row["unreachable"]) for row in found["stacks"]]
        parts += [Text(""), grid(("stack", "hosts", "disabled", "agent unreachable"), rows)]
    return Group(*parts)


def _server(found: dict[str, Any]) -> str | Text:
    place = found["server"]["address"]
    if found["server"]["alive"]:
        return f"{place} takes values"
    # The API reads the database, whether anybody writes to it or not.
    return _bad(f"{place} takes no values{'; what follows may be old' if found['reachable'] else ''}")


def _bad(text: str) -> Text:

    return Text(text, style="bold red")
