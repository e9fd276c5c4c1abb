"""The terminal Ansible runs on, with patience for what it says last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pexpect  # type: ignore[import-untyped]


class Terminal(pexpect.spawn):  # type: ignore[misc]
    """Ansible-runner waits 5 seconds for the end of the output once the process has ended, and fails when that is too
    little: as it is when a result of hundreds of megabytes is being taken over. Here it is waited for as long as
    something comes."""

    taken = 0
    """Pieces of output so far."""

    def read_nonblocking(self, *arguments: Any, **options: Any) -> Any:
        """Counts what comes."""
        data = super().read_nonblocking(*arguments, **options)
        self.taken += 1
        return data

    def expect(self, pattern: Any, *arguments: Any, **options: Any) -> Any:
        """Of the end of the output: nothing for a whole wait is the end too, whoever still holds the terminal."""
        while True:
            before = self.taken
            try:
                return super().expect(pattern, *arguments, **options)
            except pexpect.TIMEOUT:
                if pattern is not pexpect.EOF:
                    raise
                if self.taken == before:
                    return 0


@contextmanager
def patient() -> Iterator[None]:
    """Within, ansible-runner uses such terminals: it offers no other way to say so."""
    usual, pexpect.spawn = pexpect.spawn, Terminal
    try:
        yield
    finally:
        pexpect.spawn = usual
