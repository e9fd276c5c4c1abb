"""The service: takes alerts, asks for them, and leads each to its end. One a home."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from opsctl.alerts.inbox import Inbox
from opsctl.alerts.remedy.aftercare import Aftercare
from opsctl.alerts.remedy.engine import Engine
from opsctl.alerts.remedy.follow import Follow
from opsctl.alerts.remedy.forecast import Forecast
from opsctl.alerts.remedy.lead import Lead
from opsctl.alerts.remedy.maintenance import Maintenance
from opsctl.alerts.remedy.places import Places
from opsctl.alerts.remedy.record import Recorder
from opsctl.alerts.remedy.store import Remedies
from opsctl.alerts.remedy.verify import Verifier
from opsctl.alerts.remedy.workers import Workers
from opsctl.alerts.remedy.zabbix import Sources
from opsctl.alerts.rules.book import Book, places
from opsctl.alerts.rules.shelf import Shelf
from opsctl.alerts.sources.origins import Origins
from opsctl.clock import span, stamp
from opsctl.errors import OpsctlError
from opsctl.notify.sender import flush
from opsctl.runs.desk import Desk
from opsctl.settings import Settings

Tell = Callable[[str], None]
LOCK = "alerts.lock"

_WARM = 30.0
"""Seconds that the nursery may take to be warm."""
_AFTER_ERROR = 1.0
_RULES = 1.0
"""Seconds between two looks at the files of rules."""
_TIDY = 3600.0
"""Seconds between two looks for alerts that are too old to be kept."""


class Service:
    """All parts, put together."""

    def __init__(self, home: Path, settings: Settings, tell: Tell) -> None:
        """Opens what is stored; nothing happens yet.

        Raises:
            OpsctlError: rules or settings cannot be used.
        """
        self._home, self._settings, self._tell = home, settings, tell
        self._bell = threading.Event()
        self._written = threading.Event()
        self._over = threading.Event()
        self._stack = ExitStack()
        self._complaint = ""
        self._tidied = 0.0
        self._stormy = False
        zabbix = settings.monitor.zabbix
        self._shelf = Shelf(places(home, settings.scenario_path))
        self._looked = time.monotonic()
        self._inbox = self._stack.enter_context(Inbox(home))
        self._desk = Desk(home, settings)
        self._remedies = Remedies(self._inbox.database)
        self.sources = Sources(self._zabbix if zabbix.on else None)
        self._places = Places(home, settings, tell)
        self._recorder = Recorder(self._desk, self._inbox, self._remedies, tell)
        self.all = settings.alerts.all(zabbix=zabbix.on)
        self._origins: Origins | None = None

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, *, listen: bool) -> None:
        """Begin: workers, sources, the loop. Returns when all of it is ready.

        Raises:
            OpsctlError: a part cannot be started.
        """
        workers = Workers(self._home, self._bell)
        self._stack.callback(workers.close)
        self.sources.warm()
        self._aftercare = Aftercare(self._inbox, self._remedies, self.sources, self._bell.set, self._tell)
        self._stack.callback(self._aftercare.close)
        self._lead = Lead(self._inbox, self._remedies, Follow(self._desk, workers, self._tell), self._aftercare)
        verifier = Verifier(self._inbox, self.sources, self._gone, self._lead.unable)
        self._lead.verifier = verifier
        self._stack.callback(verifier.close)
        self._places.start()
        self._stack.callback(self._places.close)
        maintenance = Maintenance(self.sources.maintained, self._watched, self._tell)
        if self._settings.monitor.zabbix.on:
            maintenance.start()
            self._stack.callback(maintenance.close)
        self.engine = Engine(
            self._inbox,
            self._lead,
            book=self._book,
            bounds=self._settings.alerts.guards,
            hosts=self._places,
            maintenance=maintenance,
            policies=Forecast(self._home, self._settings),
        )
        self.engine.begin()
        if listen:
            self._listen()
        else:
            self._ask()
        self._watch()
        if not workers.warm.wait(_WARM):
            raise OpsctlError(f"No workers within {_WARM:.0f} s; `opsctl doctor` says what is wrong here")

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Until `stop` is set, which needs the bell (`ring`); `once`: until nothing is left to do now."""
        recording = threading.Thread(target=self._record, name="recorder", daemon=True)
        recording.start()
        try:
            while not stop.is_set():
                self._bell.clear()
                rest = self._turn()
                self._written.set()
                if once and self.engine.idle and self._inbox.newest() <= self.engine.cursor:
                    break
                self._bell.wait(rest)
        finally:
            self._over.set()
            self._written.set()
            recording.join(20)

    def ring(self) -> None:
        """There is something new."""
        self._bell.set()

    def close(self) -> None:
        """Stop taking alerts, then let go of all parts. Runs go on."""
        self._over.set()
        self._stack.close()

    @property
    def describes(self) -> str:
        """What it does, in a line."""
        receiver = self._origins.receiver if self._origins else None
        where = f" at {receiver.url}" if receiver else ""
        names = ", ".join(f"{source.name} ({source.kind})" for source in self.all) or "none"
        book = self._shelf.book
        modes = [sum(rule.mode == mode for rule in book.rules) for mode in ("active", "propose", "shadow")]
        return (
            f"ready{where}; sources: {names}; rules: {modes[0]} active, {modes[1]} proposing, {modes[2]} in shadow "
            f"(version {book.version})"
        )

    def _watched(self) -> set[str]:
        """Hosts that may be put into maintenance, as far as it matters here."""
        return {*self._places().members, *(alert.host for alert in self._inbox.firing() if alert.host)}

    def _book(self) -> Book:
        """The rules that hold now."""
        now = time.monotonic()
        if now - self._looked > _RULES:
            self._looked = now
            if news := self._shelf.refresh():
                self._tell(news.text)
        return self._shelf.book

    def _turn(self) -> float:
        try:
            rest = self.engine.turn()
            self._now_and_then()
        except Exception as error:
            # Mostly a disk that is full or a database that is held: what is stored is found again.
            text = str(error) if isinstance(error, OpsctlError) else f"{type(error).__name__}: {error}"
            if text != self._complaint:
                self._complaint = text
                self._tell(f"The loop stands still: {' '.join(text.split())}")
            with suppress(OpsctlError):
                self.engine.begin()
            return _AFTER_ERROR
        if self._complaint:
            self._complaint = ""
            self._tell("The loop goes on")
        return rest

    def _now_and_then(self) -> None:
        now = time.time()
        stormy = now < self.engine.storm
        if stormy != self._stormy:
            self._stormy = stormy
            self._tell("A storm of alerts: rules only propose until it is calm" if stormy else "The storm is over")
            if stormy:
                self._recorder.storm()
        if now - self._tidied > _TIDY:
            self._tidied = now
            self._inbox.prune(stamp(now - span(self._settings.alerts.keep)))

    def _record(self) -> None:
        while True:
            self._written.wait(1.0)
            self._written.clear()
            last = self._over.is_set()
            try:
                if self._recorder.follow() or self._stormy:
                    flush(self._home, self._desk.database, self._settings.notify)
            except OpsctlError as error:
                self._tell(f"The ledger has not got everything yet: {error}")
                if not last:
                    self._over.wait(_AFTER_ERROR)
                    self._written.set()
            if last:
                return

    def _listen(self) -> None:
        if not self.all:
            self._tell("No source of alerts is configured: only `opsctl alert simulate` puts any in")
            return
        self._origins = Origins(self._inbox, self._home, self._settings, self._tell)
        self._origins.start()
        self._stack.callback(self._origins.stop)

    def _ask(self) -> None:
        """What those sources that can be asked know now."""
        if self.all:
            origins = Origins(self._inbox, self._home, self._settings, self._tell, listen=False)
            try:
                origins.look()
            finally:
                origins.stop()

    def _watch(self) -> None:
        threading.Thread(target=self._news, name="inbox", daemon=True).start()

    def _news(self) -> None:
        seen = self.engine.cursor
        while not self._over.is_set():
            try:
                if self._inbox.wait(seen, 1.0):
                    seen = self._inbox.newest()
                    self._bell.set()
            except OpsctlError:
                self._over.wait(_AFTER_ERROR)

    def _gone(self, remediation: str, text: str) -> None:
        self._lead.gone(remediation, text)
        self._bell.set()

    def _zabbix(self) -> object:
        from opsctl.monitor.zabbix import gateway

        return gateway(self._settings.monitor.zabbix, self._home)


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Only one service a home.

    Raises:
        OpsctlError: another one runs.
    """
    file = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(file, 32, 0).decode("ascii", "replace").strip()
            raise OpsctlError(f"`opsctl alert serve` runs already for {home} (pid {pid or 'unknown'})") from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(file)


def serving(home: Path) -> bool:
    """Whether a service runs for this home."""
    try:
        with alone(home):
            return False
    except OpsctlError:
        return True
