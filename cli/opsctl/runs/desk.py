"""The state of one home that runs are conducted with, and what is done about runs whose opsctl was killed."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from opsctl.clock import now
from opsctl.db.engine import Database, opened
from opsctl.db.schema import approvals, runs
from opsctl.events.journal import Journal, read
from opsctl.ledger.book import Ledger
from opsctl.ledger.record import Entry
from opsctl.pace.control import Inbox
from opsctl.runs.process import sweep
from opsctl.runs.progress import Progress, replay
from opsctl.runs.request import Requester, me
from opsctl.runs.store import Run, Store
from opsctl.runs.workspace import wipe, wipe_stale
from opsctl.settings import Settings

if TYPE_CHECKING:
    from opsctl.approvals.gate import Gate


class Desk:
    """The state of one home that runs are conducted with. Opening it also clears up after killed commands."""

    def __init__(self, home: Path, settings: Settings) -> None:
        """Opens the database, marks lost runs, wipes what they left."""
        self.home = home
        self.settings = settings
        self.database: Database = opened(home)
        self.store = Store(self.database)
        self.ledger = Ledger(self.database, home / "ledger.head")
        self.lost = self.reap()
        if self._overdue():
            self.gate.settle()
        # Not at the top: hardly anybody has such runs, and every command would wait for it.
        if (home / "observed").is_dir():
            from opsctl.runs.observed import adopt

            adopt(home, self.database, self.ledger)

    @cached_property
    def gate(self) -> Gate:
        """The approvals; loaded for those runs only that need one."""
        from opsctl.approvals.gate import Gate
        from opsctl.policy.load import load

        return Gate(self.home, self.ledger, self.settings, lambda: load(self.home))

    def _overdue(self) -> bool:
        """Whether an approval has expired and nobody has written that down."""
        late = select(approvals.c.run_id).join(runs, runs.c.id == approvals.c.run_id)
        late = late.where(runs.c.status == "waiting", approvals.c.expires <= now())
        with self.database.read() as connection:
            return connection.execute(late.limit(1)).first() is not None

    def journal(self, run_id: str) -> Path:
        """Where a run's journal is."""
        return self.home / "journal" / f"{run_id}.ndjson"

    def progress(self, run_id: str) -> Progress:
        """What the journal of a run says; nothing when there is none yet."""
        path = self.journal(run_id)
        # Past damaged lines: a run that was lost must be able to end.
        return replay(read(path, sound=False)) if path.exists() else Progress()

    def reap(self) -> list[str]:
        """Mark runs whose opsctl is gone, end what is left of them; their ids."""
        wipe_stale()
        lost = []
        for run in self.store.active():
            if run.owner.gone and self._lose(run):
                lost.append(run.id)
        return lost

    def _lose(self, run: Run) -> bool:
        sweep(run.id)
        # It may have been killed before it wrote its name there.
        wipe(run.id)
        progress = self.progress(run.id)
        message = f"opsctl was killed {'before it began' if run.status == 'pending' else 'while it ran'}"
        recap = progress.plain()
        if run.kind in ("command", "script"):
            recap["not_started"] = [host for host in run.targets.get("hosts", ()) if host not in progress.hosts]
        asker = Requester(**run.requester)
        with self.ledger.writing() as writing:
            moved = self.store.move(
                writing.connection, run.id, "lost", finished=now(), exit_code=1, message=message, recap=recap
            )
            if moved:
                data = {"message": message, "in_progress": recap["in_progress"], "noticed_by": me().plain()}
                writing.append(Entry("lost", run.id, asker.plain(), os.uname().nodename, data))
        if moved:
            journal = Journal(self.journal(run.id))
            journal.append({"time": now(), "event": "run_end", "data": {"status": "lost", "message": message}})
            journal.close()
            Inbox(self.home, run.id).close()
        return moved
