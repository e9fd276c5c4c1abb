"""The simple commands of a shell text, as patterns of grants are held against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tree_sitter import Node

from opsctl.policy.paths import place
from opsctl.policy.shell import Unreadable, Word, assignments, parse, redirect, words
from opsctl.policy.wrappers import unwrap

_DEEPEST = 20
_MOST = 5000
_HARMLESS = frozenset(
    (
        *("program", "list", "pipeline", "command", "command_name", "word", "number", "concatenation", "comment"),
        *("string", "string_content", "raw_string", "ansi_c_string", "redirected_statement"),
        *("file_redirect", "file_descriptor"),
    )
)
"""Trees of only these do nothing but run their commands."""


@dataclass
class Simple:
    """The commands of a text."""

    outer: list[str] = field(default_factory=list)
    """Those it is made of."""
    every: list[str] = field(default_factory=list)
    """These, and those they run, with and without their directories."""
    whole: bool = True
    """Whether the outer ones are all that it does, word for word."""
    hidden: bool = False
    """Whether it runs commands that cannot be told."""
    loose: list[str] = field(default_factory=list)
    """Names of commands whose other words are only known when they run."""


def simple(text: str) -> Simple:
    """The simple commands of a text; what cannot be read is not `whole`."""
    found = Simple()
    _text(text, found, 0)
    return found


def commanded(found: Simple, patterns: Sequence[str]) -> bool | None:
    """Whether a command that fits one of the patterns runs in this; None: it may."""
    if any(fnmatchcase(text, pattern) for text in found.every for pattern in patterns):
        return True
    names = [pattern.split(" ", 1)[0] for pattern in patterns]
    may = found.hidden or any(fnmatchcase(text, name) for text in found.loose for name in names)
    return None if may else False


def _text(text: str, found: Simple, depth: int) -> None:
    try:
        root = parse(text)
    except Unreadable:
        found.whole, found.hidden = False, True
        return
    if root.has_error:
        found.whole, found.hidden = False, True
    waiting = [root]
    while waiting:
        node = waiting.pop()
        waiting += reversed(node.children)
        if not _plain(node):
            found.whole = False
        if node.type in ("command", "declaration_command"):
            called = words(node)
            if depth == 0:
                found.outer.append(" ".join(word.text for word in called))
                found.whole = found.whole and all(word.fixed for word in called)
            _command(called, found, depth)


def _plain(node: Node) -> bool:
    if node.type == "command":
        return not assignments(node)
    if node.type == "file_redirect":
        target = redirect(node)
        return target is None or (target.target.fixed and place(target.target) == "passing")
    return not node.is_named or node.type in _HARMLESS


def _command(called: list[Word], found: Simple, depth: int) -> None:
    if not called or depth > _DEEPEST or len(found.every) > _MOST:
        found.whole = found.whole and not called
        found.hidden = found.hidden or bool(called)
        return
    texts = [word.text for word in called]
    name = texts[0].rsplit("/", 1)[-1]
    if not all(word.fixed for word in called):
        found.loose += [texts[0], name]
    found.every += dict.fromkeys((" ".join(texts), " ".join((name, *texts[1:]))))
    if not called[0].fixed:
        found.whole, found.hidden = False, True
    for inner in unwrap(name, called[1:]):
        if inner.text is not None:
            found.hidden = found.hidden or not inner.text.fixed
            _text(inner.text.text, found, depth + 1)
        else:
            # What it reads becomes words, too.
            more = [Word("$ITEM", fixed=False)] if name == "xargs" else []
            _command([*inner.words, *more], found, depth + 1)
