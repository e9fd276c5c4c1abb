"""Identifiers in the shapes the real services use (facts: ``vpc-…``, ``i-…``, UUIDs of both cases)."""

from __future__ import annotations

import hashlib
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


def mac(instance_id: str) -> str:
    """The address of an instance's network interface, always the same for one id."""
    tail = hashlib.sha256(instance_id.encode()).digest()[:3]
    return ":".join(["00", "16", "3e", *(f"{byte:02x}" for byte in tail)])


def interface_id(instance_id: str) -> str:
    return f"eni-{instance_id.partition('-')[2]}"
