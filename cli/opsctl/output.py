"""What a command prints: its result on stdout, its story on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Format = Literal["table", "json", "yaml"]


def emit(result: Any, form: Format, table: Callable[[Any], RenderableType | str]) -> None:
    """Print the result: `table` draws it for people; JSON and YAML are its data as they are."""
    if form == "json":
        print(json.dumps(result, ensure_ascii=False, indent=2))
    elif form == "yaml":
        import yaml

        print(yaml.safe_dump(result, allow_unicode=True, sort_keys=False, default_flow_style=False), end="")
    else:
        drawn = table(result)
        if isinstance(drawn, str):
            print(drawn)
        else:
            stdout().print(drawn)
    sys.stdout.flush()


def grid(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> RenderableType:
    """A table without frames: it can be read, and cut with awk."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column.upper(), overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text("" if cell is None else str(cell)) for cell in row))
    return table


def fields(pairs: Iterable[tuple[str, object]]) -> RenderableType:
    """A list of names and values, one a line; empty values are left out."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", [], {}):
            table.add_row(name, value if isinstance(value, Text) else Text(str(value)))
    return table


def stdout() -> Console:
    """The console of results; wide when nobody looks, so that nothing is folded."""
    return _console(stderr=False)


def story() -> Console:
    """The console of the story."""
    return _console(stderr=True)


def say(text: str) -> None:
    """One line of the story."""
    print(text, file=sys.stderr, flush=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, highlight=False, width=None if stream.isatty() else 10_000, soft_wrap=not stream.isatty()
    )
