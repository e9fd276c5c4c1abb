"""Identifiers in the shapes the real services use (facts: ``vpc-…``, ``i-…``, UUIDs of both cases)."""

from __future__ import annotations

import secrets
import string
import uuid

_ALPHABET = string.ascii_lowercase + string.digits


def new_id(prefix: str, length: int = 20) -> str:
    """``new_id("vpc")`` -> ``vpc-`` and 20 characters of [a-z0-9]."""
    return f"{prefix}-" + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def new_hex(prefix: str) -> str:
    """``t-…`` and ``c-…`` of Cloud Assistant: hexadecimal."""
    return f"{prefix}-{secrets.token_hex(10)}"


def new_stack_id() -> str:
    return str(uuid.uuid4())


def new_request_id() -> str:
    return str(uuid.uuid4()).upper()
