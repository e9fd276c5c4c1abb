"""What commands do to files: remove, overwrite, change who may do what with them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opsctl.policy.paths import place
from opsctl.policy.rules.call import Call, Said, Table, said
from opsctl.policy.shell import Word


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


TABLE: Table = {
    "rmdir": said("low", "file", "removes an empty directory"),
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
    "tar": _archive,
    "curl wget": _fetch,
}
