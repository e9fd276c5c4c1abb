"""What can be told of a playbook before it runs: the risk of its tasks, where all of them stand in it as they will run.

It is a first look that saves an approval where none is needed. What really runs is judged again when it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from opsctl.policy.finding import Finding
from opsctl.policy.tasks import known, task_risk

_BLOCKS = ("block", "rescue", "always")
_SECTIONS = ("pre_tasks", "tasks", "post_tasks", "handlers")
_ELSEWHERE = ("include", "import", "action", "local_action", "roles", "vars_files", "module_defaults")
_KEYWORDS = frozenset(
    [
        *("name", "when", "tags", "register", "become", "become_user", "become_method", "delegate_to", "run_once"),
        *("loop", "loop_control", "until", "retries", "delay", "changed_when", "failed_when", "ignore_errors"),
        *("notify", "listen", "vars", "environment", "no_log", "check_mode", "diff", "timeout", "async", "poll"),
        *("any_errors_fatal", "throttle", "args", "ignore_unreachable", "become_flags", "become_exe", "connection"),
        *("delegate_facts", "port", "remote_user", "debugger", "collections"),
    ]
)
_LARGEST = 1024 * 1024


class _Unknown(Exception):
    """Something stands elsewhere, or is only known when it runs."""


def playbook_risk(path: str) -> list[Finding] | None:
    """What is dangerous about the tasks of a playbook's file; None when that cannot be told."""
    try:
        file = Path(path)
        if not path or not file.is_file() or file.stat().st_size > _LARGEST:
            return None
        plays = yaml.safe_load(file.read_text(encoding="utf-8"))
        return [finding for play in _list(plays) for task in _tasks(_play(play)) for finding in _risk(task)]
    except (OSError, ValueError, yaml.YAMLError, RecursionError, TypeError, _Unknown):
        return None


def _play(play: Any) -> Mapping[str, Any]:
    if not isinstance(play, dict) or any(str(key).rsplit(".", 1)[-1].startswith(_ELSEWHERE) for key in play):
        raise _Unknown
    return play


def _tasks(play: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    waiting = [task for section in _SECTIONS for task in _list(play.get(section))]
    while waiting:
        task = waiting.pop(0)
        if not isinstance(task, dict):
            raise _Unknown
        blocks = [inner for key in _BLOCKS for inner in _list(task.get(key))]
        if blocks:
            waiting[:0] = blocks
        else:
            yield task


def _risk(task: Mapping[str, Any]) -> list[Finding]:
    modules = [str(key) for key in task if str(key) not in _KEYWORDS and not str(key).startswith("with_")]
    if len(modules) != 1:
        raise _Unknown
    (module,) = modules
    name = module.rsplit(".", 1)[-1]
    if name.startswith(_ELSEWHERE) and name != "include_vars":
        raise _Unknown
    if not known(name):
        return []
    given, more = task[module], task.get("args") or {}
    # `key=value` in one text may be anything to a module other than those that take free text.
    if not isinstance(more, dict) or (not isinstance(given, dict) and not known(name, free=True)) or _rendered(given):
        raise _Unknown
    if _rendered(more):
        raise _Unknown
    arguments = {**more, **given} if isinstance(given, dict) else {**more, "_raw_params": given}
    return task_risk(module, arguments)


def _rendered(value: Any) -> bool:
    return "{{" in repr(value) or "{%" in repr(value) or "!unsafe" in repr(value)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _Unknown
    return value
