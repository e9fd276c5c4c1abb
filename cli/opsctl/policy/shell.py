"""Shell text as a syntax tree: the one place that knows the parser. Words come out as the shell would see them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

LONGEST = 128 * 1024
_PIPES = 1000
_RUN = ("simple_expansion", "expansion", "command_substitution", "process_substitution", "arithmetic_expansion")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}
_ANSI = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|c?(.))", re.DOTALL)


class Unreadable(Exception):
    """The text is too long, or no text at all; the message says which."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word after quotes and backslashes are gone."""

    text: str
    """Expansions stand in it as they were written."""
    fixed: bool = True
    """Whether the shell will see exactly this: no expansion in it."""
    bare: bool = True
    """Whether no part of it was quoted: globs and braces in it work."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Output to, or input from, a file."""

    operator: str
    target: Word


def parse(text: str) -> Node:
    """The tree's root.

    Raises:
        Unreadable: it cannot be judged at all.
    """
    data = text.encode("utf-8", "replace")
    if b"\0" in data:
        raise Unreadable("a NUL byte is in it")
    # The parser takes quadratic time on broken pipelines; nobody's text has this many.
    if len(data) > LONGEST or data.count(b"|") > _PIPES:
        raise Unreadable("it is too long")
    return Parser(_language()).parse(data).root_node


@cache
def _language() -> Language:
    return Language(tree_sitter_bash.language())


def source(node: Node) -> str:
    """The text of a node."""
    return (node.text or b"").decode("utf-8", "replace")


def words(node: Node) -> list[Word]:
    """The words of a command, its name first; assignments and redirections are not among them."""
    found = []
    for child in node.children:
        if child.type == "command_name":
            found += [word(part) for part in child.children] or [word(child)]
        elif child.type in ("file_redirect", "herestring_redirect", "heredoc_redirect", "comment") or (
            child.type == "variable_assignment" and node.type == "command"
        ):
            continue
        else:
            found.append(word(child))
    return found


def assignments(node: Node) -> list[str]:
    """What a command's environment is told: `NAME=value`."""
    return [source(child) for child in node.children if child.type == "variable_assignment"]


def word(node: Node) -> Word:
    """One word."""
    kind, raw = node.type, source(node)
    if kind in _RUN or kind == "brace_expression":
        return Word(raw, fixed=False)
    if kind == "raw_string":
        return Word(raw[1:-1], bare=False)
    if kind == "ansi_c_string":
        return Word(_ANSI.sub(_ansi, raw[2:-1]), bare=False)
    if kind == "string":
        return _joined(node, quoted=True)
    if kind in ("concatenation", "translated_string", "command_name"):
        return _joined(node, quoted=False)
    return Word(_plain(raw))


def _joined(node: Node, *, quoted: bool) -> Word:
    """A word of parts; the parser leaves some blanks between them out."""
    data, start = node.text or b"", node.start_byte
    text, fixed, bare, at = "", True, not quoted, start
    for child in node.children:
        text += data[at - start : child.start_byte - start].decode("utf-8", "replace")
        at = child.end_byte
        if quoted and child.type not in _RUN:
            text += "" if child.type == '"' else re.sub(r'\\(["$`\\])|\\\n', r"\1", source(child))
            continue
        part = word(child)
        text, fixed, bare = text + part.text, fixed and part.fixed, bare and part.bare
    return Word(text, fixed, bare)


def _plain(raw: str) -> str:
    return re.sub(r"\\(\n|.)", lambda match: "" if match[1] == "\n" else match[1], raw, flags=re.DOTALL)


def _ansi(match: re.Match[str]) -> str:
    for place, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
        if match[place]:
            number = int(match[place], base)
            return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
    return _ESCAPES.get(match[5], match[5])


def redirect(node: Node) -> Redirect | None:
    """What a `file_redirect` does; none for one that only copies a descriptor."""
    operator = next((child.type for child in node.children if child.type[:1] in "<>&"), "")
    targets = node.children_by_field_name("destination")
    if not targets or (operator in (">&", "<&") and source(targets[0]).strip("-").isdigit()):
        return None
    return Redirect(operator, word(targets[0]))


def inputs(node: Node) -> Iterator[Word]:
    """The texts a command or statement is given by here-documents and here-strings."""
    for child in node.children:
        if child.type == "herestring_redirect" and child.named_children:
            yield word(child.named_children[-1])
        elif child.type == "heredoc_redirect":
            for body in child.children:
                if body.type == "heredoc_body":
                    yield Word(source(body), fixed=not any(part.type in _RUN for part in body.children))
