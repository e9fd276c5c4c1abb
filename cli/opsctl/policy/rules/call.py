"""One simple command as the rules see it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from opsctl.policy.finding import Category, Level
from opsctl.policy.shell import Word

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
Table = Mapping[str, Judge]
"""Names of commands, with blanks between them, and what judges them."""


def said(level: Level, category: Category, reason: str, *names: str) -> Judge:
    """Dangerous with any of these words or options in it; always, when none are named."""

    def judge(call: Call) -> Iterator[Said]:
        if not names or call.sub(*names) or call.flag(*(name.lstrip("-") for name in names if name.startswith("-"))):
            yield level, category, reason

    return judge
