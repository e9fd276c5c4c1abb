"""Values of NoEcho parameters, wherever a template has spread them, as asterisks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.ros.parameters import MASK, text
from opsctl.localcloud.ros.program import Program

SHORTEST = 4
"""Shorter values are no secrets, and masking them would make holes in everything else."""


class Veil:
    """Masks the secrets of one program in texts, and in texts inside of lists and maps."""

    def __init__(self, program: Program | None) -> None:
        specs = program.template.parameters if program else {}
        values = [text(program.values.get(name)) for name, spec in specs.items() if spec.no_echo] if program else []
        # The longest first: one secret may be a part of another.
        self._secrets = sorted({value for value in values if len(value) >= SHORTEST}, key=len, reverse=True)

    def text(self, shown: str) -> str:
        for secret in self._secrets:
            shown = shown.replace(secret, MASK)
        return shown

    def value(self, shown: Any) -> Any:
        if isinstance(shown, str):
            return self.text(shown)
        if isinstance(shown, dict):
            return {key: self.value(item) for key, item in shown.items()}
        return [self.value(item) for item in shown] if isinstance(shown, list) else shown

    def over(self, work: Callable[[], object]) -> None:
        """Do ``work``; what it refuses is said without the secrets."""
        try:
            work()
        except ApiError as error:
            raise ApiError(error.code, self.text(str(error)), error.status) from None
