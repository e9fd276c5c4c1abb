"""Stacks at work: one thread an operation, from its first event to its last, and again after a restart."""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.request
from dataclasses import replace
from typing import Any

from opsctl.localcloud.cloud import Cloud
from opsctl.localcloud.errors import places
from opsctl.localcloud.hosts.assistant import Assistant
from opsctl.localcloud.hosts.fleet import Fleet
from opsctl.localcloud.models import Stack
from opsctl.localcloud.ros.converge import Converge, Failed, Interrupted
from opsctl.localcloud.ros.state import State
from opsctl.localcloud.ros.views import outputs

log = logging.getLogger(__name__)

_WORDS = {"UPDATE": "Stack successfully updated"}


class Engine(State):
    """All operations on stacks of one cloud."""

    def __init__(self, cloud: Cloud, fleet: Fleet, assistant: Assistant) -> None:
        super().__init__(cloud, fleet, assistant)
        self._threads: dict[str, threading.Thread] = {}

    def begin(self, stack: Stack, action: str, **operation: Any) -> Stack:
        """Write the operation down, then work on it in the background."""
        seconds = stack.timeout_in_minutes * 60
        stack = replace(
            stack,
            status=f"{action}_IN_PROGRESS",
            status_reason=f"Stack {action} started",
            update_time="" if action == "CREATE" else self.cloud.timestamp(),
            operation={"action": action, "deadline": time.time() + seconds, **operation},
        )
        with self.cloud.store.transaction():
            self.cloud.stacks.put(stack)
            self.stack_event(stack)
            self.cloud.store.after(lambda: self._spawn(stack.stack_id))
        return stack

    def resume(self) -> None:
        """Take up every operation that the last end of the service interrupted."""
        for stack in self.cloud.stacks:
            if stack.operation:
                log.info("taking up %s of stack %s", stack.operation["action"], stack.name)
                self._spawn(stack.stack_id)

    def stop(self, timeout: float) -> None:
        self.stopping = True
        with self.cloud.signalled:
            self.cloud.signalled.notify_all()
        end = time.monotonic() + timeout
        for thread in list(self._threads.values()):
            thread.join(max(0.0, end - time.monotonic()))

    def _spawn(self, stack_id: str) -> None:
        thread = threading.Thread(target=self._work, args=(stack_id,), name=f"stack-{stack_id}", daemon=True)
        self._threads[stack_id] = thread
        thread.start()

    def _work(self, stack_id: str) -> None:
        try:
            # Once the last step has ended its operation, whatever comes next has a thread of its own.
            while self._step(self.cloud.stacks[stack_id]):
                pass
        except Interrupted:
            log.info("stack %s is left for the next start", stack_id)
        except Exception as error:
            log.error("stack %s:\n%s", stack_id, places(error))
            stack = self.cloud.stacks[stack_id]
            if stack.operation:
                reason = "Server error; see the log of the local cloud"
                self._end(stack, f"{stack.operation['action']}_FAILED", reason)
        finally:
            if self._threads.get(stack_id) is threading.current_thread():
                del self._threads[stack_id]

    def _step(self, stack: Stack) -> bool:
        """One convergence, then either the end or the rollback as the next operation; True when there is one."""
        operation = stack.operation
        assert operation is not None  # noqa: S101  (a thread works on an operation)
        action = operation["action"]
        nothing = action in ("DELETE", "CREATE_ROLLBACK")
        work = Converge(
            self,
            stack.stack_id,
            None if nothing else self.program(stack),
            deadline=operation["deadline"],
            replacement=action == "ROLLBACK" or operation.get("replacement", False),
            retain=frozenset(operation.get("retain", ())),
            parallelism=operation.get("parallelism") or 16,
        )
        try:
            work.run()
        except Failed as failure:
            return self._failed(self.cloud.stacks[stack.stack_id], operation, str(failure))
        reason = _WORDS.get(action, f"Stack {action} completed successfully")
        self._end(self.cloud.stacks[stack.stack_id], f"{action}_COMPLETE", reason)
        return False

    def _failed(self, stack: Stack, operation: dict[str, Any], reason: str) -> bool:
        action = operation["action"]
        if reason == "timed out":
            reason = f"{action.replace('_', ' ').capitalize()} timed out"
        if action == "CREATE" and not stack.disable_rollback:
            self._next(stack, "CREATE_ROLLBACK", reason, stack)
        elif action == "UPDATE":
            before = operation["previous"]
            with self.cloud.store.transaction():
                self._restore_replaced(stack.stack_id)
                self._next(stack, "ROLLBACK", reason, replace(stack, **before))
        else:
            self._end(stack, f"{action}_FAILED", reason)
            return False
        return True

    def _next(self, failed: Stack, action: str, reason: str, target: Stack) -> None:
        with self.cloud.store.transaction():
            if failed.operation and failed.operation["action"] == "CREATE":
                self.stack_event(replace(failed, status="CREATE_FAILED", status_reason=reason))
            else:
                self.stack_event(replace(failed, status="UPDATE_FAILED", status_reason=reason))
            seconds = target.timeout_in_minutes * 60
            stack = replace(
                target,
                status=f"{action}_IN_PROGRESS",
                status_reason=reason,
                operation={"action": action, "deadline": time.time() + seconds, "reason": reason},
            )
            self.cloud.stacks.put(stack)
            self.stack_event(replace(stack, status_reason=f"Stack {action} started"))

    def _restore_replaced(self, stack_id: str) -> None:
        """The old side of every replacement becomes current again, the new side is what cleanup removes."""
        old = {row.logical_id for row in self.records(stack_id) if row.stale}
        with self.cloud.store.transaction():
            for row in self.records(stack_id):
                if row.logical_id in old:
                    self.cloud.resources.put(replace(row, stale=not row.stale))

    def _end(self, stack: Stack, status: str, reason: str) -> None:
        cause = (stack.operation or {}).get("reason")
        shown = f"{reason}: {cause}" if cause and status.endswith("ROLLBACK_FAILED") else cause or reason
        with self.cloud.store.transaction():
            ended = replace(stack, status=status, status_reason=shown, operation=None)
            self.cloud.stacks.put(replace(ended, update_time=self.cloud.timestamp()))
            self.stack_event(replace(ended, status_reason=reason))
        log.info("stack %s: %s", stack.name, status)
        if stack.notification_urls:
            threading.Thread(target=self._notify, args=(ended,), daemon=True).start()

    def _notify(self, stack: Stack) -> None:
        """NotificationURLs get {Outputs, StackId, StackName, Status} (facts: ros-api, section 4)."""
        body = {
            "StackId": stack.stack_id,
            "StackName": stack.name,
            "Status": stack.status,
            "Outputs": outputs(self, stack),
        }
        for url in stack.notification_urls:
            request = urllib.request.Request(  # noqa: S310  (only http and https are stored)
                url, json.dumps(body).encode(), {"Content-Type": "application/json"}
            )
            try:
                urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
            except (OSError, ValueError) as error:
                log.warning("notification of stack %s failed: %s", stack.name, error)
