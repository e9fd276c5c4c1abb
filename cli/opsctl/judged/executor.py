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
_SPREAD = "fanout"
"""`opsctl.cloud.fanout` runs on all hosts of the play in the task of the first."""
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
            tasks = _tasks(executor, limits)
            task = tasks[0]
            refused = next(filter(None, map(limits.refusal, tasks)), "")
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


def _tasks(executor: Any, limits: Limits) -> list[Task]:
    """The task on each host that it acts on: one, but for the action that runs once for all hosts of the play."""
    task = executor._task
    module = str(task.resolved_action or task.action)
    name = module.rsplit(".", 1)[-1]
    arguments = {str(key): value for key, value in dict(task.args).items()}
    script = _script(executor, arguments) if name in ("script", _SPREAD) else None
    given = task.environment or []
    environment = [str(name) for each in (given if isinstance(given, list) else [given]) for name in each or ()]
    hosts = [str(task.delegate_to or executor._host.name)]
    if name == _SPREAD:
        hosts += [str(host) for host in executor._job_vars["ansible_play_batch"] if str(host) not in hosts]
    return [Task(module, arguments, _place(executor, limits, host), script, environment) for host in hosts]


def _place(executor: Any, limits: Limits, name: str) -> Place:
    host = executor._host
    if name != host.name:
        host = executor._variable_manager._inventory.get_host(name)
    if host is None:
        return Place(name, None, limits.stack)
    stack = limits.stack or limits.stacks.get(name) or str(host.get_vars().get("stack_name") or "")
    local = name in _LOCAL and getattr(executor._connection, "transport", "") == "local"
    return Place(name, frozenset({"all", *(group.name for group in host.get_groups())}), stack, local)


def _script(executor: Any, arguments: dict[str, Any]) -> str | None:
    """What is in the script that the module `script` will send; None when that cannot be told."""
    words = [str(arguments["script"])] if arguments.get("script") else []
    words += str(arguments.get("_raw_params") or arguments.get("cmd") or "").split()
    with suppress(Exception):
        paths = executor._task.get_search_path()
        path = Path(executor._loader.path_dwim_relative_stack(paths, "files", words[0]))
        if path.stat().st_size <= _LARGEST:
            return path.read_text(encoding="utf-8", errors="replace")
    return None
