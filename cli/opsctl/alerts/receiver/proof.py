"""Whether a message is from who it should be from, and comes for the first time."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Mapping

WINDOW = 300
"""Seconds that a signature is good for, before and after the time it was made."""
_MOST = 1_000_000
"""Signatures that are remembered; at 200 a second a window has 120,000."""
_DIGITS = 12


class Refusal(Exception):
    """A message that is not taken: what the sender is told."""

    def __init__(self, status: int, text: str, retry_after: int = 0) -> None:
        """`status`: of HTTP; `retry_after`: seconds, where trying again will help."""
        super().__init__(text)
        self.status, self.retry_after = status, retry_after


def bearer(headers: Mapping[str, str], secret: str) -> None:
    """Check that the Authorization header has the secret.

    Raises:
        Refusal: it has not.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise Refusal(401, "the Authorization header must be: Bearer SECRET")
    if not hmac.compare_digest(given.strip().encode("utf-8", "replace"), secret.encode()):
        raise Refusal(403, "the secret is wrong")


def signed(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> str:
    """What to remember of a message whose signature is right and of these minutes.

    Raises:
        Refusal: it is not.
    """
    stamp, signature = headers.get("x-opsctl-timestamp", ""), headers.get("x-opsctl-signature", "")
    if not stamp or not signature:
        raise Refusal(401, "the message is not signed: X-Opsctl-Timestamp and X-Opsctl-Signature are needed")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= _DIGITS):
        raise Refusal(401, "X-Opsctl-Timestamp must be seconds since 1970")
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(f"sha256={mac}".encode(), signature.strip().lower().encode("utf-8", "replace")):
        raise Refusal(403, "the signature is wrong: another secret, or the message was changed")
    if abs(late := now - int(stamp)) > WINDOW:
        which = "ago" if late > 0 else "ahead"
        raise Refusal(403, f"the message was signed {abs(late):.0f} s {which}; are both clocks right?")
    return mac


class Memory:
    """Signatures that were taken, so that nobody can send the same message again."""

    def __init__(self, known: Mapping[str, int]) -> None:
        """`known`: signatures, and until when (seconds since the epoch) each must be remembered."""
        self._until = dict(known)
        self._lock = threading.Lock()
        self._swept = 0.0

    def take(self, mac: str, now: float) -> int:
        """Remember it; until when.

        Raises:
            Refusal: it was taken before, or there are too many to remember.
        """
        until = int(now) + 2 * WINDOW + 1
        with self._lock:
            if now - self._swept > WINDOW / 10:
                self._until = {known: end for known, end in self._until.items() if end >= now}
                self._swept = now
            if mac in self._until:
                raise Refusal(403, "this very message came before; sign it again to send it again")
            if len(self._until) >= _MOST:
                raise Refusal(503, "too many messages in a short time", retry_after=WINDOW)
            self._until[mac] = until
        return until

    def forget(self, mac: str) -> None:
        """It was not taken after all."""
        with self._lock:
            self._until.pop(mac, None)
