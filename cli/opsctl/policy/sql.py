"""Statements for databases, by their first words once strings and comments are out of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opsctl.policy.finding import Category, Level

_NOISE = re.compile(r"'(?:[^'\\]|\\.|'')*'|--[^\n]*|/\*(?!!).*?\*/", re.DOTALL)
_TABLE: tuple[tuple[str, Level, str], ...] = (
    (r"drop\s+(?:database|schema|tablespace)", "critical", "drops a database"),
    (r"(?:drop|truncate)\b", "high", "drops or empties what is in a database"),
    (r"(?:delete|update)\b(?!.*\bwhere\b)", "high", "changes every row of a table"),
    (
        r"(?:delete|update|alter|replace|rename|reindex|vacuum\s+full|set\s+global)\b",
        "medium",
        "changes data or tables",
    ),
    (r"(?:grant|revoke|create\s+(?:user|role)|set\s+password)\b", "high", "changes who may do what in a database"),
    (r"(?:shutdown|reset\s+(?:master|slave)|purge)\b", "high", "stops a database or its replication"),
    (r"(?:\\!|system\b|copy\b.*\bprogram\b)", "high", "runs a program from a database"),
)


def sql_risk(text: str) -> Iterator[tuple[Level, Category, str]]:
    """What these statements do."""
    for statement in _NOISE.sub("''", text[:100_000]).split(";"):
        plain = " ".join(statement.lower().split())
        for pattern, level, reason in _TABLE:
            if re.match(pattern, plain):
                yield level, "database", reason
                break
