"""The result of a run as people read it: values as lines, lists of records as tables that fit the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opsctl.output import fields, grid, stdout

if TYPE_CHECKING:
    from rich.console import RenderableType

_GAP = 2


def drawn(value: Any) -> RenderableType:
    """A result of any shape; only what fits no table is YAML."""
    from rich.console import Group
    from rich.text import Text

    if not isinstance(value, Mapping):
        return Text(_plain(value))
    parts: list[RenderableType] = []
    lines: list[tuple[str, str]] = []
    for name, item in value.items():
        if _records(item):
            parts += [*_table(name, item), Text("")]
        elif isinstance(item, Mapping) and any(_records(each) for each in item.values()):
            parts += [Text(name, style="bold"), drawn(item), Text("")]
        elif isinstance(item, Mapping):
            lines.append((name, "  ".join(f"{key} {_plain(each)}" for key, each in item.items())))
        else:
            lines.append((name, _plain(item) or "none"))
    return Group(*parts, fields(lines))


def text(value: Any) -> str:
    """One value of any shape as text: YAML where it has parts."""
    import yaml

    if isinstance(value, str):
        return value
    return str(yaml.safe_dump(value, allow_unicode=True, sort_keys=False, default_flow_style=False)).rstrip()


def _records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """What is the same in every row is said once below; columns that do not fit are named."""
    from rich.text import Text

    columns = list(dict.fromkeys(key for row in rows for key in row))
    same = {key: _plain(rows[0].get(key)) for key in columns[1:] if len({_plain(row.get(key)) for row in rows}) == 1}
    if len(rows) == 1:
        same = {}
    varied = [key for key in columns if key not in same]
    shown: list[str] = []
    room = stdout().width
    for key in varied:
        room -= max(len(key), *(len(_plain(row.get(key))) for row in rows)) + _GAP
        if room < 0 and shown:
            break
        shown.append(key)
    parts: list[RenderableType] = [
        Text(name, style="bold"),
        grid([key.replace("_", " ") for key in shown], [[_plain(row.get(key)) for key in shown] for row in rows]),
    ]
    if same:
        parts.append(Text("all: " + ", ".join(f"{key} {text or '-'}" for key, text in same.items()), style="dim"))
    if rest := varied[len(shown) :]:
        parts.append(Text(f"with -o json also: {', '.join(rest)}", style="dim"))
    return parts


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and not any(isinstance(item, Mapping | list) for item in value):
        return ", ".join(map(_plain, value))
    import yaml

    return str(yaml.safe_dump(value, allow_unicode=True, sort_keys=False, default_flow_style=True)).strip()
