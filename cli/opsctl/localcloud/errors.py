"""What the local cloud answers when it refuses a call: the real service's codes, statuses and words.

The gateway turns an :class:`ApiError` into ``{"RequestId", "HostId", "Code", "Message", "Recommend"}``.
"""

from __future__ import annotations

import traceback


class ApiError(Exception):
    """A refused call: ``code`` and ``status`` as on the wire, ``str(error)`` is the Message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def missing_parameter(name: str) -> ApiError:
    return ApiError("MissingParameter", f"The input parameter {name} should be specified.")


def invalid_parameter(name: str, reason: str = "") -> ApiError:
    tail = f", {reason}" if reason else ""
    return ApiError("InvalidParameter", f"The specified parameter {name} is invalid{tail}.")


def places(error: BaseException) -> str:
    """An unexpected error for the log: types and places only, as its message may quote a secret."""
    lines: list[str] = []
    chain: BaseException | None = error
    while chain is not None:
        lines += [*traceback.format_tb(chain.__traceback__), f"{type(chain).__name__}\n"]
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    return "".join(lines)
