"""`opsctl monitor`: Zabbix, as far as opsctl needs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import typer

from opsctl.commands.common import CloudName, Output, desk, group, settings

if TYPE_CHECKING:
    from opsctl.settings import Settings

app = group("Set Zabbix up, tell it of hosts, look whether it is well.")


@app.command()
def setup(  # noqa: PLR0917 - Typer passes options by name
    receiver: Annotated[
        str,
        typer.Option(
            "--receiver",
            metavar="URL",
            help="Where Zabbix reaches `opsctl alert serve`, e.g. http://10.0.0.5:8470. Without it no webhook is "
            "set up: opsctl then finds problems by asking.",
        ),
    ] = "",
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="The name of this Zabbix under alerts.sources.")
    ] = "zabbix",
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="NAME",
            help="A host group that opsctl may change, with those below it; made when missing. May be repeated. "
            "(default: opsctl)",
            show_default=False,
        ),
    ] = None,
    template_groups: Annotated[
        list[str] | None,
        typer.Option(
            "--template-group",
            metavar="NAME",
            help="A group of templates that it may link to hosts. May be repeated. (default: Templates)",
            show_default=False,
        ),
    ] = None,
    rights: Annotated[
        str,
        typer.Option(
            "--rights",
            metavar="hosts|methods",
            help="hosts: those of the groups only. methods: all hosts, by a role of type Super admin, which it takes "
            "to make host groups and, before Zabbix 7.0.19, to have items checked at once. Either way only the methods "
            "of the API that opsctl needs.",
        ),
    ] = "hosts",
    name: Annotated[
        str,
        typer.Option("--name", metavar="NAME", help="What role, user group, user, token and media type are called."),
    ] = "opsctl",
    token_days: Annotated[
        int,
        typer.Option(
            "--token-days",
            metavar="DAYS",
            min=0,
            max=3650,
            help="How long a new token is good for; 0 = for ever. It is renewed by running this in its last two weeks.",
        ),
    ] = 0,
    rotate: Annotated[bool, typer.Option("--rotate", help="A new token, and a new key for webhooks.")] = False,
    admin_user: Annotated[
        str,
        typer.Option(
            "--admin-user",
            metavar="NAME",
            help="Do it as this Super admin; the password is asked for, or in ZABBIX_PASSWORD. Without this: "
            "ZABBIX_TOKEN, or ZABBIX_USER, or who the settings name.",
        ),
    ] = "",
    admin_password_file: Annotated[
        Path | None,
        typer.Option("--admin-password-file", metavar="FILE", help="Holds the password.", show_default=False),
    ] = None,
    admin_token_file: Annotated[
        Path | None,
        typer.Option(
            "--admin-token-file", metavar="FILE", help="Holds the API token of a Super admin.", show_default=False
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing, say what would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the differences.")] = False,
    output: Output = None,
) -> None:
    """Make a user for opsctl with the least of rights, its token, and the webhook that tells of problems.

    The token and the key that signs webhooks are kept under OPSCTL_HOME, for its owner only. A second time nothing
    changes; what somebody changed in Zabbix is put right.
    """
    from opsctl.monitor import show
    from opsctl.monitor.config import secret_file, token_file
    from opsctl.monitor.setup.admin import Said, administrator
    from opsctl.monitor.setup.work import Job, run
    from opsctl.output import emit

    state = desk(output=output)
    options = state.settings.monitor.zabbix
    job = Job(
        access=administrator(options, state.home, Said(admin_user, admin_password_file, admin_token_file), _ask),
        receiver=receiver,
        source=source,
        groups=tuple(groups or ("opsctl",)),
        template_groups=tuple(template_groups or ("Templates",)),
        rights=_rights(rights),
        name=name,
        days=token_days,
        rotate=rotate,
        check=check,
        token_file=token_file(state.home),
        key_file=_key_file(state.settings, source) or secret_file(state.home),
    )
    changes = run(job, state.ledger)
    result = {
        "changed": any(change.what != "unchanged" for change in changes),
        "check": check,
        "changes": [change.plain() | ({"diff": change.diff()} if diff else {}) for change in changes],
        "token_file": str(job.token_file),
        "key_file": str(job.key_file) if receiver else None,
    }
    emit(result, state.settings.output, lambda row: show.made(row, changes, diff=diff))
    if not check:
        _next(state.settings, job.token_file, receiver)


def _rights(word: str) -> Literal["hosts", "methods"]:
    from opsctl.errors import UsageError

    if word == "hosts":
        return "hosts"
    if word == "methods":
        return "methods"
    raise UsageError(f"--rights is hosts or methods, not {word}")


def _ask(user: str) -> str:
    from opsctl.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(f"The password of {user} is needed: --admin-password-file, or export ZABBIX_PASSWORD")
    return str(typer.prompt(f"Password of {user} in Zabbix", hide_input=True, err=True))


def _key_file(settings: Settings, source: str) -> Path | None:
    """Where the receiver looks for the key, when the settings say it."""
    from opsctl.errors import UsageError

    found = next((each for each in settings.alerts.sources if each.name == source), None)
    if found is None:
        return None
    if found.kind != "zabbix":
        raise UsageError(f"alerts.sources: {source} is of kind {found.kind}, not zabbix; name another --source")
    if found.secret_env:
        raise UsageError(
            f"alerts.sources: {source} has its secret in {found.secret_env}; setup keeps it in a file only"
        )
    return found.secret_file


def _next(settings: Settings, token_file: Path, receiver: str) -> None:
    """What is left to do by hand."""
    from opsctl.output import say

    options = settings.monitor.zabbix
    if options.token_env or options.token_file not in (None, token_file) or options.user:
        say(f"The settings name somebody else: remove that, or set monitor.zabbix.token_file to {token_file}")
    if options.url is None:
        say(f'Add to config.toml, so that ZABBIX_URL is not needed:  [monitor.zabbix]  url = "{options.place}"')
    if receiver and _loopback(settings.alerts.address[0]) and not _loopback(urlsplit(receiver).hostname or ""):
        say(
            f"Zabbix will not get through: `opsctl alert serve` takes webhooks at {settings.alerts.listen} only; "
            "set alerts.listen, or put a proxy with TLS in front"
        )


def _loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"


@app.command()
def sync(  # noqa: PLR0917 - Typer passes options by name
    stacks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STACK]...", help="These stacks. Without: those of the cloud that Zabbix watches."),
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the hosts of these stacks out of Zabbix, whether they exist or not.")
    ] = False,
    cloud: CloudName = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing, say what would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the differences.")] = False,
    output: Output = None,
) -> None:
    """Tell Zabbix which hosts the stacks have now: new ones, other addresses and groups, and those that are gone.

    Templates, macros and keys stay as the playbooks brought them; a new host gets the template opsctl Linux. Stopped
    hosts stay. Exit status 1 when Zabbix refused some hosts; the others are done.
    """
    from opsctl.clouds import access
    from opsctl.monitor import show
    from opsctl.monitor.sync import chosen, hosts_of, known, run
    from opsctl.monitor.zabbix import gateway, told
    from opsctl.output import emit

    state = desk(output=output)
    name, profile = state.settings.chosen(cloud)
    with told(), gateway(state.settings.monitor.zabbix, state.home) as zabbix:
        there = known(zabbix)
        here = hosts_of(access(name, profile, state.home)) if not remove else {}
        names = chosen(stacks or (), here, there, name, remove=remove)
        done = list(run(zabbix, names, here, state.ledger, check=check, remove=remove))
    rows = [each.plain() | ({"diff": dict(each.result.diff)} if diff else {}) for each in done]
    emit({"check": check, "stacks": rows}, state.settings.output, lambda result: show.synced(result["stacks"]))
    raise typer.Exit(1 if any(row["failed"] for row in rows) else 0)


@app.command()
def status(output: Output = None) -> None:
    """Whether Zabbix answers, its server works, what it watches, what is wrong, what it could not tell.

    Exit status 1 when it is not well: no answer, no server, or messages of the last day that nobody took.
    """
    from opsctl.home import home
    from opsctl.monitor import show
    from opsctl.monitor.status import status as asked
    from opsctl.monitor.status import well
    from opsctl.output import emit

    chosen = settings(output=output)
    found = asked(chosen.monitor.zabbix, home())
    emit(found, chosen.output, show.status)
    raise typer.Exit(0 if well(found) else 1)
