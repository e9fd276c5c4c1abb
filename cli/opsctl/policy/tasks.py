"""How dangerous an Ansible task is, judged on its module and the arguments as they are after templating."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from opsctl.policy.finding import Category, Finding, Level, short
from opsctl.policy.paths import place
from opsctl.policy.risk import judge
from opsctl.policy.rules.call import Said
from opsctl.policy.rules.files import written
from opsctl.policy.shell import Word
from opsctl.policy.sql import sql_risk
from opsctl.policy.wrappers import SHELLS

Arguments = Mapping[str, Any]
_GONE = ("absent", "removed", "purged", "deleted", "terminated")
_FREE = ("_raw_params", "cmd", "argv", "free_form", "command")
_SHELLS = ("shell", "raw", "command", "fanout", "win_shell", "win_command", "expect")


def task_risk(module: str, args: Arguments) -> list[Finding]:
    """What is dangerous about this task. `module` may be an FQCN; a module that is not known here finds nothing."""
    name = module.rsplit(".", 1)[-1]
    if (text := task_text(name, args)) is not None:
        return judge(text)
    excerpt = short(f"{name} " + " ".join(f"{key}={value}" for key, value in args.items() if key in _SHOWN))
    found = [Finding(level, category, reason, excerpt) for level, category, reason in _said(name, args)]
    return list(dict.fromkeys(found))


_SHOWN = ("name", "path", "dest", "state", "device", "chain", "db", "src")
"""Arguments an excerpt may show: none of these holds a secret."""


def known(name: str, *, free: bool = False) -> bool:
    """Whether arguments of this module (its short name) matter; `free`: whether it takes free text."""
    return name in _SHELLS or (not free and name in _TABLE)


def task_text(module: str, args: Arguments) -> str | None:
    """The shell text that a task runs, if it is one that runs shell text."""
    name = module.rsplit(".", 1)[-1]
    if name == "fanout" and args.get("script"):
        return None
    return command_text(name, args) if name in _SHELLS else None


def command_text(module: str, args: Arguments) -> str:
    """The shell text that a command module runs. `command` has no shell, so its words are quoted."""
    given = next((args[key] for key in _FREE if args.get(key)), "")
    words = [str(word) for word in given] if isinstance(given, (list, tuple)) else None
    text = str(given)
    # `_uses_shell` is not documented, but understood by the module.
    if words is None and module in ("command", "fanout") and not args.get("_uses_shell"):
        with suppress(ValueError):
            words = shlex.split(text)
    if words is not None:
        text = " ".join(_quoted(word, expanded=args.get("expand_argument_vars") is not False) for word in words)
    program = str(args.get("executable") or "").rsplit("/", 1)[-1]
    if program and program not in SHELLS:
        text = f"{program} -c {shlex.quote(text)}"
    # What it is fed may be a script, too.
    if args.get("stdin_file"):
        return f"{text} < {shlex.quote(str(args['stdin_file']))}"
    return f"{text} <<< {shlex.quote(str(args['stdin']))}" if args.get("stdin") else text


def _quoted(word: str, *, expanded: bool) -> str:
    """A word for a shell; the module expands variables in it all the same."""
    if not expanded:
        return shlex.quote(word)
    parts = re.split(r"(\$(?:\w+|\{[^}]*\}))", word)
    return (
        "".join(f'"{part}"' if number % 2 else shlex.quote(part) for number, part in enumerate(parts) if part) or "''"
    )


def _said(name: str, args: Arguments) -> Iterator[Said]:
    known = _TABLE.get(name)
    if known is not None:
        yield from known(args)


def _text(args: Arguments, *names: str) -> str:
    return str(next((args[name] for name in names if args.get(name) is not None), ""))


def _gone(args: Arguments) -> bool:
    return _text(args, "state") in _GONE


def _file(args: Arguments) -> Iterator[Said]:
    path = Word(_text(args, "path", "dest", "name"))
    where = place(path)
    if _gone(args):
        if where == "root":
            yield "critical", "file", f"removes {path.text} with all that is in it"
        elif where in ("system", "device", "kernel"):
            yield "high", "file", f"removes {path.text}, which the system needs"
        else:
            yield "medium", "file", f"removes {path.text}"
    elif args.get("recurse") in (True, "true", "yes") and where in ("root", "system"):
        yield "critical" if where == "root" else "high", "file", f"changes rights on all of {path.text}"


def _write(args: Arguments) -> Iterator[Said]:
    yield from written(Word(_text(args, "dest", "path")))


def _state(kind: Category, gone: Level, else_: Level | None, reason: str) -> Callable[[Arguments], Iterator[Said]]:
    """A thing that is removed, or changed."""

    def judged(args: Arguments) -> Iterator[Said]:
        if _gone(args):
            yield gone, kind, f"removes {reason}"
        elif else_:
            yield else_, kind, f"changes {reason}"

    return judged


def _always(level: Level, kind: Category, reason: str) -> Callable[[Arguments], Iterator[Said]]:
    def judged(args: Arguments) -> Iterator[Said]:
        yield level, kind, reason

    return judged


def _user(args: Arguments) -> Iterator[Said]:
    yield "high" if _gone(args) else "medium", "user", "removes users" if _gone(args) else "changes users"
    groups = args.get("groups") or []
    names = groups.split(",") if isinstance(groups, str) else [str(group) for group in groups]
    if {"sudo", "wheel", "root", "docker"} & set(names) or str(args.get("uid")) == "0":
        yield "high", "user", "gives the rights of root"


def _service(args: Arguments) -> Iterator[Said]:
    name = _text(args, "name")
    stopping = _text(args, "state") == "stopped" or args.get("enabled") is False or args.get("masked") is True
    if stopping and name.startswith(("ssh", "dbus", "network", "systemd-")):
        yield "high", "service", "stops what the host is reached or run with"
    elif stopping:
        yield "medium", "service", "stops or disables a service"
    elif _text(args, "state") or args.get("enabled") is not None:
        yield "medium", "service", "starts, restarts or changes a service"


def _firewall(args: Arguments) -> Iterator[Said]:
    if args.get("flush") or args.get("policy"):
        yield "high", "network", "flushes the firewall or changes its default"
    else:
        yield "medium", "network", "changes the firewall"


def _parted(args: Arguments) -> Iterator[Said]:
    if _text(args, "state") in ("present", "absent"):
        yield "critical", "disk", "changes a partition table"


def _database(args: Arguments) -> Iterator[Said]:
    if _gone(args):
        yield "critical", "database", "drops a database"
    elif _text(args, "state") in ("import", "restore"):
        yield "high", "database", "overwrites a database"
    else:
        yield "medium", "database", "changes databases"


def _query(args: Arguments) -> Iterator[Said]:
    given = args.get("query") or ""
    for text in given if isinstance(given, (list, tuple)) else (given,):
        yield from sql_risk(str(text))


def _job(args: Arguments) -> Iterator[Said]:
    yield from _state("service", "medium", "medium", "scheduled jobs")(args)
    text = "" if _gone(args) else _text(args, "job", "command")
    yield from ((finding.level, finding.category, finding.reason) for finding in judge(text))


_packages = _state("package", "high", "medium", "packages")
_FIXED: dict[str, Callable[[Arguments], Iterator[Said]]] = {
    "script fanout": _always("medium", "opaque", "runs a script whose text is not judged here"),
    "file": _file,
    "copy template lineinfile blockinfile replace get_url unarchive assemble": _write,
    "user": _user,
    "group": _state("user", "high", "medium", "groups"),
    "authorized_key": _always("high", "user", "changes who may log in"),
    "apt dnf dnf5 yum package pip zypper apk": _packages,
    "service systemd systemd_service sysvinit": _service,
    "mount": _state("disk", "medium", "medium", "mounts"),
    "filesystem": _always("critical", "disk", "makes a file system on a device"),
    "parted": _parted,
    "lvol lvg": _state("disk", "critical", "high", "volumes"),
    "iptables firewalld ufw nftables": _firewall,
    "reboot": _always("high", "kernel", "takes the host out of service"),
    "sysctl": _always("high", "kernel", "sets kernel variables"),
    "modprobe": _always("high", "kernel", "changes what the kernel has loaded"),
    "selinux": _always("high", "kernel", "changes mandatory access control"),
    "cron at": _job,
    "docker_container docker_compose docker_compose_v2 podman_container": _state(
        "service", "medium", "medium", "containers"
    ),
    "docker_volume podman_volume k8s helm": _state("service", "high", "medium", "containers with their data"),
    "redis_cluster_failover": _always("medium", "service", "moves a service to another node"),
    "ros_stack cloudformation heat_stack ec2_instance rds_instance s3_bucket": _state(
        "cloud", "high", "medium", "resources of a cloud"
    ),
    "mysql_db postgresql_db mongodb_db": _database,
    "mysql_user postgresql_user postgresql_privs mysql_role": _always(
        "high", "database", "changes who may do what in a database"
    ),
    "mysql_query postgresql_query postgresql_script": _query,
}
_TABLE = {name: judged for names, judged in _FIXED.items() for name in names.split()}
