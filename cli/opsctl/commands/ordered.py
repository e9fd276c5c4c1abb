"""The four things that can be ordered, as commands: `opsctl run` does them, `opsctl plan` only says what they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opsctl.commands.common import CloudName, Output, complete_scenarios
from opsctl.commands.grouped import grouped
from opsctl.commands.options import As, How, Part, Try, Variables, Where, variables
from opsctl.commands.rate import Again, Pace
from opsctl.output import Format

if TYPE_CHECKING:
    from opsctl.orders.spec import Spec

Do = Callable[["Spec", Format | None], None]
_LOOSE = {"ignore_unknown_options": True}


def register(app: typer.Typer, do: Do, *, does: str) -> None:
    """Add the four to a group; `does`: the verb their help begins with."""
    for add in (_command, _script, _playbook, _scenario):
        add(app, do, does)


def _command(app: typer.Typer, do: Do, does: str) -> None:
    @app.command(context_settings=_LOOSE, help=f"{does} a command on hosts, all at once, over SSH.")
    @grouped
    def command(
        *,
        words: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="The command; no shell reads it there.")],
        where: Where,
        who: As,
        pace: Again,
        how: How,
        output: Output = None,
    ) -> None:
        from opsctl.orders.spec import Spec

        do(
            Spec(
                kind="command",
                content="",
                words=tuple(words),
                **where.plain(),
                **who.plain(),
                **pace.plain(),
                **how.plain(),
            ),
            output,
        )


def _script(app: typer.Typer, do: Do, does: str) -> None:
    @app.command(context_settings=_LOOSE, help=f"{does} a script of this machine on hosts, all at once, over SSH.")
    @grouped
    def script(
        *,
        file: Annotated[Path, typer.Argument(metavar="FILE", help="A script on this machine.")],
        where: Where,
        who: As,
        pace: Again,
        how: How,
        arguments: Annotated[list[str] | None, typer.Argument(metavar="[ARGS]...", help="Its arguments.")] = None,
        output: Output = None,
    ) -> None:
        from opsctl.orders.spec import Spec

        path, words = str(file.expanduser().absolute()), tuple(arguments or ())
        do(
            Spec(
                kind="script", content=path, words=words, **where.plain(), **who.plain(), **pace.plain(), **how.plain()
            ),
            output,
        )


def _playbook(app: typer.Typer, do: Do, does: str) -> None:
    @app.command(help=f"{does} a playbook of Ansible.")
    @grouped
    def playbook(
        *,
        name: Annotated[
            str, typer.Argument(metavar="FILE|FQCN", help="A playbook's file, or its name in a collection.")
        ],
        where: Part,
        dry: Try,
        pace: Pace,
        how: How,
        extra: Variables = None,
        output: Output = None,
    ) -> None:
        from opsctl.orders.spec import Spec

        parameters = variables(extra)
        do(
            Spec(
                kind="playbook",
                content=name,
                parameters=parameters,
                **where.plain(),
                **dry.plain(),
                **pace.plain(),
                **how.plain(),
            ),
            output,
        )


def _scenario(app: typer.Typer, do: Do, does: str) -> None:
    @app.command(help=f"{does} an action of a scenario: create or update its stack, configure its hosts, verify it.")
    @grouped
    def scenario(
        *,
        name: Annotated[
            str,
            typer.Argument(help="The scenario; `opsctl scenario list` shows them.", autocompletion=complete_scenarios),
        ],
        dry: Try,
        pace: Pace,
        how: How,
        action: Annotated[str, typer.Option("--action", "-a", help="What to do.", autocompletion=_actions)] = "deploy",
        extra: Variables = None,
        cloud: CloudName = None,
        limit: Annotated[str, typer.Option("--limit", "-l", metavar="PATTERN", help="Only these hosts.")] = "",
        timeout: Annotated[
            int | None,
            typer.Option("--timeout", metavar="SECONDS", min=1, help="How long it may take.", show_default=False),
        ] = None,
        output: Output = None,
    ) -> None:
        from opsctl.orders.spec import Spec

        do(
            Spec(
                kind="scenario",
                content=name,
                action=action,
                cloud=cloud or "",
                pattern=limit,
                timeout=timeout or 0,
                parameters=variables(extra),
                **dry.plain(),
                **pace.plain(),
                **how.plain(),
            ),
            output,
        )


def _actions(ctx: typer.Context, incomplete: str) -> list[str]:
    from opsctl.commands.common import settings
    from opsctl.errors import OpsctlError
    from opsctl.scenarios import get

    try:
        # While an option's value is being typed, the arguments before it are not parsed yet.
        name = ctx.params.get("name") or next(iter(ctx.args), "")
        actions = get(name, settings().scenario_path).actions
    except OpsctlError:
        return []
    return [name for name in actions if name.startswith(incomplete)]
