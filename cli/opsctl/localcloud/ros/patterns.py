"""Regular expressions written by strangers: whole match, within a bounded number of steps.

A matcher that backtracks can take for ever, and cannot be stopped inside of ``re``; one that unrolls repeats can take
all memory.  A whole match needs neither: read the pattern with the standard library's own parser, and follow the
*set* of positions that can be reached.  Only what needs captures (back references) is refused.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

_MAX_PATTERN = 32_768  # official templates list hundreds of reserved words
_MAX_STEPS = 1_000_000  # about a second
_parser: Any = importlib.import_module("re._parser")  # has no public name since sre_parse is deprecated

_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": lambda char: char.isalnum() or char == "_",
}


class PatternError(Exception):
    """Why a pattern could not be used. Never holds the text it was matched against."""


def matches(pattern: str, text: str) -> bool:
    """Whether the whole ``text`` matches. Raises :class:`PatternError`."""
    tree = _parsed(pattern)
    try:
        return len(text) in _Match(text, tree.state.flags).ends(tree, {0})
    except RecursionError:
        raise PatternError("the pattern is nested too deeply") from None


@lru_cache(maxsize=256)
def _parsed(pattern: str) -> Any:
    if len(pattern) > _MAX_PATTERN:
        raise PatternError(f"the pattern has {len(pattern)} characters, allowed are {_MAX_PATTERN}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of set syntax that a later Python may read differently
            return _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(f"the pattern is no regular expression: {error}") from None


class _Match:
    """One text. ``ends`` maps the positions where an expression may begin to those where it may end."""

    def __init__(self, text: str, flags: int) -> None:
        self._text = text
        self._flags = flags
        self._steps = 0

    def ends(self, nodes: Iterable[tuple[Any, Any]], starts: set[int]) -> set[int]:
        for operation, argument in nodes:
            if not starts:
                return starts
            starts = self._one(str(operation), argument, starts)
        return starts

    def _one(self, operation: str, argument: Any, starts: set[int]) -> set[int]:
        self._steps += 1 + len(starts)
        if self._steps > _MAX_STEPS:
            raise PatternError("the pattern takes too long on this value")
        if operation in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            return self._character(operation, argument, starts)
        if operation == "BRANCH":
            return set().union(*(self.ends(branch, starts) for branch in argument[1]))
        if operation == "SUBPATTERN":
            return self._group(argument, starts)
        if operation in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, nodes = argument
            return self._repeat(nodes, starts, least, int(most))
        if operation == "AT":
            return {start for start in starts if self._at(str(argument), start)}
        if operation in ("ASSERT", "ASSERT_NOT"):
            direction, nodes = argument
            return self._look(nodes, starts, direction, operation == "ASSERT")
        raise PatternError(f"the pattern uses {operation.lower().replace('_', ' ')}, which is not supported here")

    def _character(self, operation: str, argument: Any, starts: set[int]) -> set[int]:
        size = len(self._text)
        return {at + 1 for at in starts if at < size and self._accepts(operation, argument, self._text[at])}

    def _accepts(self, operation: str, argument: Any, char: str) -> bool:
        if operation == "ANY":
            return char != "\n" or bool(self._flags & re.DOTALL)
        if operation == "IN":
            return self._in(argument, char)
        return (argument in self._codes(char)) == (operation == "LITERAL")

    def _in(self, items: list[tuple[Any, Any]], char: str) -> bool:
        wanted = True
        codes = self._codes(char)
        for operation, argument in items:
            name = str(operation)
            if name == "NEGATE":
                wanted = False
            elif (
                (name == "LITERAL" and argument in codes)
                or (name == "RANGE" and any(argument[0] <= code <= argument[1] for code in codes))
                or (name == "CATEGORY" and self._category(str(argument), char))
            ):
                return wanted
        return not wanted

    def _category(self, name: str, char: str) -> bool:
        positive = name.replace("_NOT_", "_")
        found = _CATEGORIES[positive](char) and (char.isascii() or not self._flags & re.ASCII)
        return found == (positive == name)

    def _codes(self, char: str) -> set[int]:
        forms = {char, char.lower(), char.upper()} if self._flags & re.IGNORECASE else {char}
        return {ord(form) for form in forms if len(form) == 1}

    def _group(self, argument: Any, starts: set[int]) -> set[int]:
        _, added, removed, nodes = argument
        before = self._flags
        self._flags = (before | added) & ~removed
        try:
            return self.ends(nodes, starts)
        finally:
            self._flags = before

    def _repeat(self, nodes: Any, starts: set[int], least: int, most: int) -> set[int]:
        for _ in range(least):
            following = self.ends(nodes, starts)
            if following == starts:
                break
            starts = following
        reached, edge = set(starts), starts
        for _ in range(most - least):
            edge = self.ends(nodes, edge) - reached
            if not edge:
                break
            reached |= edge
        return reached

    def _at(self, name: str, at: int) -> bool:
        text, size = self._text, len(self._text)
        if name.startswith("AT_BEGINNING"):
            line = name != "AT_BEGINNING_STRING" and bool(self._flags & re.MULTILINE)
            return at == 0 or (line and text[at - 1] == "\n")
        if name == "AT_END_STRING":
            return at == size
        if name == "AT_END":
            line = at == size - 1 or bool(self._flags & re.MULTILINE)
            return at == size or (line and text[at] == "\n")
        before = at > 0 and self._category("CATEGORY_WORD", text[at - 1])
        after = at < size and self._category("CATEGORY_WORD", text[at])
        return (before != after) == (name == "AT_BOUNDARY")

    def _look(self, nodes: Any, starts: set[int], direction: int, wanted: bool) -> set[int]:
        if direction > 0:
            return {at for at in starts if bool(self.ends(nodes, {at})) == wanted}
        least, most = nodes.getwidth()
        if least != most:
            raise PatternError("the pattern looks behind at something of no fixed width")
        return {at for at in starts if (at >= least and at in self.ends(nodes, {at - least})) == wanted}
