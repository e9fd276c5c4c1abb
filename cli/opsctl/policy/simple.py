"""The simple commands of a shell text, as patterns of grants are held against them."""

from __future__ import annotations

from dataclasses import dataclass, field

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


def simple(text: str) -> Simple:
    """The simple commands of a text; what cannot be read is not `whole`."""
    found = Simple()
    _text(text, found, 0)
    return found


def _text(text: str, found: Simple, depth: int) -> None:
    try:
        root = parse(text)
    except Unreadable:
        found.whole = False
        return
    if root.has_error:
        found.whole = False
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
        return
    texts = [word.text for word in called]
    found.every += dict.fromkeys((" ".join(texts), " ".join((texts[0].rsplit("/", 1)[-1], *texts[1:]))))
    if not called[0].fixed:
        found.whole = False
    for inner in unwrap(texts[0].rsplit("/", 1)[-1], called[1:]):
        if inner.text is not None:
            _text(inner.text.text, found, depth + 1)
        else:
            _command(list(inner.words), found, depth + 1)
