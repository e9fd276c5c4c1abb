"""Bring the resources of a stack to what a program says: first make and change, then remove, each in dependency order.

Creation is convergence from nothing, deletion to nothing, rollback to what was before. Every step is written down
before and after, so the same convergence started again after a crash finishes what was begun.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opsctl.localcloud.errors import ApiError, places
from opsctl.localcloud.hosts.engine import HostError
from opsctl.localcloud.models import StackResource
from opsctl.localcloud.resources import TYPES
from opsctl.localcloud.resources.base import Context, Resource, ResourceError, check
from opsctl.localcloud.ros import schedule
from opsctl.localcloud.ros.changes import decide
from opsctl.localcloud.ros.program import Node, Program
from opsctl.localcloud.ros.state import State
from opsctl.localcloud.ros.veil import Veil

PARALLELISM = 16
log = logging.getLogger(__name__)


class Interrupted(Exception):
    """The service is going down: leave everything as it is, a restart takes it up."""


class Failed(Exception):
    """The convergence failed; the text is the stack's StatusReason."""


@dataclass
class Converge:
    """One convergence. ``replacement``: whether what cannot change in place may be replaced."""

    state: State
    stack_id: str
    program: Program | None
    deadline: float
    replacement: bool = False
    retain: frozenset[str] = frozenset()
    parallelism: int = PARALLELISM
    _failure: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._veil = Veil(self.program)

    def run(self) -> None:
        """Raises :class:`Failed` or :class:`Interrupted`."""
        wanted: Mapping[str, Node] = self.program.resources if self.program else {}
        self._phase({name: node.depends_on for name, node in wanted.items()}, lambda name: self._ensure(wanted[name]))
        gone = {row.key: row for row in self._records() if row.stale or row.logical_id not in wanted}
        self._phase(schedule.removal(gone), lambda key: self._remove(gone[key]))

    def canceled(self) -> bool:
        return bool(self._failure) or self.state.stopping or time.time() > self.deadline

    # --- scheduling ----------------------------------------------------------------------------------------------

    def _phase(self, waits_for: Mapping[str, frozenset[str]], work: Callable[[str], None]) -> None:
        left = schedule.run(waits_for, lambda name: self._guarded(work, name), self.canceled, self.parallelism)
        if self.state.stopping:
            raise Interrupted
        if self._failure:
            raise Failed(self._failure)
        if left or time.time() > self.deadline:
            raise Failed("timed out")

    def _guarded(self, work: Callable[[str], None], name: str) -> None:
        try:
            work(name)
        except Failed as failure:
            with self._lock:
                self._failure = self._failure or str(failure)

    # --- one resource --------------------------------------------------------------------------------------------

    def _ensure(self, node: Node) -> None:
        cls, record = TYPES[node.type], self._current(node.logical_id)
        path = f"Resources.{node.logical_id}.Properties"
        assert self.program is not None  # noqa: S101  (only a program has nodes)
        try:
            scope = self.state.scope(self.stack_id)
            properties = check(cls, self.program.resolve(node.properties, scope, path=path), path)
        except Exception as error:
            self._fail(record or self._draft(node, cls, {}, ""), "UPDATE" if record else "CREATE", *_blame(error))
        tags = self.state.cloud.stacks[self.stack_id].tags
        decision = decide(cls, record, properties, tags)
        if decision.verdict == "keep" and record:
            record = self._save(replace(record, **_declared(node)))
            if record.status == "UPDATE_FAILED":
                self._note(record, "UPDATE_COMPLETE", "state changed")
        elif decision.verdict == "modify" and record:
            self._modify(cls, record, node, properties)
        elif decision.verdict == "resume" and record:
            self._create(cls, record, record.properties)
        else:
            if record is not None:
                self._set_aside(record, decision.fixed)
            draft = self._draft(node, cls, properties, cls().new_id(properties))
            self._create(cls, draft, properties)

    def _set_aside(self, record: StackResource, fixed: tuple[str, ...]) -> None:
        if record.status != "CREATE_FAILED" and not self.replacement:
            text = f"Property {', '.join(fixed) or 'Type'} cannot be updated in place and ReplacementOption is Disabled"
            self._fail(record, "UPDATE", "UpdateNotAllowed", text)
        self._save(replace(record, stale=True))

    def _draft(self, node: Node, cls: type[Resource], properties: dict[str, Any], physical_id: str) -> StackResource:
        stack = self.state.cloud.stacks[self.stack_id]
        return StackResource(
            stack_id=self.stack_id,
            logical_id=node.logical_id,
            type=cls.type,
            physical_id=physical_id,
            status="INIT_COMPLETE",
            reason="",
            properties=properties,
            create_time=self.state.cloud.timestamp(),
            tags=dict(stack.tags),
            uid=uuid.uuid4().hex,
            **_declared(node),
        )

    def _create(self, cls: type[Resource], record: StackResource, properties: dict[str, Any]) -> None:
        hidden = replace(record, physical_id="") if record.status == "INIT_COMPLETE" else record
        with self.state.cloud.store.transaction():
            self._save(replace(record, status="CREATE_IN_PROGRESS", reason="state changed"))
            self.state.event(hidden, "CREATE_IN_PROGRESS", "state changed")
        self._attempt(record, "CREATE", lambda context: cls().create(context, properties))

    def _modify(self, cls: type[Resource], record: StackResource, node: Node, properties: dict[str, Any]) -> None:
        old, tags = record.properties, dict(self.state.cloud.stacks[self.stack_id].tags)
        # The wanted properties are written first: an update that fails or is interrupted is rolled back by changing
        # them again, never by believing that nothing happened.
        changed = replace(record, properties=properties, tags=tags, pending=True, **_declared(node))
        self._note(changed, "UPDATE_IN_PROGRESS", "state changed")
        self._attempt(changed, "UPDATE", lambda context: cls().update(context, old, properties))

    def _remove(self, record: StackResource) -> None:
        retained = record.deletion_policy == "Retain" or record.logical_id in self.retain
        if not retained and record.status != "INIT_COMPLETE":
            self._note(record, "DELETE_IN_PROGRESS", "state changed")
            self._attempt(record, "DELETE", lambda context: TYPES[record.type]().delete(context))
        self.state.cloud.resources.delete(record.key)

    def _attempt(self, record: StackResource, verb: str, work: Callable[[Context], None]) -> None:
        table = self.state.cloud.resources
        try:
            work(self.state.context(table[record.key], canceled=self.canceled))
        except Exception as error:
            self._fail(table[record.key], verb, *_blame(error))
        if self.state.stopping:
            raise Interrupted
        if self.canceled() and verb != "DELETE":
            if self._failure:
                self._fail(table[record.key], verb, "", f"{verb} aborted")
            self._note(table[record.key], f"{verb}_FAILED", f"{verb.title()} timed out")
            return
        self._note(replace(table[record.key], pending=False), f"{verb}_COMPLETE", "state changed")

    def _fail(self, record: StackResource, verb: str, exception: str, text: str) -> None:
        reason = self._veil.text(f"{exception}: resources.{record.logical_id}: {text}" if exception else text)
        self._note(record, f"{verb}_FAILED", reason)
        raise Failed(f"Resource {verb} failed: {reason}")

    # --- records -------------------------------------------------------------------------------------------------

    def _records(self) -> list[StackResource]:
        return self.state.records(self.stack_id)

    def _current(self, logical_id: str) -> StackResource | None:
        return next((row for row in self._records() if row.logical_id == logical_id and not row.stale), None)

    def _save(self, record: StackResource) -> StackResource:
        return self.state.cloud.resources.put(record)

    def _note(self, record: StackResource, status: str, reason: str) -> None:
        now = self.state.cloud.timestamp()
        with self.state.cloud.store.transaction():
            self._save(replace(record, status=status, reason=reason, update_time=now))
            self.state.event(record, status, reason)


def _declared(node: Node) -> dict[str, Any]:
    """What a record takes from the template without being a property."""
    return {
        "depends_on": sorted(node.depends_on),
        "metadata": dict(node.metadata),
        "deletion_policy": str(node.deletion_policy or "Delete"),
    }


def _blame(error: Exception) -> tuple[str, str]:
    """The exception's name and the text that a reason shows."""
    if isinstance(error, ResourceError):
        return error.exception, str(error)
    if isinstance(error, ApiError):
        return error.code, str(error)
    if isinstance(error, HostError):
        return "HostError", str(error)
    log.error("unexpected:\n%s", places(error))
    return "InternalError", "Server error; see the log of the local cloud"
