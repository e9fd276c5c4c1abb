"""`opsctl runs compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import Output, RunId, desk

if TYPE_CHECKING:
    from opsctl.events.compare import Group, Task

_STYLES = {"failed": "red", "unreachable": "magenta"}
_NAMES = 12
_SHOWN = 8
"""Lines of what the largest group said."""


def compare(
    run: RunId,
    task: Annotated[
        str, typer.Option("--task", metavar="TEXT", help="Only tasks with this in their names.", show_default=False)
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also tasks in which all hosts did the same.")] = False,
    output: Output = None,
) -> None:
    """Hosts that did the same, task by task, and how the others differ from most."""
    from opsctl.errors import UsageError
    from opsctl.events.compare import compare as compared
    from opsctl.events.journal import gone, read
    from opsctl.output import emit

    state = desk(output=output)
    path = state.journal(state.store.get(run).id)
    if not path.exists():
        raise UsageError(gone(path))
    tasks = [each for each in compared(read(path)) if task.lower() in each.name.lower()]
    shown = [each for each in tasks if everything or not each.same]
    emit([each.plain() for each in shown], state.settings.output, lambda _: _table(shown, len(tasks)))


def _table(tasks: list[Task], all_: int) -> Any:
    from rich.console import Group as Lines
    from rich.text import Text

    lines: list[Text] = []
    for task in tasks:
        lines.append(Text(f"TASK {task.name}", style="bold"))
        for group in task.groups:
            lines.append(Text(f"  {_heading(group)}", style=_STYLES.get(group.state, "")))
            said = group.text.splitlines()
            body = group.diff or said[:_SHOWN]
            more = len(said) - _SHOWN if not group.diff else 0
            lines += [_colored(line) if group.diff else Text(f"      {line}") for line in body]
            lines += [Text(f"      ... {more} more lines", style="dim")] if more > 0 else []
    same = all_ - len(tasks)
    if same:
        what = f"{same} {'other ' if tasks else ''}task{'s' * (same != 1)}"
        lines.append(Text(f"In {what} all hosts did the same", style="dim"))
    return Lines(*lines)


def _heading(group: Group) -> str:
    count = len(group.hosts)
    names = ", ".join(group.hosts[:_NAMES]) + (f" and {count - _NAMES} more" if count > _NAMES else "")
    return f"{count} host{'s the same' if count != 1 else ''} ({group.state}): {names}"


def _colored(line: str) -> Any:
    from rich.text import Text

    style = "green" if line.startswith("+") else "red" if line.startswith("-") else "dim"
    return Text(f"      {line}", style=style)
