"""`opsctl run command|script|playbook`: on hosts that are found, shown and recorded before anything runs."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import CloudName, Output, desk

if TYPE_CHECKING:
    from opsctl.fanout.execute import Batch
    from opsctl.fanout.remote import Command
    from opsctl.runs.request import RunRequest
    from opsctl.targets import Found, Places

_SHOWN = 30
"""Hosts whose names are shown before a run."""

Hosts = Annotated[
    str, typer.Option("--hosts", "-H", metavar="PATTERN", help="Which hosts: a pattern as Ansible knows them.")
]
Inventories = Annotated[
    list[Path] | None,
    typer.Option("--inventory", "-i", metavar="FILE", help="An inventory; without --cloud, instead of the cloud's."),
]
User = Annotated[str, typer.Option("--user", "-u", help="Log in as this user.")]
Become = Annotated[bool, typer.Option("--become", "-b", help="Do it as root, by sudo.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="How long one host may take.")]
Forks = Annotated[
    int | None, typer.Option("--forks", "-f", help="Hosts at the same time (default: 20).", show_default=False)
]
Environment = Annotated[
    list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="A variable of the environment there.")
]
Directory = Annotated[str, typer.Option("--chdir", metavar="PATH", help="The directory to do it in.")]
Reason = Annotated[str, typer.Option("--reason", help="Why: goes into the ledger.")]
Everything = Annotated[bool, typer.Option("--yes-all", help="All hosts are meant.")]


def command(  # noqa: PLR0917 - Typer passes options by name
    words: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="The command; no shell reads it there.")],
    hosts: Hosts = "",
    inventory: Inventories = None,
    cloud: CloudName = None,
    user: User = "",
    become: Become = False,
    timeout: Timeout = 600,
    forks: Forks = None,
    env: Environment = None,
    chdir: Directory = "",
    reason: Reason = "",
    everything: Everything = False,
    output: Output = None,
) -> None:
    """Run a command on hosts, all at once, over SSH."""
    from opsctl.fanout.remote import Command

    state = desk(forks=forks, output=output)
    wanted = Command(tuple(words), _environment(env), chdir)
    text = shlex.join(words)
    where, how = (hosts, inventory, cloud, everything), (user, become, timeout, reason)
    _do(state, "command", text, wanted, path=None, where=where, how=how)


def script(  # noqa: PLR0917 - Typer passes options by name
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A script on this machine.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[ARGS]...", help="Its arguments.")] = None,
    hosts: Hosts = "",
    inventory: Inventories = None,
    cloud: CloudName = None,
    user: User = "",
    become: Become = False,
    timeout: Timeout = 600,
    forks: Forks = None,
    env: Environment = None,
    chdir: Directory = "",
    reason: Reason = "",
    everything: Everything = False,
    output: Output = None,
) -> None:
    """Run a script of this machine on hosts, all at once, over SSH."""
    from opsctl.errors import UsageError
    from opsctl.fanout.remote import Command

    state = desk(forks=forks, output=output)
    path = file.expanduser().absolute()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read script {file}: {error.strerror}") from error
    words = (path.name, *(arguments or ()))
    wanted = Command(words, _environment(env), chdir, content)
    text = shlex.join([str(file), *words[1:]])
    where, how = (hosts, inventory, cloud, everything), (user, become, timeout, reason)
    _do(state, "script", text, wanted, path=path, where=where, how=how)


def playbook(  # noqa: PLR0917 - Typer passes options by name
    name: Annotated[str, typer.Argument(metavar="FILE|FQCN", help="A playbook's file, or its name in a collection.")],
    hosts: Annotated[
        str, typer.Option("--hosts", "-H", "--limit", "-l", metavar="PATTERN", help="Only these of its hosts.")
    ] = "",
    inventory: Inventories = None,
    extra: Annotated[
        list[str] | None,
        typer.Option("--extra-vars", "-e", metavar="NAME=VALUE|@FILE", help="A variable, or a YAML file of them."),
    ] = None,
    cloud: CloudName = None,
    forks: Forks = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing, say what would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Record differences of what changes.")] = False,
    reason: Reason = "",
    everything: Everything = False,
    output: Output = None,
) -> None:
    """Run a playbook of Ansible."""
    from opsctl.commands.run import _read, show
    from opsctl.errors import UsageError
    from opsctl.parameters import given
    from opsctl.runs.conduct import Work

    state = desk(forks=forks, output=output)
    path, digest = name, ""
    if not re.fullmatch(r"\w+\.\w+(\.\w+)+", name) or Path(name).exists():
        found = Path(name).expanduser().absolute()
        try:
            path, digest = str(found), hashlib.sha256(found.read_bytes()).hexdigest()
        except OSError as error:
            raise UsageError(f"Cannot read playbook {name}: {error.strerror}") from error
    variables = given(extra or (), _read)
    hidden = _secret(variables)
    places = _places(state, inventory, cloud)
    targets = _find(hosts, places, everything)
    request = _request(state, "playbook", name, places, targets, parameters=variables, hidden=hidden, reason=reason)
    request = _with(request, playbook=path, digest=digest, check=check, diff=diff)
    show(state, request, Work(access=lambda: places))


def _do(
    state: Any,
    kind: Any,
    text: str,
    wanted: Command,
    *,
    path: Path | None,
    where: tuple[str, list[Path] | None, str | None, bool],
    how: tuple[str, bool, float, str],
) -> None:
    from opsctl.events.redact import Redactor
    from opsctl.fanout.execute import Fanout
    from opsctl.fanout.show import finish, recorded
    from opsctl.runs.conduct import Work
    from opsctl.runs.show import screen

    hosts, inventory, cloud, everything = where
    user, become, timeout, reason = how
    places = _places(state, inventory, cloud)
    found = _find(hosts, places, everything)
    batch = _batch(found, wanted, path, how)
    environment = {f"env.{name}": value for name, value in wanted.environment.items()}
    hidden = _secret(environment)
    options = {"user": user, "become": become, "chdir": wanted.directory, "host_timeout": timeout}
    parameters = {**{name: value for name, value in options.items() if value}, **environment}
    content = Redactor(environment[name] for name in hidden).text(text)
    request = _request(state, kind, content, places, found, parameters=parameters, hidden=hidden, reason=reason)
    if wanted.script is not None:
        request = _with(request, digest=hashlib.sha256(wanted.script).hexdigest())
    work = Work(
        access=lambda: places,
        execution=lambda job, waiting: Fanout(job, batch, waiting),
        conclude=recorded,
    )
    with screen(request, state) as view:
        ended = state.conduct(request, work, view, view.begin)
    finish(ended, state)


def _batch(found: Found, wanted: Command, path: Path | None, how: tuple[str, bool, float, str]) -> Batch:
    from opsctl.fanout.connection import Foreign, connection
    from opsctl.fanout.execute import Batch
    from opsctl.output import say

    user, become, timeout, _reason = how
    unsure = os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "").lower() in ("false", "no", "0", "off")
    fast, slow = [], {}
    for name, variables in found.variables.items():
        try:
            fast.append(connection(name, variables, user, become, "no" if unsure else "yes"))
        except Foreign as reason:
            slow[name] = str(reason)
    if slow:
        first = next(iter(slow))
        say(f"{len(slow)} of {len(found.names)} hosts are reached through Ansible ({first}: {slow[first]})")
    title = "Run a script" if wanted.script is not None else "Run a command"
    return Batch(title, wanted, fast, slow, timeout, user, become, path)


def _places(state: Any, inventory: list[Path] | None, cloud: str | None) -> Places:
    """The inventories: the chosen cloud's and the files; the default cloud only when there are no files."""
    from opsctl.clouds import access
    from opsctl.settings import Cloud
    from opsctl.targets import Places, files

    extra = files(inventory or ())
    if extra and cloud is None:
        name, profile, extra = "files", Cloud(kind="hosts", inventory=extra[0]), extra[1:]
    else:
        name, profile = state.settings.chosen(cloud)
    way = access(name, profile, state.home)
    return Places(way.name, way.cloud, way.environment, extra)


def _find(pattern: str, places: Places, everything: bool) -> Found:
    """The hosts, said aloud."""
    from opsctl.output import say
    from opsctl.targets import find

    found = find(pattern, places, everything=everything)
    rest = f" and {len(found.names) - _SHOWN} more" if len(found.names) > _SHOWN else ""
    count = "1 host" if len(found.names) == 1 else f"{len(found.names)} hosts"
    say(f"{count}: {', '.join(found.names[:_SHOWN])}{rest} (targets {found.digest[:12]})")
    return found


def _request(
    state: Any,
    kind: Any,
    content: str,
    places: Places,
    found: Found,
    *,
    parameters: dict[str, Any],
    hidden: frozenset[str],
    reason: str,
) -> RunRequest:
    from opsctl.clock import now, uuid7
    from opsctl.runs.request import RunRequest, Targets, me

    return RunRequest(
        id=uuid7(),
        kind=kind,
        content=content,
        action="",
        playbook="",
        cloud=places.name,
        requester=me(),
        created=now(),
        targets=Targets(limit=found.pattern, hosts=found.names, digest=found.digest),
        parameters=parameters,
        secrets=hidden,
        reason=reason,
        timeout=state.settings.timeout,
    )


def _secret(names: Iterable[str]) -> frozenset[str]:
    """Those whose values are secrets, by what they are called."""
    from opsctl.clouds import secrets

    return frozenset(name for name in names if secrets({name: "whatever it is"}))


def _with(request: RunRequest, **values: Any) -> RunRequest:
    from dataclasses import replace

    return replace(request, **values)


def _environment(pairs: list[str] | None) -> dict[str, str]:
    from opsctl.errors import UsageError

    found = {}
    for pair in pairs or ():
        name, equal, value = pair.partition("=")
        if not equal or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise UsageError(f"--env {name if equal else pair}: give NAME=VALUE")
        found[name] = value
    return found
