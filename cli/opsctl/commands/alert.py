"""`opsctl alert`: the closed loop, from alerts to what heals them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from opsctl.commands import rules
from opsctl.commands import sources as _sources
from opsctl.commands.common import Output, group

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

app = group("Take alerts, heal what rules know how to heal, and say why.")
app.add_typer(rules.app, name="rules")

AlertId = Annotated[str, typer.Argument(metavar="ALERT", help="An alert's id, the beginning or end of it, or `last`.")]
RemedyId = Annotated[
    str, typer.Argument(metavar="REMEDIATION", help="A remediation's or its alert's id, or an end of it.")
]
Comment = Annotated[
    str, typer.Option("--comment", "-m", metavar="TEXT", help="Why; goes into the story and the ledger.")
]


@app.command()
def serve(
    once: Annotated[
        bool, typer.Option("--once", help="Do what there is to do now, then end; take no webhooks meanwhile.")
    ] = False,
) -> None:
    """Take alerts from all sources of the settings and lead each to its end, until SIGTERM or ^C. One a home.

    Runs that are under way when it ends go on, and the next `serve` follows them.
    """
    import signal
    import threading

    from opsctl.alerts.serve import Service, alone
    from opsctl.commands.common import settings
    from opsctl.home import home
    from opsctl.output import say

    place = home()
    found = settings()
    stop = threading.Event()
    with alone(place), Service(place, found, say) as service:

        def end(_number: int, _frame: object) -> None:
            stop.set()
            service.ring()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, end)
        service.start(listen=not once)
        say(f"opsctl alert: {service.describes}")
        service.run(stop, once=once)
        say("opsctl alert: stopped")


app.command()(_sources.sources)


@app.command("list")
def list_(  # noqa: PLR0917 - Typer passes options by name
    state: Annotated[
        Literal["firing", "resolved"] | None, typer.Option("--state", help="Only these.", show_default=False)
    ] = None,
    host: Annotated[str, typer.Option("--host", "-H", help="Only of this host.")] = "",
    source: Annotated[str, typer.Option("--source", help="Only of this source.")] = "",
    stack: Annotated[str, typer.Option("--stack", help="Only of this stack.")] = "",
    find: Annotated[str, typer.Option("--find", metavar="TEXT", help="Only with this in name, host or trigger.")] = "",
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="Only received so lately, e.g. 2h, 7d.")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=100_000, help="At most so many.")] = 30,
    output: Output = None,
) -> None:
    """Show alerts and what was done about them, the newest first."""
    from opsctl.alerts.inbox import Filter
    from opsctl.alerts.show import described, table
    from opsctl.output import emit

    with _opened(output) as state_:
        wanted = Filter(state=state, host=host, source=source, stack=stack, text=find, since=_ago(since))
        found = state_.inbox.find(wanted, count)
        done = state_.remedies.of_alerts(alert.id for alert in found)
        emit([described(alert, done.get(alert.id, [])) for alert in found], state_.output, table)


@app.command()
def show(alert: AlertId, output: Output = None) -> None:
    """Show one alert, and what was done about it step by step."""
    from opsctl.alerts.show import card, described, story
    from opsctl.output import emit

    with _opened(output) as state:
        found = state.inbox.get(alert)
        done = state.remedies.of_alerts([found.id]).get(found.id, [])
        row = described(found, done)
        for told, remedy in zip(row["remediations"], done, strict=True):
            told["story"] = story(state.remedies.story([remedy.id]))
        emit(row, state.output, card)


@app.command()
def why(alert: AlertId, output: Output = None) -> None:
    """Say which rule took an alert and why the others did not: then, and as rules stand now."""
    from opsctl.alerts.rules.book import places
    from opsctl.alerts.rules.read import load
    from opsctl.alerts.why import alert_card, of_alert
    from opsctl.output import emit

    with _opened(output) as state:
        book = load(places(state.home, state.settings.scenario_path))
        found = of_alert(state.inbox.get(alert), book, state.inbox, state.remedies)
        emit(found, state.output, alert_card)


@app.command()
def approve(remediation: RemedyId, comment: Comment = "") -> None:
    """Let a proposed remediation go ahead; the guards' bounds still hold. `serve` starts it."""
    from opsctl.alerts.people import accept
    from opsctl.output import say

    with _opened(None) as state:
        found = accept(state.inbox, state.remedies, remediation, comment)
        say(f"Remediation {found.id} goes ahead{state.hint}")


@app.command()
def refuse(remediation: RemedyId, comment: Comment = "") -> None:
    """Let nothing be done about it: ends a remediation that is proposed or held."""
    from opsctl.alerts.people import refuse as refused
    from opsctl.output import say

    with _opened(None) as state:
        found = refused(state.inbox, state.remedies, remediation, comment)
        say(f"Remediation {found.id} is not done")


@app.command()
def ack(alert: AlertId, comment: Comment = "") -> None:
    """Say that a person looks after it: rules leave it alone, its source is told where it can be."""
    from opsctl.alerts.people import acknowledge
    from opsctl.output import say

    with _opened(None) as state:
        found, told = acknowledge(state.inbox, state.remedies, state.sources, state.inbox.get(alert), comment)
        say(f"Alert {found.id} is acknowledged; {told}")


@app.command()
def replay(alert: AlertId, comment: Comment = "") -> None:
    """Have the rules decide about an alert once more, as if it had come now."""
    from opsctl.alerts.people import again
    from opsctl.output import say

    with _opened(None) as state:
        found = again(state.inbox, state.remedies, state.inbox.get(alert), state.book(), comment)
        say(f"Remediation {found.id} of rule {found.rule}: it is decided once more{state.hint}")


@app.command()
def simulate(  # noqa: PLR0917 - Typer passes options by name
    name: Annotated[str, typer.Argument(help="What is wrong, as the monitoring would say it.")],
    host: Annotated[str, typer.Option("--host", "-H", help="The host that is concerned.")] = "",
    problem: Annotated[str, typer.Option("--problem", help="Its tag opsctl_problem, e.g. redis-process-down.")] = "",
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="Another tag.")] = None,
    severity: Annotated[str, typer.Option("--severity", help="From not_classified to disaster.")] = "average",
    groups: Annotated[list[str] | None, typer.Option("--group", help="A group of the host.")] = None,
    stack: Annotated[str, typer.Option("--stack", help="The stack of the host.")] = "",
    dry: Annotated[bool, typer.Option("--dry", help="Only say what would be done; nothing is stored.")] = False,
    output: Output = None,
) -> None:
    """Make an alert up. REAL rules act on it, on the real host, unless --dry is given."""
    from opsctl.alerts.people import made_up, tried
    from opsctl.output import emit, say

    with _opened(output) as state:
        found = made_up(
            name, host=host, problem=problem, tags=tag or (), severity=severity, groups=groups or (), stack=stack
        )
        if dry:
            rows = tried(found, state.book(), state.inbox, state.remedies, (state.home, state.settings))
            emit(rows, state.output, _tried)
            return
        stored = state.inbox.put([found])[0].alert
        say(f"Alert {stored.id} is in the inbox{state.hint}")


@app.command()
def stats(
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back, e.g. 24h, 30d.")] = "30d",
    output: Output = None,
) -> None:
    """Show for each rule how often it healed, and how long it took."""
    from opsctl.alerts.stats import table, tally
    from opsctl.output import emit

    with _opened(output) as state:
        remedies = state.remedies.since(_ago(since))
        alerts = state.inbox.known({remedy.alert_id for remedy in remedies})
        emit(tally(remedies, alerts, state.remedies.story([remedy.id for remedy in remedies])), state.output, table)


class _State:
    """What these commands work on."""

    def __init__(self, output: Any) -> None:
        from opsctl.alerts.inbox import Inbox
        from opsctl.alerts.remedy.store import Remedies
        from opsctl.commands.common import settings
        from opsctl.home import home

        self.home = home()
        self.settings = settings(output=output)
        self.output = self.settings.output
        self.inbox = Inbox(self.home)
        self.remedies = Remedies(self.inbox.database)

    @property
    def hint(self) -> str:
        """What is missing for something to happen."""
        from opsctl.alerts.serve import serving

        return "" if serving(self.home) else "; `opsctl alert serve` is not running, so nothing happens yet"

    @property
    def sources(self) -> Any:
        """Those who can be told."""
        from opsctl.alerts.remedy.zabbix import Sources

        zabbix = self.settings.monitor.zabbix

        def gateway() -> Any:
            from opsctl.monitor.zabbix import gateway as made

            return made(zabbix, self.home)

        return Sources(gateway if zabbix.on else None)

    def book(self) -> Any:
        """The rules."""
        from opsctl.alerts.rules.book import places
        from opsctl.alerts.rules.read import load

        return load(places(self.home, self.settings.scenario_path))


def _opened(output: Any) -> AbstractContextManager[_State]:
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Iterator[_State]:
        state = _State(output)
        try:
            yield state
        finally:
            state.inbox.close()

    return opened()


def _ago(text: str) -> str:
    import time

    from opsctl.clock import span, stamp
    from opsctl.errors import UsageError

    if not text:
        return ""
    try:
        return stamp(time.time() - span(text))
    except ValueError as error:
        raise UsageError(f"--since: {error}") from None


def _tried(found: dict[str, Any]) -> Any:
    from opsctl.output import fields

    return fields([(name, value) for name, value in found.items() if name != "passed"])
