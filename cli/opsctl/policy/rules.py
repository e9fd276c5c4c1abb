"""What single commands do: the table of dangerous ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from opsctl.policy.finding import Category, Finding, Level
from opsctl.policy.paths import place
from opsctl.policy.shell import Word
from opsctl.policy.sql import sql_risk

Said = tuple[Level, Category, str]


@dataclass(frozen=True)
class Call:
    """A simple command, wrappers already taken off."""

    name: str
    arguments: tuple[Word, ...]

    @cached_property
    def texts(self) -> list[str]:
        """The arguments."""
        return [word.text for word in self.arguments]

    @cached_property
    def plain(self) -> list[Word]:
        """Arguments that are no options."""
        cut = self.texts.index("--") if "--" in self.texts else len(self.texts)
        return [word for at, word in enumerate(self.arguments) if at > cut or not word.text.startswith("-")]

    def flag(self, *names: str) -> bool:
        """Whether one of these options is given: letters may be joined (`-rf`)."""
        for text in self.texts:
            if text.startswith("--") and text.split("=")[0][2:] in names:
                return True
            if re.fullmatch(r"-[A-Za-z0-9]+", text) and any(len(n) == 1 and n in text[1:] for n in names):
                return True
        return False

    def sub(self, *names: str) -> bool:
        """Whether one of the words is among these."""
        return any(word.text in names for word in self.plain)

    def value(self, *names: str) -> Iterator[str]:
        """Values of these options: `-e V`, `--execute=V`, `-eV`."""
        for at, text in enumerate(self.texts):
            for name in names:
                if text == name:
                    yield from self.texts[at + 1 : at + 2]
                elif name.startswith("--") and text.startswith(f"{name}="):
                    yield text.partition("=")[2]
                elif not name.startswith("--") and text.startswith(name) and not text.startswith("--"):
                    yield text[len(name) :]


Judge = Callable[[Call], Iterator[Said]]


def _said(level: Level, category: Category, reason: str, *names: str) -> Judge:
    """Dangerous with any of these words or options in it; always, when none are named."""

    def judge(call: Call) -> Iterator[Said]:
        if not names or call.sub(*names) or call.flag(*(name.lstrip("-") for name in names if name.startswith("-"))):
            yield level, category, reason

    return judge


def _remove(call: Call) -> Iterator[Said]:
    deep = call.flag("r", "R", "recursive")
    if call.flag("no-preserve-root"):
        yield "critical", "file", "may remove the whole file system"
    for word in call.plain:
        where = place(word)
        if deep and where == "root":
            yield "critical", "file", f"removes {word.text} with all that is in it"
        elif where in ("system", "device", "kernel", "root"):
            yield "high", "file", f"removes {word.text}, which the system needs"
        elif deep and where == "unknown":
            yield "high", "file", "removes a directory that is only known when it runs"
        elif deep or where != "passing":
            yield "medium", "file", f"removes {word.text}"
    if not call.plain:
        yield "medium", "file", "removes files that are only known when it runs"


def written(word: Word) -> Iterator[Said]:
    """What writing to this path does."""
    where = place(word)
    if where == "device":
        yield "critical", "disk", f"writes over the device {word.text}"
    elif where == "kernel":
        yield "high", "kernel", f"sets a kernel variable, {word.text}"
    elif re.search(r"/etc/(?:passwd|shadow|group|sudoers|gshadow)|authorized_keys|/pam\.d/", word.text):
        yield "high", "user", f"changes who may log in or become root, {word.text}"
    elif re.match(r"/dev/(?:tcp|udp)/", word.text):
        yield "high", "network", "opens a connection from the shell"
    elif where == "system":
        yield "medium", "file", f"writes to {word.text}"


def _targets(call: Call) -> Iterator[Said]:
    for word in call.plain:
        yield from written(word)


def _last(call: Call) -> Iterator[Said]:
    for word in call.plain[-1:]:
        yield from written(word)


def _move(call: Call) -> Iterator[Said]:
    for word in call.plain:
        yield from written(word)
        if place(word) == "root" and word is not call.plain[-1]:
            yield "critical", "file", f"moves {word.text} away"


def _mode(call: Call) -> Iterator[Said]:
    for word in call.plain[1:]:
        where = place(word)
        if call.flag("R", "recursive") and where in ("root", "system"):
            yield "critical" if where == "root" else "high", "file", f"changes rights on all of {word.text}"
        elif where in ("system", "root", "device"):
            yield "medium", "file", f"changes rights on {word.text}"
    if call.name == "chmod" and any(re.fullmatch(r"[ugoa]*\+[rwx]*s[rwx]*|[2-7]\d{3}", text) for text in call.texts):
        yield "high", "user", "lets others run a file with its owner's rights"


def _dd(call: Call) -> Iterator[Said]:
    for text in call.texts:
        if text.startswith("of="):
            yield from written(Word(text[3:]))
            yield "medium", "disk", "copies blocks"


def _link(call: Call) -> Iterator[Said]:
    if call.sub("set") and call.sub("down"):
        yield "high", "network", "takes a network link down"
    if call.sub("flush", "del", "delete"):
        yield "high", "network", "removes addresses, links or routes"
    elif call.sub("add", "replace", "change", "set"):
        yield "medium", "network", "changes addresses, links or routes"


def _firewall(call: Call) -> Iterator[Said]:
    if call.flag("F", "X", "flush", "P", "policy") or call.sub("flush", "disable", "reset", "delete"):
        yield "high", "network", "flushes the firewall or changes its default"
    elif not (call.flag("L", "S", "n", "C", "list", "list-all", "state", "version") or call.sub("list", "status")):
        yield "medium", "network", "changes the firewall"


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


def _sysctl(call: Call) -> Iterator[Said]:
    if call.flag("w", "write", "p", "load", "system") or any("=" in text for text in call.texts):
        yield "high", "kernel", "sets kernel variables"


def _volume(call: Call) -> Iterator[Said]:
    yield "critical", "disk", f"{call.name} destroys what is on a device or volume"


def _table(call: Call) -> Iterator[Said]:
    if not (call.flag("l", "list", "print", "help", "version", "V", "d", "dump") or call.sub("print")):
        yield "critical", "disk", "changes a partition table"


def _database(call: Call) -> Iterator[Said]:
    asked = list(call.value("-e", "--execute", "-c", "--command", "--eval", "-Q", "-q", "--query"))
    if call.name.startswith("sqlite") and len(call.plain) > 1:
        asked += [word.text for word in call.plain[1:]]
    for text in asked:
        yield from sql_risk(text)
    if call.name in ("mongo", "mongosh") and any(re.search(r"\.(?:drop|remove|delete)\w*\(", text) for text in asked):
        yield "high", "database", "removes data"
    if not asked and call.flag("f", "file"):
        yield "medium", "opaque", "runs statements of a file that is not judged"


_CHANGING = {"del", "unlink", "config", "debug", "failover", "replicaof", "slaveof", "eval", "forget"}


def _redis(call: Call) -> Iterator[Said]:
    spoken = {text.lower() for text in call.texts}
    if spoken & {"flushall", "flushdb", "shutdown", "swapdb"} or {"cluster", "reset"} <= spoken:
        yield "high", "database", "removes all data, or stops the database"
    elif spoken & _CHANGING and not ({"config", "get"} <= spoken):
        yield "medium", "database", "removes or reconfigures"


def _sed(call: Call) -> Iterator[Said]:
    if any(re.match(r"-[a-zA-Z]*i|--in-place", text) for text in call.texts):
        yield from _targets(call)


def _find(call: Call) -> Iterator[Said]:
    if "-delete" in call.texts:
        start = list(_starts(call))
        grave = any(place(word) in ("root", "system") for word in start)
        yield "critical" if grave else "high", "file", "removes all files it finds"
    for value in (*call.value("-fprint"), *call.value("-fls")):
        yield from written(Word(value))


def _starts(call: Call) -> Iterator[Word]:
    for word in call.arguments:
        if word.text.startswith(("-", "(", "!")):
            return
        yield word


def _git(call: Call) -> Iterator[Said]:
    if (call.sub("clean") and call.flag("f", "force")) or (call.sub("reset") and call.flag("hard")):
        yield "medium", "file", "throws away work that is not committed"
    if call.sub("push") and call.flag("f", "force", "delete"):
        yield "medium", "file", "overwrites what others have"


def _rsync(call: Call) -> Iterator[Said]:
    if any(text.startswith(("--delete", "--remove")) for text in call.texts):
        yield "high", "file", "removes files at the other end"
    yield from _last(call)


def _container(call: Call) -> Iterator[Said]:
    if call.sub("prune") or (call.sub("down") and call.flag("v", "volumes")) or (call.sub("volume") and call.sub("rm")):
        yield "high", "service", "removes containers with their data"
    elif call.sub("rm", "rmi", "stop", "kill", "down", "restart", "delete", "drain", "uninstall"):
        yield "high" if call.name in ("kubectl", "helm") else "medium", "service", "stops or removes containers"
    if call.flag("privileged"):
        yield "high", "kernel", "starts a container that owns the host"


def _cron(call: Call) -> Iterator[Said]:
    if call.flag("r"):
        yield "high", "service", "removes all scheduled jobs"
    elif not call.flag("l"):
        yield "medium", "service", "changes scheduled jobs"


def _script(call: Call) -> Iterator[Said]:
    if call.arguments and not call.flag("version", "V", "h", "help"):
        yield "medium", "opaque", f"runs code for {call.name} that is not judged"


def _awk(call: Call) -> Iterator[Said]:
    if any(re.search(r"\bsystem\s*\(|\|\s*\"|\"\s*\|", text) for text in call.texts):
        yield "high", "opaque", "runs a program from awk"


def _archive(call: Call) -> Iterator[Said]:
    if any(text.startswith(("--checkpoint-action", "--to-command", "-I", "--use-compress")) for text in call.texts):
        yield "high", "opaque", "runs a program it was told in an option"
    first = call.texts[0] if call.texts else ""
    if call.flag("x", "extract") or (not first.startswith("-") and "x" in first):
        for value in (*call.value("-C"), *call.value("--directory")):
            if place(Word(value)) in ("root", "system"):
                yield "high", "file", f"unpacks over {value}"
    if call.flag("remove-files"):
        yield "medium", "file", "removes what it packed"


def _fetch(call: Call) -> Iterator[Said]:
    for value in call.value("-o", "--output", "-O", "--output-document"):
        yield from written(Word(value))


def _socket(call: Call) -> Iterator[Said]:
    if call.flag("e", "c", "exec", "sh-exec") or any(re.search(r"(?i)\b(?:exec|system):", t) for t in call.texts):
        yield "critical", "network", "gives a shell to whoever connects"


def _mount(call: Call) -> Iterator[Said]:
    if call.arguments and not call.flag("l", "V", "h"):
        yield "medium", "disk", "mounts or unmounts"


_FIXED: dict[str, Judge] = {
    "rmdir": _said("low", "file", "removes an empty directory"),
    "shred wipefs blkdiscard lvremove vgremove pvremove mkswap badblocks cryptsetup zpool": _volume,
    "fdisk parted sfdisk gdisk sgdisk cfdisk": _table,
    "reboot poweroff halt shutdown init telinit kexec": _said("high", "kernel", "takes the host out of service"),
    "insmod rmmod modprobe depmod": _said("high", "kernel", "changes what the kernel has loaded"),
    "grub-install update-grub grub2-mkconfig dracut update-initramfs efibootmgr": _said(
        "high", "kernel", "changes how the host boots"
    ),
    "setenforce setsebool setcap aa-disable": _said("high", "kernel", "changes mandatory access control"),
    "swapoff swapon": _said("medium", "disk", "changes swap"),
    "lvcreate lvresize lvreduce vgcreate pvcreate resize2fs xfs_growfs mdadm fsck e2fsck": _said(
        "high", "disk", "changes volumes or file systems"
    ),
    "dropdb dropuser mysqladmin": _said("high", "database", "removes or stops databases"),
    "iptables ip6tables nft ufw firewall-cmd iptables-restore ipset": _firewall,
    "ip": _link,
    "route": _said("medium", "network", "changes routes", "add", "del"),
    "ifconfig": _said("high", "network", "takes a network link down", "down"),
    "ifdown": _said("high", "network", "takes a network link down"),
    "nmcli": _said("high", "network", "changes connections", "down", "delete", "off", "modify"),
    "systemctl service rc-service initctl": _service,
    "kill pkill killall skill fuser": _kill,
    "apt apt-get aptitude yum dnf zypper apk rpm dpkg pacman snap": _package,
    "pip pip3 npm gem": _package,
    "useradd adduser userdel deluser usermod groupadd groupdel groupmod gpasswd passwd chpasswd chage visudo": _user,
    "sysctl": _sysctl,
    "mysql mariadb psql sqlite3 mongo mongosh clickhouse-client": _database,
    "redis-cli valkey-cli": _redis,
    "rm unlink": _remove,
    "mv": _move,
    "cp ln install scp": _last,
    "tee truncate": _targets,
    "chmod chown chgrp chattr setfacl": _mode,
    "dd": _dd,
    "sed": _sed,
    "find": _find,
    "git": _git,
    "rsync": _rsync,
    "docker podman kubectl helm crictl nerdctl docker-compose": _container,
    "crontab": _cron,
    "python python2 python3 perl ruby node php lua": _script,
    "awk gawk mawk": _awk,
    "tar": _archive,
    "curl wget": _fetch,
    "nc ncat netcat socat": _socket,
    "mount umount": _mount,
    "userhelper pkexec": _said("high", "user", "becomes another user"),
    "history": _said("medium", "user", "removes the trace of what was done", "-c", "-w"),
}
_TABLE = {name: judge for names, judge in _FIXED.items() for name in names.split()}


def command_risk(name: str, arguments: Sequence[Word], excerpt: str = "") -> Iterator[Finding]:
    """What one command does."""
    call = Call(name, tuple(arguments))
    judge = _TABLE.get(name) or (_volume if name.startswith(("mkfs", "mke2fs")) else None)
    for level, category, reason in judge(call) if judge else ():
        yield Finding(level, category, reason, excerpt)
