"""`opsctl run`: options -> request -> run -> result."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.batch import command, playbook, script
from opsctl.commands.common import CloudName, Output, complete_scenarios, desk, group

if TYPE_CHECKING:
    from opsctl.parameters import Parameter
    from opsctl.runs.conduct import Ended

app = group("Run something, recorded and audited.")
app.command(context_settings={"ignore_unknown_options": True})(command)
app.command(context_settings={"ignore_unknown_options": True})(script)
app.command()(playbook)


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


@app.command()
def scenario(  # noqa: PLR0917 - Typer passes options by name
    name: Annotated[
        str, typer.Argument(help="The scenario; `opsctl scenario list` shows them.", autocompletion=complete_scenarios)
    ],
    action: Annotated[str, typer.Option("--action", "-a", help="What to do.", autocompletion=_actions)] = "deploy",
    extra: Annotated[
        list[str] | None,
        typer.Option(
            "--extra-vars",
            "-e",
            metavar="NAME=VALUE|@FILE",
            help="A parameter, or a YAML file of them (@- reads stdin).",
        ),
    ] = None,
    cloud: CloudName = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing, say what would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Record differences of what changes.")] = False,
    limit: Annotated[str, typer.Option("--limit", "-l", metavar="PATTERN", help="Only these hosts.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why: goes into the ledger.")] = "",
    timeout: Annotated[
        int | None, typer.Option("--timeout", metavar="SECONDS", help="How long it may take.", show_default=False)
    ] = None,
    output: Output = None,
) -> None:
    """Run an action of a scenario: create or update its stack, configure its hosts, verify the service."""
    from opsctl.clock import now, uuid7
    from opsctl.clouds import access
    from opsctl.parameters import checked, given
    from opsctl.runs.conduct import Work
    from opsctl.runs.request import RunRequest, Targets, me
    from opsctl.scenarios import get

    state = desk(timeout=timeout, output=output)
    settings = state.settings
    found = get(name, settings.scenario_path)
    playbook = found.playbook(action)
    profile_name, profile = settings.chosen(cloud)
    wanted, known = found.parameters(action), found.parameters()
    parameters = checked(given(extra or (), _read), known)
    parameters.setdefault("stack_name", found.name)
    _complete(found.name, wanted, parameters)
    request = RunRequest(
        id=uuid7(),
        kind="scenario",
        content=found.name,
        action=action,
        playbook=playbook,
        cloud=profile_name,
        requester=me(),
        created=now(),
        targets=Targets(stack=str(parameters["stack_name"]), limit=limit),
        parameters=parameters,
        secrets=frozenset(name for name in parameters if name in known and known[name].secret),
        reason=reason,
        check=check,
        diff=diff,
        timeout=settings.timeout,
        digest=found.digest(action),
    )
    work = Work(access=lambda: access(profile_name, profile, state.home), environment=found.environment())
    show(state, request, work)


def show(state: Any, request: Any, work: Any) -> None:
    """Conduct a run with a view on it, print its result, exit as it ended."""
    from opsctl.output import emit, say
    from opsctl.runs.show import screen, summary, table

    with screen(request, state) as view:
        ended: Ended = state.conduct(request, work, view, view.begin)
    emit(summary(ended), state.settings.output, table)
    if ended.run.message:
        say(f"opsctl: {ended.run.status}: {ended.run.message}")
    if ended.stopped and ended.progress.running:
        count = len(ended.progress.running)
        say(f"opsctl: {count} hosts were in the middle of a task; `opsctl runs show {ended.run.id}` names them")
    raise typer.Exit(ended.exit_code)


def _complete(name: str, wanted: Mapping[str, Parameter], parameters: Mapping[str, Any]) -> None:
    from opsctl.errors import UsageError

    missing = [p.name for p in wanted.values() if p.required and p.source == "role" and p.name not in parameters]
    if missing:
        raise UsageError(
            f"Scenario {name} needs {', '.join(missing)}; give -e {missing[0]}=VALUE (`opsctl scenario show {name}`)"
        )


def _read(path: str) -> str:
    from opsctl.errors import UsageError

    try:
        return sys.stdin.read() if path == "-" else Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
