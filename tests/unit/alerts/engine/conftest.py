"""Loops in homes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .loop import Loop

Make = Callable[..., Loop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Loop] = []

    def new(*arguments: object, **options: object) -> Loop:
        made.append(Loop(tmp_path / f"home{len(made)}", *arguments, **options))  # type: ignore[arg-type]
        return made[-1]

    yield new
    for loop in made:
        loop.close()
