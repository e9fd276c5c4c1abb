"""The sources of the settings for people: where to send, how to prove, what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsctl.alerts.config import Source
from opsctl.alerts.inbox import Inbox
from opsctl.errors import ConfigError
from opsctl.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType


def rows(settings: Settings, home: Path, inbox: Inbox) -> list[dict[str, Any]]:
    """Each source as JSON; its shape is pinned by a test. Sources that alerts came from before are there too."""
    sources = settings.alerts.all(zabbix=settings.monitor.zabbix.on)
    heard = inbox.heard()
    found = [_row(source, settings, home) for source in sources]
    known = {source.name for source in sources}
    gone = "not in the settings any more: alerts of it that fire will not end by themselves"
    found += [
        {"name": name, "kind": "", "url": "", "proof": "", "every": 0.0, "problem": gone}
        for name, (firing, _last) in heard.items()
        if name not in known and firing and name != "simulate"
    ]
    nothing = (0, "")
    return [
        row | {"firing": heard.get(row["name"], nothing)[0], "last": heard.get(row["name"], nothing)[1]}
        for row in found
    ]


def table(rows: list[dict[str, Any]]) -> RenderableType:
    """The same as a table."""
    from rich.text import Text

    from opsctl.output import grid

    if not rows:
        return Text("no sources; `[monitor.zabbix]` or `[[alerts.sources]]` in config.toml make some")
    return grid(
        ("source", "kind", "webhook", "proof", "asked each", "firing", "last alert", "missing"),
        [
            (
                row["name"],
                row["kind"],
                row["url"] or "-",
                row["proof"] or "-",
                f"{row['every']:g} s" if row["every"] else "-",
                str(row["firing"]),
                row["last"][:19].replace("T", " ") or "-",
                Text(row["problem"], style="red"),
            )
            for row in rows
        ],
    )


def _row(source: Source, settings: Settings, home: Path) -> dict[str, Any]:
    asked = source.kind == "search" or (source.kind == "zabbix" and source.poll)
    told = source.kind != "search"
    problem = ""
    try:
        if told:
            source.secret(home)
        if source.kind == "zabbix" and source.poll:
            settings.monitor.zabbix.token(home)
    except ConfigError as error:
        problem = str(error)
    return {
        "name": source.name,
        "kind": source.kind,
        "url": f"http://{settings.alerts.listen}/v1/alerts/{source.name}" if told else "",
        "proof": source.proved if told else "",
        "every": source.every if asked else 0.0,
        "problem": problem,
    }
