"""Where in a JSON document something is: `labels.host`, `alerts[0].name`, `["a.b"].c`. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LONGEST = 200
"""Characters of one path."""
_STEP = re.compile(
    r"""(?:^|\.)(?P<name>[A-Za-z_@$][\w@$/-]*)   # a name, after a dot when it is not the first
      | \.?\[(?P<number>-?\d{1,6})\]             # a place in a list; negative = from its end
      | \.?\[(?P<quoted>"(?:[^"\\]|\\.)*")\]     # any other name, as a JSON text
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Path:
    """The steps from the outermost value to the one that is meant."""

    steps: tuple[str | int, ...]

    def get(self, document: Any) -> Any:
        """The value there; None when there is none."""
        found = document
        for step in self.steps:
            if isinstance(step, str) and isinstance(found, Mapping):
                found = found.get(step)
            elif isinstance(step, int) and isinstance(found, Sequence) and not isinstance(found, str | bytes):
                found = found[step] if -len(found) <= step < len(found) else None
            else:
                return None
        return found


def parse(text: str) -> Path:
    """A path as it is written.

    Raises:
        ValueError: it cannot be understood; the message shows where.
    """
    if not text or text.startswith(".") or len(text) > LONGEST:
        raise ValueError(f"want a path such as labels.host or alerts[0].name, of at most {LONGEST} characters")
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise ValueError(f"cannot understand {text[position:]} in the path {text}")
        if step["number"]:
            steps.append(int(step["number"]))
        else:
            steps.append(step["name"] or _unquoted(step["quoted"], text))
        position = step.end()
    return Path(tuple(steps))


def _unquoted(quoted: str, text: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise ValueError(f"cannot understand {quoted} in the path {text}") from None


def written(path: Path) -> str:
    """The inverse of `parse`."""
    text = ""
    for step in path.steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_@$][\w@$/-]*", step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step)}]"
    return text
