"""The commands of a shell text's tree, each with what feeds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from opsctl.policy.shell import Word, inputs

_COMMANDS = ("command", "declaration_command", "unset_command")


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a command stands: what feeds its input, and how many shells are around it."""

    depth: int = 0
    piped: str | None = None
    """The text of what is before it in a pipeline."""
    given: tuple[Word, ...] = ()
    """Here-documents and here-strings."""


def commands(root: Node, at: Stand) -> Iterator[tuple[Node, Stand]]:
    """Every command and redirection of a tree, wherever it stands, with what feeds it."""
    waiting = [(root, at)]
    while waiting:
        node, place = waiting.pop()
        if node.type in _COMMANDS or node.type in ("file_redirect", "function_definition"):
            yield node, place
        if node.type == "redirected_statement" and (given := tuple(inputs(node))):
            place = Stand(place.depth, place.piped, given)
        begin = node.start_byte
        piping = node.type in ("pipeline", "heredoc_redirect")
        fed = node.type == "heredoc_redirect"
        for number, child in enumerate(node.children):
            inner = place
            if fed:
                inner = Stand(place.depth, "cat", place.given) if child.type in ("pipeline", "command") else place
            elif piping and number:
                before = (node.text or b"")[: child.start_byte - begin].decode("utf-8", "replace")
                if before := before.rstrip("|& \n\t"):
                    inner = Stand(place.depth, before, ())
            waiting.append((child, inner))
