"""Regular expressions written by strangers: whole match, within a fixed time.

The standard library cannot be stopped inside a match that backtracks for ever; ``regex`` reads the same language and
takes a timeout.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import regex

_SECONDS = 1.0
_MAX_PATTERN = 32_768  # official templates list hundreds of reserved words


class PatternError(Exception):
    """Why a pattern could not be used. Never holds the text it was matched against."""


def matches(pattern: str, text: str) -> bool:
    """Whether the whole ``text`` matches. Raises :class:`PatternError`."""
    try:
        return _compiled(pattern).fullmatch(text, timeout=_SECONDS) is not None
    except TimeoutError:
        raise PatternError("the pattern takes too long on this value; write it without nested repetitions") from None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> regex.Pattern[str]:
    if len(pattern) > _MAX_PATTERN:
        raise PatternError(f"the pattern has {len(pattern)} characters, allowed are {_MAX_PATTERN}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of set syntax that a later version of regex may read differently
            return regex.compile(pattern, regex.VERSION0)
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise PatternError(f"the pattern is no regular expression: {error}") from None
