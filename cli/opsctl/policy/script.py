"""Whether a script is one for a shell: only then its text can be judged."""

from __future__ import annotations

import re

_SHELL = re.compile(
    r"#![ \t]*(?:/usr(?:/local)?)?/bin/(?:env[ \t]+(?:-S[ \t]+)?)?(?:sh|bash|dash|ash|ksh)"
    r"(?:[ \t]+(?:-[a-z]+|pipefail))*[ \t]*\r?"
)


def shell_text(text: str) -> str | None:
    """The text, if a shell reads it: by its first line, or because it has none. None for other interpreters."""
    first = text.split("\n", 1)[0]
    return text if not first.startswith("#!") or _SHELL.fullmatch(first) else None
