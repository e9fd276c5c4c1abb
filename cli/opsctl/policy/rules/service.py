"""What commands do to what a host is for: services, packages, users, jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opsctl.policy.rules.call import Call, Said, Table, said


def _service(call: Call) -> Iterator[Said]:
    verbs = {word.text for word in call.plain}
    if verbs & {"reboot", "poweroff", "halt", "kexec", "emergency", "rescue", "isolate", "soft-reboot", "suspend"}:
        yield "high", "kernel", "takes the host out of service"
    elif verbs & {"stop", "disable", "mask", "kill"}:
        yield "medium", "service", "stops or disables a service"
        if any(re.match(r"(?:sshd?|dbus|network|systemd-)", verb) for verb in verbs):
            yield "high", "service", "stops what the host is reached or run with"
    elif verbs & {
        "restart",
        "try-restart",
        "start",
        "reload",
        "enable",
        "unmask",
        "daemon-reexec",
        "set-default",
        "edit",
    }:
        yield "medium", "service", "starts, restarts or changes a service"


def _kill(call: Call) -> Iterator[Said]:
    if call.name == "kill" and {"-1", "1"} & set(call.texts[1:]):
        yield "high", "service", "kills the first process, or all"
    elif not ({"-l", "-0"} & set(call.texts)):
        yield "medium", "service", "ends processes"


_REMOVING = ["remove", "purge", "autoremove", "erase", "uninstall", "dist-upgrade", "full-upgrade", "downgrade", "del"]
_ADDING = ["install", "upgrade", "update", "reinstall", "groupinstall", "add", "localinstall", "dup"]


def _package(call: Call) -> Iterator[Said]:
    direct = call.name in ("rpm", "dpkg", "pacman")
    # Reading the lists of packages changes none of them.
    reading = call.name in ("apt", "apt-get", "apk") and call.sub("update") and not call.sub("install")
    if call.sub(*_REMOVING) or (direct and call.flag("e", "P", "r", "R", "purge", "erase")):
        yield "high", "package", "removes packages, or replaces many"
    elif not reading and (call.sub(*_ADDING) or (direct and call.flag("i", "U", "F", "S", "install", "upgrade"))):
        yield "medium", "package", "installs or updates packages"


def _user(call: Call) -> Iterator[Said]:
    yield "high" if call.name.startswith(("userdel", "deluser", "groupdel")) else "medium", "user", "changes users"
    if any(re.fullmatch(r"(?:sudo|wheel|root|docker|admin)", text) for text in call.texts) and call.name != "passwd":
        yield "high", "user", "gives or takes the rights of root"
    if call.name in ("passwd", "chpasswd", "visudo"):
        yield "high", "user", "changes passwords or who may become root"


def _cron(call: Call) -> Iterator[Said]:
    if call.flag("r"):
        yield "high", "service", "removes all scheduled jobs"
    elif not call.flag("l"):
        yield "medium", "service", "changes scheduled jobs"


TABLE: Table = {
    "systemctl service rc-service initctl": _service,
    "kill pkill killall skill fuser": _kill,
    "apt apt-get aptitude yum dnf zypper apk rpm dpkg pacman snap": _package,
    "pip pip3 npm gem": _package,
    "useradd adduser userdel deluser usermod groupadd groupdel groupmod gpasswd passwd chpasswd chage visudo": _user,
    "crontab": _cron,
    "userhelper pkexec": said("high", "user", "becomes another user"),
    "history": said("medium", "user", "removes the trace of what was done", "-c", "-w"),
}
