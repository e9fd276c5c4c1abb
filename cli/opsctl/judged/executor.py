"""Puts the judgement where Ansible is about to run a task: arguments are final there, conditions and loops are done.

It is the one place of ansible-core (2.19 and later) this depends on: `TaskExecutor` asks its method
`_get_action_handler_with_module_context` for what will run a task, once for each item of a loop and each attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.executor.task_executor import TaskExecutor
from ansible.utils.display import Display

from opsctl.policy.finding import rank, worst
from opsctl.policy.limit import TOLD, Limits, Place, Task, told

_LOCAL = ("localhost", "127.0.0.1", "::1")
_LARGEST = 256 * 1024
_METHOD = "_get_action_handler_with_module_context"


def install(limits: Limits) -> None:
    """From now on no task of this process, or of one forked from it, runs against these limits.

    Raises:
        RuntimeError: this Ansible has no such place.
    """
    method: Callable[..., Any] | None = getattr(TaskExecutor, _METHOD, None)
    if method is None:
        raise RuntimeError("this version of ansible-core cannot be limited by policy; install another")
    ask = method

    def judged(executor: Any, *arguments: Any, **named: Any) -> Any:
        hidden = False
        try:
            hidden = bool(executor._task.no_log)
            task = _task(executor, limits)
            refused = limits.refusal(task)
            if refused and hidden:
                # Ansible shows the message of an error whatever no_log says.
                refused = f"{refused.split(': ')[0]}: {worst(task.findings)} risk; no_log hides what it does"
            grave = [] if refused or hidden else [one for one in task.findings if rank(one.level) >= rank(TOLD)]
        except Exception as error:
            refused, grave = f"the task cannot be judged: {type(error).__name__}", []
        if refused:
            raise AnsibleActionFail(f"Denied by policy: {refused}")
        for finding in grave:
            Display().warning(f"Let through by policy: {told(finding)}")
        return ask(executor, *arguments, **named)

    setattr(TaskExecutor, _METHOD, judged)


def _task(executor: Any, limits: Limits) -> Task:
    task = executor._task
    module = str(task.resolved_action or task.action)
    arguments = {str(key): value for key, value in dict(task.args).items()}
    script = _script(executor, arguments) if module.rsplit(".", 1)[-1] == "script" else None
    given = task.environment or []
    environment = [str(name) for each in (given if isinstance(given, list) else [given]) for name in each or ()]
    return Task(module, arguments, _place(executor, limits), script, environment)


def _place(executor: Any, limits: Limits) -> Place:
    delegated = executor._task.delegate_to
    host = executor._host
    if delegated:
        host = executor._variable_manager._inventory.get_host(str(delegated))
    name = str(delegated or host.name)
    if host is None:
        return Place(name, None, limits.stack)
    stack = limits.stack or limits.stacks.get(name) or str(host.get_vars().get("stack_name") or "")
    local = name in _LOCAL and getattr(executor._connection, "transport", "") == "local"
    return Place(name, frozenset({"all", *(group.name for group in host.get_groups())}), stack, local)


def _script(executor: Any, arguments: dict[str, Any]) -> str | None:
    """What is in the script that the module `script` will send; None when that cannot be told."""
    words = str(arguments.get("_raw_params") or arguments.get("cmd") or "").split()
    with suppress(Exception):
        paths = executor._task.get_search_path()
        path = Path(executor._loader.path_dwim_relative_stack(paths, "files", words[0]))
        if path.stat().st_size <= _LARGEST:
            return path.read_text(encoding="utf-8", errors="replace")
    return None
