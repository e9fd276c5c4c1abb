"""From the text of a file of rules to data, with the line of each part of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

_MOST = 1024 * 1024
_DEEP = 60
_NODES = 200_000


@dataclass(frozen=True)
class Fault:
    """Something wrong with rules."""

    path: str
    line: int
    """0 = not known."""
    where: str
    """The rule's name and the key, as far as known."""
    message: str
    warning: bool = False
    """It can be used, but hardly as it was meant."""

    def __str__(self) -> str:
        """One line: what, where, what to do."""
        line = f", line {self.line}" if self.line else ""
        # Names and keys are whatever somebody has written.
        return " ".join(f"{self.path}{line}: {self.where + ': ' if self.where else ''}{self.message}".split())


class Broken(Exception):
    """A text that cannot be taken apart."""

    def __init__(self, line: int, message: str) -> None:
        """The line is 0 where it is not known."""
        super().__init__(message)
        self.line = line


def parsed(text: str) -> tuple[yaml.Node | None, Any]:
    """The tree, which knows lines, and its data.

    Raises:
        Broken: it is not YAML, too large, or says a key twice.
    """
    if len(text) > _MOST:
        raise Broken(0, "larger than 1 MB; split it into several files")
    try:
        # Not that of libyaml: it is faster, and ends the process where brackets are nested deeply.
        loader = yaml.SafeLoader(text)
        try:
            tree = loader.get_single_node()
            for line, message in _twisted(tree):
                raise Broken(line, message)
            return tree, None if tree is None else loader.construct_document(tree)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "bad characters"
        raise Broken(mark.line + 1 if mark else 0, f"not YAML: {problem}") from None
    except (RecursionError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Broken(0, f"cannot be used: {' '.join(str(error).split()) or type(error).__name__}") from None


def _twisted(tree: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Keys that are there twice, of which YAML silently takes the last; and what has no end, or nearly none."""
    sizes: dict[int, int] = {}
    open_: set[int] = set()

    def size(node: yaml.Node) -> int:
        """Nodes in it, with what its aliases stand for."""
        known = sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in open_ or len(open_) > _DEEP:
            raise Broken(node.start_mark.line + 1, f"more than {_DEEP} levels deep, or it holds itself")
        open_.add(id(node))
        total = 1 + sum(map(size, _parts(node)))
        open_.discard(id(node))
        if total > _NODES:
            raise Broken(node.start_mark.line + 1, f"stands for more than {_NODES} values")
        sizes[id(node)] = total
        return total

    if tree is not None:
        size(tree)
        yield from _twice(tree, set())


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _twice(node: yaml.Node, done: set[int]) -> Iterator[tuple[int, str]]:
    if id(node) in done:
        return
    done.add(id(node))
    seen: set[str] = set()
    for key, _value in node.value if isinstance(node, yaml.MappingNode) else ():
        if str(key.value) in seen and key.value != "<<":
            yield key.start_mark.line + 1, f"{key.value} is there twice"
        seen.add(str(key.value))
    for part in _parts(node):
        yield from _twice(part, done)


def line(tree: yaml.Node | None, place: Sequence[Any]) -> int:
    """The line of a key or of an entry of a list, or of what is nearest above it; 0 where there is nothing."""
    node = tree
    found = node.start_mark.line + 1 if node is not None else 0
    for part in place:
        step = None
        if isinstance(node, yaml.MappingNode):
            step = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            step = (node.value[part], node.value[part])
        if step is None:
            break
        found, node = step[0].start_mark.line + 1, step[1]
    return found
