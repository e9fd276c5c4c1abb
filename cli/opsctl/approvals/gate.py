"""The door between asking and running: each step is one transaction with its record in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from opsctl.approvals import store
from opsctl.approvals.changes import changed
from opsctl.approvals.checked import preview
from opsctl.approvals.people import Person, present
from opsctl.approvals.preview import base, differs
from opsctl.approvals.rules import asks, entitled, expires, may_break, owns
from opsctl.approvals.say import clean, described, entry
from opsctl.approvals.seal import broken, seals
from opsctl.approvals.state import (
    LIVE,
    Approval,
    Entitled,
    Verdict,
    Vote,
    expired,
    met,
    missing,
    reviewed,
    used,
    voted,
    withdrawn,
)
from opsctl.approvals.store import Case
from opsctl.clock import now, span, stamp
from opsctl.errors import Denied, UsageError
from opsctl.ledger.book import Ledger, Writing
from opsctl.notify.outbox import Notice, Outbox, enqueue
from opsctl.policy.decide import Decision, case_of
from opsctl.policy.finding import worst
from opsctl.policy.grants import Policy
from opsctl.runs.locks import Lock, take
from opsctl.runs.process import myself
from opsctl.runs.request import RunRequest
from opsctl.settings import Settings


class Gate:
    """The approvals of one home."""

    def __init__(self, home: Path, ledger: Ledger, settings: Settings, policy: Callable[[], Policy]) -> None:
        """`policy`: what holds now; asked each time, since names in it may mean others than before."""
        self.home = home
        self.ledger = ledger
        self.settings = settings
        self._policy = policy

    def preview(self, request: RunRequest) -> dict[str, Any] | None:
        """What `opsctl plan --check` said of this plan, to be kept with its approval. Before `open`: it reads much."""
        return preview(self.home, self.ledger.database, request, span(self.settings.approvals.expires))

    def open(
        self, writing: Writing, request: RunRequest, decision: Decision, check: dict[str, Any] | None = None
    ) -> Case:
        """Ask for the approval of a request that was just added as `waiting`; in the same transaction."""
        person = present()
        approval = Approval(person, request.plan_hash, asks(decision), expires(decision, self.settings.approvals))
        case = replace(self._case(request, approval), check=check)
        self._replace(writing, request, person)
        store.add(writing.connection, case)
        self._tell(writing.connection, "approval", case, do=f"opsctl approvals show {request.id}")
        return case

    def break_glass(self, writing: Writing, request: RunRequest, decision: Decision, reason: str) -> Case:
        """Let it run at once, without approval, and leave a review to be done; in the transaction that adds it.

        Raises:
            Denied: no grant lets this person, or he has left too many reviews undone.
        """
        person, owner = present(), self._owner
        if not clean(reason):
            raise UsageError("--break-glass needs a reason: it is what the review begins with")
        if not may_break(self._policy(), decision, person, owner):
            raise Denied(f"{person.text} may not break the glass of rule {decision.rule}; ask for an approval")
        limit = self.settings.approvals.overdue
        late = [case for case in self._overdue(writing.connection) if case.approval.requester.same(person)]
        if limit and len(late) >= limit:
            raise Denied(
                f"{person.text} has {len(late)} overdue reviews ({late[0].run_id}, ...); somebody must do "
                "`opsctl approvals review RUN` before the glass can be broken again"
            )
        due = stamp(time.time() + span(self.settings.approvals.review_within))
        approval = Approval(person, request.plan_hash, asks(decision), due, "broken")
        case = self._case(request, approval).noted("break_glass", person, clean(reason))
        store.add(writing.connection, case)
        data = {"reason": clean(reason), "rules": [ask.rule for ask in approval.asks], "review_due": due}
        writing.append(entry("break_glass", case, person, {**data, "plan_hash": request.plan_hash}))
        self._tell(
            writing.connection,
            "break_glass",
            case,
            actor=person.text,
            comment=clean(reason),
            due=due,
            do=f"opsctl approvals review {request.id} --comment TEXT",
        )
        return case

    def vote(self, run_id: str, verdict: Verdict, comment: str) -> Case:
        """Say yes or no.

        Raises:
            Denied: not this person, not any more, not twice.
        """
        person = present()

        def step(case: Case, may: Entitled) -> Case:
            after = voted(case.approval, Vote(person, verdict, clean(comment), now()), may)
            return replace(case, approval=after, decided=now() if after.status != "open" else None)

        def record(case: Case, may: Entitled) -> dict[str, Any]:
            left = missing(case.approval, may) if case.approval.status == "open" else ""
            return {"comment": clean(comment), "plan_hash": case.approval.plan_hash, "missing": left}

        kind = "approved" if verdict == "approve" else "refused"
        return self._step(run_id, kind, person, step, record)

    def withdraw(self, run_id: str, comment: str) -> Case:
        """Take a request back.

        Raises:
            Denied: it is somebody else's, or too late.
        """
        person = present()

        def step(case: Case, _may: Entitled) -> Case:
            after = withdrawn(case.approval, person, owns(person, self._owner), now())
            return replace(case, approval=after, decided=now()).noted("withdrawn", person, clean(comment))

        return self._step(run_id, "withdrawn", person, step, lambda *_: {"comment": clean(comment)})

    def review(self, run_id: str, comment: str) -> Case:
        """Say what came of looking at a run that broke the glass.

        Raises:
            Denied: there is nothing to review, or not for this person.
            UsageError: nothing is said.
        """
        if not clean(comment):
            raise UsageError("A review says what was found; give --comment TEXT")
        person = present()

        def step(case: Case, may: Entitled) -> Case:
            after = reviewed(case.approval, person, may, owns(person, self._owner))
            return replace(case, approval=after, decided=now()).noted("reviewed", person, clean(comment))

        return self._step(run_id, "reviewed", person, step, lambda *_: {"comment": clean(comment)})

    def covers(self, run_id: str, request: RunRequest) -> bool:
        """Whether this is the check of a plan that was approved: the approval is for more than that."""
        with self.ledger.database.read() as connection:
            case = store.get(connection, run_id)
        if case is None or case.approval.status != "approved" or not met(case.approval, self.entitled()):
            return False
        return request.check and base(request.plain()) == base(case.plan)

    def claim(
        self,
        request: RunRequest,
        decision: Decision,
        check: dict[str, Any] | None = None,
        locks: Sequence[Lock] = (),
    ) -> Case:
        """Take the approval for the start that follows: once, and only for the plan that was approved.

        `request`: built again from the run's spec, with the run's id. `decision`: policy's word on it today.
        `check`: what `--check --diff` says today; must be the same where the approval was given on it. `locks`: what
        the run changes; they are taken here, so that no approval is used up by a run that then finds others at work.

        Raises:
            Denied: it may not start; the message says what changed or what is missing.
        """
        person = present()
        self.settle()
        wanted = asks(decision) if decision.verdict == "approve" else ()
        with self.ledger.writing() as writing:
            case = self._get(writing.connection, request.id)
            problem = self._problem(case, request, decision) or _unlike(case, check)
            if not problem:
                try:
                    after = used(case.approval, request.plan_hash, wanted, self.entitled(), now())
                except Denied as error:
                    problem = str(error)
            problem = problem or self._busy(writing.connection, request, locks)
            if not problem and not store.begun(writing.connection, request.id, myself()):
                problem = "it does not wait any more"
            if problem:
                writing.append(entry("held", case, person, {"message": problem, "plan_hash": request.plan_hash}))
            else:
                done = replace(case, approval=after, decided=case.decided or now()).noted("claimed", person, "")
                store.save(writing.connection, done)
                data = {"plan_hash": request.plan_hash, "by": [vote.person.plain() for vote in after.votes]}
                writing.append(entry("claimed", done, person, data))
        if problem:
            raise Denied(f"Run {request.id} cannot start: {problem}")
        return done

    def settle(self) -> list[str]:
        """Write down which approvals have expired; their runs' ids."""
        with self.ledger.database.read() as connection:
            if not store.stale(connection, now()):
                return []
        done = []
        with self.ledger.writing() as writing:
            for case in store.stale(writing.connection, now()):
                after = replace(case, approval=expired(case.approval, now()), decided=now())
                self._end(writing, after, f"the approval expired at {case.approval.expires}")
                writing.append(entry("expired", after, present(), {"expires": case.approval.expires}))
                self._tell(writing.connection, "expired", after)
                done.append(case.run_id)
        self.flush()
        return done

    def get(self, run_id: str) -> Case:
        """The approval of a run.

        Raises:
            UsageError: it has none.
        """
        with self.ledger.database.read() as connection:
            return self._get(connection, run_id)

    def listed(self, statuses: Iterable[str] = (), count: int = 10_000) -> list[Case]:
        """The newest first."""
        with self.ledger.database.read() as connection:
            return store.find(connection, statuses, count)

    def missing(self, case: Case) -> str:
        """What is still needed, for people; nothing when it is not open."""
        return missing(case.approval, self.entitled()) if case.approval.status == "open" else ""

    def notices(self, case: Case) -> list[Notice]:
        """What people were told of it."""
        return Outbox(self.ledger.database).last(100, case.run_id)

    def stuck(self, case: Case) -> bool:
        """Whether the only one who could approve is the one who asked."""
        return any(not ask.approvers and owns(case.approval.requester, self._owner) for ask in case.approval.asks)

    def flush(self) -> None:
        """Send what notices there are; takes two seconds at most, never fails."""
        if self.settings.notify.channels:
            # Imported here: an HTTP client takes longer to import than most commands take to run.
            from opsctl.notify.sender import flush

            flush(self.home, self.ledger.database, self.settings.notify)

    @property
    def _owner(self) -> int:
        return self.home.stat().st_uid

    def entitled(self) -> Entitled:
        """Who may answer what, as policy is now."""
        return entitled(self._policy(), self._owner)

    def _problem(self, case: Case, request: RunRequest, decision: Decision) -> str:
        """What speaks against a start, besides the state of the approval."""
        if case.approval.status not in LIVE:
            return f"its approval is {case.approval.status}"
        if decision.verdict == "deny":
            return f"policy denies it now, by rule {decision.rule}: {decision.text}"
        if parts := changed(case.plan, request.plain()):
            return f"changed since it was asked for: {'; '.join(parts)}. Ask again with `opsctl run`"
        if names := broken(case.seals, seals(self.home, request)):
            return f"secret {', '.join(names)} is not the one it was asked for with"
        return ""

    def _busy(self, connection: Connection, request: RunRequest, locks: Sequence[Lock]) -> str:
        """Whom it would have to wait for; a run that is ready to wait does so when it is started."""
        wanted = locks if request.rate.lock and not request.rate.lock_wait else ()
        if not wanted or not (held := take(connection, request.id, wanted)):
            return ""
        return (
            f"{held[0].name} is held by run {held[0].run_id} ({held[0].what}, by {held[0].requester}); start it later"
        )

    def _step(
        self,
        run_id: str,
        kind: str,
        person: Person,
        step: Callable[[Case, Entitled], Case],
        record: Callable[[Case, Entitled], dict[str, Any]],
    ) -> Case:
        self.settle()
        with self.ledger.writing() as writing:
            may = self.entitled()
            case = self._get(writing.connection, run_id)
            try:
                after = step(case, may)
            except Denied as error:
                raise Denied(f"Run {run_id}: {error}") from None
            status, data = after.approval.status, record(after, may)
            if status in ("refused", "withdrawn"):
                said = f": {data['comment']}" if data["comment"] else ""
                self._end(writing, after, f"{status} by {person.text}{said}")
            else:
                store.save(writing.connection, after)
            writing.append(entry(kind, after, person, data))
            if status != "open":
                do = f"opsctl approvals start {run_id}" if status == "approved" else None
                self._tell(writing.connection, kind, after, actor=person.text, comment=data["comment"], do=do)
        self.flush()
        return after

    def _end(self, writing: Writing, case: Case, message: str) -> None:
        store.save(writing.connection, case)
        store.ended(writing.connection, case.run_id, "denied", message)

    def _replace(self, writing: Writing, request: RunRequest, person: Person) -> None:
        """A request that was edited takes the place of the one before."""
        case = store.get(writing.connection, request.parent) if request.parent else None
        if case is None or case.approval.status not in LIVE or not case.approval.requester.same(person):
            return
        after = replace(case, approval=replace(case.approval, status="withdrawn"), decided=now())
        after = after.noted("withdrawn", person, f"replaced by {request.id}")
        self._end(writing, after, f"replaced by run {request.id}")
        writing.append(entry("withdrawn", after, person, {"comment": f"replaced by {request.id}"}))

    def _case(self, request: RunRequest, approval: Approval) -> Case:
        judged = case_of(request)
        findings = tuple(finding.plain() for finding in judged.findings or ())
        return Case(
            run_id=request.id,
            approval=approval,
            created=request.created,
            decided=None,
            plan={**request.plain(), "risk": None if judged.findings is None else worst(judged.findings)},
            findings=findings,
            seals=seals(self.home, request),
        )

    def _get(self, connection: Connection, run_id: str) -> Case:
        case = store.get(connection, run_id)
        if case is None:
            raise UsageError(f"Run {run_id} never needed an approval")
        return case

    def _overdue(self, connection: Connection) -> list[Case]:
        return [case for case in store.find(connection, ("broken",)) if case.approval.expires <= now()]

    def _tell(self, connection: Connection, event: str, case: Case, **more: Any) -> None:
        enqueue(connection, self.settings.notify, event, {**described(case), **more})


def _unlike(case: Case, check: dict[str, Any] | None) -> str:
    if case.check is None:
        return ""
    return (
        differs(case.check, check) if check else "it was approved on what --check --diff said; that must be run again"
    )
