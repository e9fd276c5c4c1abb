"""All sources of the settings at work: the receiver of webhooks, and those that are asked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsctl.alerts.config import Source
from opsctl.alerts.inbox import Inbox
from opsctl.alerts.receiver.app import Intake
from opsctl.alerts.receiver.serve import Receiver
from opsctl.alerts.sources.ask import Asker
from opsctl.alerts.sources.forget import Forgetter
from opsctl.alerts.sources.poll import Poller
from opsctl.alerts.sources.search import Watcher
from opsctl.errors import ConfigError, UsageError
from opsctl.settings import Settings, load

if TYPE_CHECKING:
    from opsctl.search.find import Searcher

_PATIENCE = 2.0
"""Seconds that one question to Zabbix is tried again; the poller itself tries for ever."""


class Origins:
    """The sources of one home, from `start` to `stop`."""

    def __init__(
        self, inbox: Inbox, home: Path, settings: Settings, say: Callable[[str], None], *, listen: bool = True
    ) -> None:
        """Binds the receiver's address, reads the secrets; `say` is told what people should know, a line each.

        `listen`: take messages, too, and not only ask.

        Raises:
            ConfigError: a source cannot be used.
            OpsctlError: the address cannot be bound.
        """
        self._home, self._settings = home, settings
        self.sources = settings.alerts.all(zabbix=settings.monitor.zabbix.on)
        asked = any(source.kind == "zabbix" and source.poll for source in self.sources)
        base = settings.monitor.zabbix.place if asked or settings.monitor.zabbix.on else ""
        pollers = [
            Poller(inbox, source, lambda source=source: self._asker(source), say, base=base)  # type: ignore[misc]
            for source in self.sources
            if source.kind == "zabbix" and source.poll
        ]
        watchers = [self._watcher(inbox, source, say) for source in self.sources if source.kind == "search"]
        forgetters = [Forgetter(inbox, source, say) for source in self.sources if source.forget_after]
        self.asked: list[Poller | Watcher | Forgetter] = [*pollers, *watchers, *forgetters]
        """Those that do not tell by themselves, or not enough."""
        told = [source for source in self.sources if listen and self._hears(source, say)]
        self.receiver = Receiver(Intake(inbox, told, home, base), settings.alerts.address) if told else None

    def __enter__(self) -> Origins:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to listen and to ask.

        Raises:
            OpsctlError: the receiver does not come up.
        """
        if self.receiver:
            self.receiver.start()
        for each in self.asked:
            each.start()

    def stop(self) -> None:
        """Take and ask nothing more; what is in progress is finished."""
        with ExitStack() as all_of_them:
            if self.receiver:
                all_of_them.callback(self.receiver.stop)
            for each in self.asked:
                all_of_them.callback(each.stop)

    def look(self) -> bool:
        """Ask each source once, in place of `start`; whether all of them answered."""
        answered = [each.attempt() for each in self.asked]
        return all(answered)

    def status(self) -> list[dict[str, Any]]:
        """How each source stands, as JSON: name, kind, url to post to, and for those that are asked `error` and
        `answered`."""
        asked = {each.name: each for each in self.asked}
        url = self.receiver.url if self.receiver else ""
        return [
            {
                "name": source.name,
                "kind": source.kind,
                "url": f"{url}/v1/alerts/{source.name}" if url and source.kind != "search" else "",
                "error": asked[source.name].error if source.name in asked else "",
                "answered": asked[source.name].answered if source.name in asked else 0.0,
            }
            for source in self.sources
        ]

    def _hears(self, source: Source, say: Callable[[str], None]) -> bool:
        """Whether it takes messages. A Zabbix that is asked need not tell by itself."""
        if source.kind == "search":
            return False
        try:
            source.secret(self._home)
        except ConfigError as error:
            if source.kind != "zabbix" or not source.poll or source.secret_env or source.secret_file:
                raise
            say(f"{error}; until then Zabbix is only asked")
            return False
        return True

    def _asker(self, source: Source) -> Asker:
        from opsctl.monitor.zabbix import Zabbix, access

        # Read each time: a token may have been renewed, after the one before expired.
        way = access(load(self._home).monitor.zabbix, self._home)
        return Asker(Zabbix(replace(way, patience=_PATIENCE)), source)

    def _watcher(self, inbox: Inbox, source: Source, say: Callable[[str], None]) -> Watcher:
        if source.where == "elasticsearch" and not self._settings.elasticsearch.on:
            raise ConfigError(f"Source {source.name}: it searches in Elasticsearch, and elasticsearch.url is not set")
        try:
            return Watcher(inbox, source, lambda: self._searcher(source), say)
        except UsageError as error:
            raise ConfigError(f"Source {source.name}: {error}") from None

    def _searcher(self, source: Source) -> Searcher:
        if source.where == "elasticsearch":
            from opsctl.events.ship.find import Remote
            from opsctl.events.ship.ship import Shipper

            chosen = self._settings.elasticsearch
            return Remote(Shipper(self._home, chosen).server, chosen.namespace)
        from opsctl.db.engine import opened
        from opsctl.search.about import about
        from opsctl.search.find import Embedded

        return Embedded(self._home, about(opened(self._home)))
