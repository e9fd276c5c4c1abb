"""Commands that run other commands: what is left when they are taken off."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from opsctl.policy.shell import Word

SHELLS = frozenset(["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "busybox-sh", "rbash"])
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")


@dataclass(frozen=True, slots=True)
class Inner:
    """A command inside: words, or the text a shell will parse."""

    words: tuple[Word, ...] = ()
    text: Word | None = None


@dataclass(frozen=True, slots=True)
class Wrapper:
    """How one is written."""

    valued: str = ""
    """Options that take a value as the next word: letters, and long names after blanks."""
    skipped: int = 0
    """Words between the options and the command."""
    joined: bool = False
    """Whether a shell parses the rest."""

    @property
    def options(self) -> tuple[str, frozenset[str]]:
        """Letters and long names."""
        letters, *names = self.valued.split(" ")
        return letters, frozenset(names)


WRAPPERS: dict[str, Wrapper] = {
    "sudo": Wrapper("ugpCchrtTUDR user group prompt close-from host role type chroot chdir other-user command-timeout"),
    "doas": Wrapper("uC"),
    "env": Wrapper("uC unset chdir"),
    "timeout": Wrapper("sk signal kill-after", 1),
    "nohup": Wrapper(),
    "setsid": Wrapper(),
    "nice": Wrapper("n adjustment"),
    "ionice": Wrapper("cnpPu class classdata"),
    "chrt": Wrapper("TPD", 1),
    "taskset": Wrapper("", 1),
    "stdbuf": Wrapper("ioe input output error"),
    "time": Wrapper("fo format output"),
    "command": Wrapper(),
    "builtin": Wrapper(),
    "exec": Wrapper("a"),
    "coproc": Wrapper(),
    "busybox": Wrapper(),
    "chroot": Wrapper("", 1),
    "flock": Wrapper("wE timeout wait conflict-exit-code", 1),
    "unshare": Wrapper("SGRw"),
    "nsenter": Wrapper("tSGW target"),
    "strace": Wrapper("eopsuPS"),
    "systemd-run": Wrapper("pMHu unit property slice description uid gid working-directory setenv"),
    "xargs": Wrapper("IdEnPsLa max-args max-procs delimiter arg-file max-lines max-chars replace"),
    "parallel": Wrapper("jnNSad jobs", joined=True),
    "watch": Wrapper("n interval", joined=True),
    "ssh": Wrapper("bcDEeFIiJLlmOopQRSWw", 1, joined=True),
    "sshpass": Wrapper("pfdP"),
    "eval": Wrapper(joined=True),
    "ltrace": Wrapper("eopu"),
    "torsocks": Wrapper(),
    "firejail": Wrapper(),
    "caffeinate": Wrapper("tw"),
    "unbuffer": Wrapper(),
}


def unwrap(name: str, arguments: Sequence[Word]) -> Iterator[Inner]:
    """The commands that this command runs; nothing when it is no wrapper."""
    special = _SPECIAL.get(name)
    if special is not None:
        yield from special(arguments)
    if name in SHELLS:
        yield from _command_option(arguments, "c")
    elif name in WRAPPERS:
        yield from _wrapped(WRAPPERS[name], arguments, assigned=name in ("env", "sudo", "doas"))


def _wrapped(wrapper: Wrapper, arguments: Sequence[Word], *, assigned: bool) -> Iterator[Inner]:
    letters, names = wrapper.options
    at = 0
    while at < len(arguments) and arguments[at].text.startswith("-") and arguments[at].text != "-":
        text = arguments[at].text
        at += 1
        if text == "--":
            break
        if text.startswith("--"):
            at += text[2:] in names
        elif letters and text[-1] in letters and not any(letter in letters for letter in text[1:-1]):
            at += 1
    while assigned and at < len(arguments) and _ASSIGNMENT.match(arguments[at].text):
        at += 1
    rest = tuple(arguments[at + wrapper.skipped :])
    if rest:
        yield Inner(text=joined(rest)) if wrapper.joined else Inner(words=rest)


def joined(words: Sequence[Word]) -> Word:
    """Words as the text a second shell gets."""
    return Word(" ".join(word.text for word in words), all(word.fixed for word in words), bare=False)


def _command_option(arguments: Sequence[Word], letter: str) -> Iterator[Inner]:
    """`-c TEXT`, `-lc TEXT`, `--command=TEXT`."""
    for at, word in enumerate(arguments):
        if word.text.startswith("--command="):
            yield Inner(text=Word(word.text.partition("=")[2], word.fixed, bare=False))
        elif (re.fullmatch(r"[-+][A-Za-z]+", word.text) and letter in word.text) or word.text == "--command":
            rest = [text for text in arguments[at + 1 :] if not re.fullmatch(r"[-+][A-Za-z]+", text.text)]
            if rest:
                yield Inner(text=rest[0])
            return


def _su(arguments: Sequence[Word]) -> Iterator[Inner]:
    yield from _command_option(arguments, "c")
    if "--" in (texts := [word.text for word in arguments]):
        rest = tuple(arguments[texts.index("--") + 1 :])
        if rest:
            yield Inner(words=rest)
    elif "-u" in texts and len(arguments) > texts.index("-u") + 2:
        yield Inner(words=tuple(arguments[texts.index("-u") + 2 :]))


def _env(arguments: Sequence[Word]) -> Iterator[Inner]:
    for at, word in enumerate(arguments):
        if word.text in ("-S", "--split-string"):
            yield Inner(text=joined(arguments[at + 1 :]))
            return
        if word.text.startswith(("-S", "--split-string=")):
            first = word.text.removeprefix("--split-string=").removeprefix("-S")
            yield Inner(text=joined((Word(first, word.fixed), *arguments[at + 1 :])))
            return


def _find(arguments: Sequence[Word]) -> Iterator[Inner]:
    """What `find` runs, with the place it begins at for each file it finds."""
    start = arguments[0] if arguments and not arguments[0].text.startswith("-") else Word(".")
    at = 0
    while at < len(arguments):
        if arguments[at].text in ("-exec", "-execdir", "-ok", "-okdir"):
            end = at + 1
            while end < len(arguments) and arguments[end].text not in (";", "+"):
                end += 1
            inner = tuple(
                Word(word.text.replace("{}", start.text), word.fixed and start.fixed, word.bare)
                for word in arguments[at + 1 : end]
            )
            if inner:
                yield Inner(words=inner)
            at = end
        at += 1


def _container(arguments: Sequence[Word]) -> Iterator[Inner]:
    """`docker exec [OPTIONS] CONTAINER COMMAND`: every rest that could be the command, for options are many."""
    texts = [word.text for word in arguments]
    if "exec" not in texts and "run" not in texts:
        return
    at = next(place for place, text in enumerate(texts) if text in ("exec", "run")) + 1
    if "--" in texts[at:]:
        at = texts.index("--", at) + 1
        yield Inner(words=tuple(arguments[at:]))
        return
    wrapper = Wrapper("euwvpnc env user workdir volume publish name network namespace container", 1)
    yield from _wrapped(wrapper, arguments[at:], assigned=False)


def _option_c(arguments: Sequence[Word]) -> Iterator[Inner]:
    yield from _command_option(arguments, "c")


def _alias(arguments: Sequence[Word]) -> Iterator[Inner]:
    for word in arguments:
        if "=" in word.text:
            yield Inner(text=Word(word.text.partition("=")[2], word.fixed, bare=False))


def _trap(arguments: Sequence[Word]) -> Iterator[Inner]:
    texts = [word for word in arguments if not word.text.startswith("-")]
    if len(texts) > 1 and texts[0].text:
        yield Inner(text=texts[0])


_SPECIAL: dict[str, Callable[[Sequence[Word]], Iterator[Inner]]] = {
    "su": _su,
    "runuser": _su,
    "script": _option_c,
    "env": _env,
    "find": _find,
    "docker": _container,
    "podman": _container,
    "kubectl": _container,
    "nerdctl": _container,
    "flock": _option_c,
    "alias": _alias,
    "trap": _trap,
}
