"""Bring the resources of a stack to what a program says: first make and change, then remove, each in dependency order.

Creation is convergence from nothing, deletion to nothing, rollback to what was before. Every step is written down
before and after, so the same convergence started again after a crash finishes what was begun.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.hosts.engine import HostError
from opsctl.localcloud.models import StackResource
from opsctl.localcloud.resources import TYPES
from opsctl.localcloud.resources.base import Context, Resource, ResourceError, check
from opsctl.localcloud.ros.changes import decide
from opsctl.localcloud.ros.program import Node, Program

if TYPE_CHECKING:
    from opsctl.localcloud.ros.engine import Engine

PARALLELISM = 16


class Interrupted(Exception):
    """The service is going down: leave everything as it is, a restart takes it up."""


class Failed(Exception):
    """The convergence failed; the text is the stack's StatusReason."""


@dataclass
class Converge:
    """One convergence. ``replacement``: whether what cannot change in place may be replaced."""

    engine: Engine
    stack_id: str
    program: Program | None
    deadline: float
    replacement: bool = False
    retain: frozenset[str] = frozenset()
    parallelism: int = PARALLELISM
    _failure: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Raises :class:`Failed` or :class:`Interrupted`."""
        wanted: Mapping[str, Node] = self.program.resources if self.program else {}
        self._phase({name: node.depends_on for name, node in wanted.items()}, lambda name: self._ensure(wanted[name]))
        gone = {row.key: row for row in self._records() if row.stale or row.logical_id not in wanted}
        self._phase(_reverse(gone), lambda key: self._remove(gone[key]))

    def canceled(self) -> bool:
        return bool(self._failure) or self.engine.stopping or time.time() > self.deadline

    # --- scheduling ----------------------------------------------------------------------------------------------

    def _phase(self, waits_for: Mapping[str, frozenset[str]], work: Callable[[str], None]) -> None:
        left = {name: {dep for dep in deps if dep in waits_for} for name, deps in waits_for.items()}
        running: dict[Future[None], str] = {}
        with ThreadPoolExecutor(max(1, min(self.parallelism, len(left) or 1)), "resource") as pool:
            while left or running:
                if not self.canceled():
                    for name in [name for name, deps in left.items() if not deps]:
                        del left[name]
                        running[pool.submit(self._guarded, work, name)] = name
                if not running:
                    break
                done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    future.result()
                    for deps in left.values():
                        deps.discard(name)
        if self.engine.stopping:
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
            scope = self.engine.scope(self.stack_id)
            properties = check(cls, self.program.resolve(node.properties, scope, path=path), path)
        except ApiError as error:
            self._fail(record or self._draft(node, cls, {}, ""), "UPDATE" if record else "CREATE", error.code, error)
        tags = self.engine.cloud.stacks[self.stack_id].tags
        decision = decide(cls, record, properties, tags)
        if decision.verdict == "keep" and record:
            record = self._save(replace(record, depends_on=sorted(node.depends_on), metadata=dict(node.metadata)))
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
        stack = self.engine.cloud.stacks[self.stack_id]
        return StackResource(
            stack_id=self.stack_id,
            logical_id=node.logical_id,
            type=cls.type,
            physical_id=physical_id,
            status="INIT_COMPLETE",
            reason="",
            properties=properties,
            depends_on=sorted(node.depends_on),
            create_time=self.engine.cloud.timestamp(),
            deletion_policy=str(node.deletion_policy or "Delete"),
            metadata=dict(node.metadata),
            tags=dict(stack.tags),
        )

    def _create(self, cls: type[Resource], record: StackResource, properties: dict[str, Any]) -> None:
        hidden = replace(record, physical_id="") if record.status == "INIT_COMPLETE" else record
        self._save(replace(record, status="CREATE_IN_PROGRESS", reason="state changed"))
        self.engine.event(hidden, "CREATE_IN_PROGRESS", "state changed")
        self._attempt(record, "CREATE", lambda context: cls().create(context, properties))

    def _modify(self, cls: type[Resource], record: StackResource, node: Node, properties: dict[str, Any]) -> None:
        old, tags = record.properties, dict(self.engine.cloud.stacks[self.stack_id].tags)
        # The wanted properties are written first: an update that fails or is interrupted is rolled back by changing
        # them again, never by believing that nothing happened.
        changed = replace(
            record,
            properties=properties,
            depends_on=sorted(node.depends_on),
            metadata=dict(node.metadata),
            deletion_policy=str(node.deletion_policy or "Delete"),
            tags=tags,
            pending=True,
        )
        self._note(changed, "UPDATE_IN_PROGRESS", "state changed")
        self._attempt(changed, "UPDATE", lambda context: cls().update(context, old, properties))
        self._save(replace(self.engine.cloud.resources[changed.key], pending=False))

    def _remove(self, record: StackResource) -> None:
        retained = record.deletion_policy == "Retain" or record.logical_id in self.retain
        if not retained and record.status != "INIT_COMPLETE":
            self._note(record, "DELETE_IN_PROGRESS", "state changed")
            self._attempt(record, "DELETE", lambda context: TYPES[record.type]().delete(context))
        self.engine.cloud.resources.delete(record.key)

    def _attempt(self, record: StackResource, verb: str, work: Callable[[Context], None]) -> None:
        table = self.engine.cloud.resources
        try:
            work(self.engine.context(table[record.key], canceled=self.canceled))
        except ResourceError as error:
            self._fail(table[record.key], verb, error.exception, error)
        except ApiError as error:
            self._fail(table[record.key], verb, error.code, error)
        except HostError as error:
            self._fail(table[record.key], verb, "HostError", error)
        if self.engine.stopping:
            raise Interrupted
        if self.canceled() and verb != "DELETE":
            reason = f"{verb} aborted" if self._failure else f"{verb.title()} timed out"
            self._fail(table[record.key], verb, "", reason)
        self._note(table[record.key], f"{verb}_COMPLETE", "state changed")

    def _fail(self, record: StackResource, verb: str, exception: str, error: object) -> None:
        reason = f"{exception}: resources.{record.logical_id}: {error}" if exception else str(error)
        self._note(record, f"{verb}_FAILED", reason)
        raise Failed(f"Resource {verb} failed: {reason}")

    # --- records -------------------------------------------------------------------------------------------------

    def _records(self) -> list[StackResource]:
        return self.engine.records(self.stack_id)

    def _current(self, logical_id: str) -> StackResource | None:
        return next((row for row in self._records() if row.logical_id == logical_id and not row.stale), None)

    def _save(self, record: StackResource) -> StackResource:
        return self.engine.cloud.resources.put(record)

    def _note(self, record: StackResource, status: str, reason: str) -> None:
        now = self.engine.cloud.timestamp()
        self._save(replace(record, status=status, reason=reason, update_time=now))
        self.engine.event(record, status, reason)


def _reverse(gone: Mapping[str, StackResource]) -> dict[str, frozenset[str]]:
    """For each record to remove, those that must go before it: what depends on it."""
    waits: dict[str, set[str]] = {key: set() for key in gone}
    by_name: dict[str, list[str]] = {}
    for key, row in gone.items():
        by_name.setdefault(row.logical_id, []).append(key)
    for key, row in gone.items():
        for name in row.depends_on:
            for other in by_name.get(name, ()):
                if other != key:
                    waits[other].add(key)
    return {key: frozenset(deps) for key, deps in waits.items()}
