"""`opsctl logs`: what all runs said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from opsctl.commands import ship
from opsctl.commands.common import Output, complete_hosts, complete_runs, group
from opsctl.commands.prune import prune

if TYPE_CHECKING:
    from opsctl.runs.store import Store
    from opsctl.search.find import Answer, Searcher

app = group("Search what all runs said, copy it to Elasticsearch, remove old journals.")
app.add_typer(ship.app, name="ship")
app.command()(ship.setup)
app.command()(prune)

_MANY = 1_000_000


def _many(flag: str, metavar: str, text: str, complete: Any = None) -> Any:
    return typer.Option(flag, metavar=metavar, help=text, autocompletion=complete, show_default=False)


@app.command()
def search(
    query: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY",
            help="Words and fields; in one pair of quotes, when a word begins with -.",
            show_default=False,
        ),
    ] = None,
    *,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="Not before: 2h, 7d, today, 2026-11-20.")] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Not after.")] = "",
    host: Annotated[list[str] | None, _many("--host", "HOST", "On this host.", complete_hosts)] = None,
    run: Annotated[list[str] | None, _many("--run", "RUN", "In this run.", complete_runs)] = None,
    status: Annotated[list[str] | None, _many("--status", "STATUS", "With this state, such as failed.")] = None,
    user: Annotated[list[str] | None, _many("--user", "USER", "Of runs this user asked for.")] = None,
    kind: Annotated[
        list[str] | None, _many("--kind", "KIND", "Of runs of this kind: scenario, command, script, playbook, module.")
    ] = None,
    count: Annotated[int, typer.Option("--last", "-n", min=1, max=_MANY, help="How many, the newest first.")] = 50,
    deep: Annotated[bool, typer.Option("--deep", help="Search very long outputs to their end; slow.")] = False,
    where: Annotated[
        Literal["here", "elasticsearch"], typer.Option("--in", help="The journals of this home, or Elasticsearch.")
    ] = "here",
    output: Output = None,
) -> None:
    """Find events of all runs by what they say.

    All words must be there. "words in quotes" stand side by side, begin* goes on, -word must not be there, OR (in
    capitals) joins what is enough alone. Fields: host: task: status: user: kind: event: run: content: (of a scenario,
    its name), where * stands for anything: host:web* status:failed. Options can be given more than once.
    """
    import time

    from opsctl.commands.common import settings
    from opsctl.db.engine import opened
    from opsctl.home import home
    from opsctl.output import emit, say
    from opsctl.runs.store import Store
    from opsctl.search.about import about
    from opsctl.search.find import Embedded
    from opsctl.search.index import Window
    from opsctl.search.query import parse
    from opsctl.search.when import moment

    asked = parse(" ".join(query or ()))
    now = time.time()
    window = Window(moment(since, now) if since else None, moment(until, now, end=True) if until else None)
    # Not the whole desk: importing what runs are made with would take as long as the search.
    place, chosen = home(), settings(output=output)
    database = opened(place)
    if any(place.glob("observed/*.ndjson")):
        from opsctl.ledger.book import Ledger
        from opsctl.runs.observed import adopt

        adopt(place, database, Ledger(database, place / "ledger.head"))
    store = Store(database)
    for name, values in (("host", host), ("status", status), ("user", user), ("kind", kind)):
        asked = asked.narrowed(name, values or ())
    searcher: Searcher
    if where == "elasticsearch":
        # Other homes ship there, too: a run that is not known here is named by its whole id.
        searcher, ids = ship.searcher(place, chosen), [_known(store, part) for part in run or ()]
    else:
        searcher, ids = Embedded(place, about(database), say, deep=deep), [store.get(part).id for part in run or ()]
    found = searcher.search(asked.narrowed("run", ids), window, count)
    emit([hit.plain() for hit in found.hits], chosen.output, lambda _: _lines(found))
    _tell(found, count)


def _known(store: Store, part: str) -> str:
    from opsctl.errors import UsageError

    try:
        return store.get(part).id
    except UsageError:
        return part


def _tell(found: Answer, count: int) -> None:
    from opsctl.output import say

    if not found.hits:
        say("Nothing was found")
    for note in found.notes:
        say(note)
    if found.more:
        say(f"There are more than {count}; -n shows more, --since and fields narrow it down")


def _lines(found: Answer) -> Any:
    from rich.text import Text

    from opsctl.output import grid

    styles = {"failed": "bold red", "unreachable": "bold magenta", "changed": "yellow", "ok": "green"}
    rows = []
    for hit in found.hits:
        excerpt = Text(hit.excerpt)
        for begin, end in hit.marks:
            excerpt.stylize("bold reverse", begin, end)
        state = Text(hit.status, style=styles.get(hit.status, ""))
        rows.append((hit.time[:19].replace("T", " "), hit.run, hit.host, hit.task, state, excerpt))
    return grid(("time", "run", "host", "task", "status", "what"), rows)
