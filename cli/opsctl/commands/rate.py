"""Options for the rate of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer


@dataclass(frozen=True, slots=True)
class Pace:
    """In which batches, and what makes it stop; what is not given is as the settings say."""

    batch: Annotated[
        str | None,
        typer.Option("--batch", metavar="LIST", help="Batches of hosts, such as 1,10%,rest.", show_default=False),
    ] = None
    pause: Annotated[
        str | None,
        typer.Option(
            "--pause", metavar="first|every|never", help="After which batches a person is asked.", show_default=False
        ),
    ] = None
    pause_timeout: Annotated[
        int | None,
        typer.Option(
            "--pause-timeout", metavar="SECONDS", min=1, help="How long a pause may last (3600).", show_default=False
        ),
    ] = None
    max_errors: Annotated[
        str | None,
        typer.Option(
            "--max-errors",
            metavar="N|N%",
            help="Stop when more hosts than this have failed, of all hosts.",
            show_default=False,
        ),
    ] = None
    stop_match: Annotated[
        str | None,
        typer.Option(
            "--stop-match",
            metavar="REGEX",
            help="Begin on no more hosts once the output of one matches.",
            show_default=False,
        ),
    ] = None
    lock_wait: Annotated[
        float | None,
        typer.Option(
            "--lock-wait",
            metavar="SECONDS",
            min=0,
            help="Wait so long for other runs that change the same hosts (0).",
            show_default=False,
        ),
    ] = None
    no_lock: Annotated[
        bool, typer.Option("--no-lock", help="It only reads: do not mind other runs on the same hosts.")
    ] = False

    def plain(self) -> dict[str, Any]:
        """As part of a spec: only what was given."""
        return {"rate": self._given()}

    def _given(self) -> dict[str, Any]:
        given = {
            "batches": self.batch,
            "pause": self.pause,
            "pause_timeout": self.pause_timeout,
            "max_errors": self.max_errors,
            "stop_match": self.stop_match,
            "lock_wait": self.lock_wait,
        }
        found = {name: value for name, value in given.items() if value is not None}
        return found | ({"lock": False} if self.no_lock else {})


@dataclass(frozen=True, slots=True)
class Again(Pace):
    """The same, and how often a host is tried again; commands and scripts."""

    retries: Annotated[
        int | None,
        typer.Option("--retries", metavar="N", min=0, max=100, help="Try a failed host so often.", show_default=False),
    ] = None
    retry_delay: Annotated[
        float | None,
        typer.Option("--retry-delay", metavar="SECONDS", min=0, help="Wait before that (5).", show_default=False),
    ] = None

    def plain(self) -> dict[str, Any]:
        """As part of a spec."""
        more = {"retries": self.retries, "retry_delay": self.retry_delay}
        return {"rate": self._given() | {name: value for name, value in more.items() if value is not None}}
