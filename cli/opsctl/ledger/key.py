"""The key that signs checkpoints: Ed25519, made once, private part in one file of mode 0600.

A public key is written `ed25519:` and its 32 bytes in hex. PEM and OpenSSH's one-line form are read as well.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opsctl.errors import StoreError, UsageError
from opsctl.ledger.anchor import sync_directory

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PREFIX = "ed25519:"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What proves a signature."""

    key: Ed25519PublicKey

    def proves(self, claim: bytes, signature: str) -> bool:
        """Whether `signature` (hex, lower case) is this key's over `claim`."""
        from cryptography.exceptions import InvalidSignature

        try:
            raw = bytes.fromhex(signature)
            if raw.hex() != signature:
                return False
            self.key.verify(raw, claim)
        except (ValueError, InvalidSignature):
            return False
        return True

    def __str__(self) -> str:
        """One word, as it is printed and read."""
        return PREFIX + self.key.public_bytes_raw().hex()


@dataclass(frozen=True, slots=True)
class Signer:
    """The private key."""

    key: Ed25519PrivateKey

    def sign(self, claim: bytes) -> str:
        """A signature in hex."""
        return self.key.sign(claim).hex()

    @property
    def public(self) -> PublicKey:
        """The other half."""
        return PublicKey(self.key.public_key())


def load(path: Path) -> Signer | None:
    """The key in this file; None when there is no file.

    Raises:
        StoreError: it cannot be read, or is no Ed25519 key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"Cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise StoreError(f"Cannot use {path}: it is no private key; restore it from a backup") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise StoreError(f"Cannot use {path}: it is no Ed25519 key; restore it from a backup")
    return Signer(found)


def make(path: Path) -> Signer:
    """A new key in this file, whole or not at all. Call it with the ledger's lock held.

    Raises:
        OSError: it cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = Ed25519PrivateKey.generate()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_directory(path.parent)
    return Signer(made)


def read_public(text: str) -> PublicKey:
    """A public key as given on the command line: the key itself, or a file that holds one.

    Raises:
        UsageError: it is neither.
    """
    if not text.startswith((PREFIX, "ssh-ed25519 ")):
        try:
            text = Path(text).read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise UsageError(
                f"Cannot read public key {text}: neither a key ({PREFIX}...) nor a file that holds one"
            ) from error
    found = _parse(text.strip())
    if found is None:
        raise UsageError(f"Not an Ed25519 public key; `opsctl audit key` prints one: {PREFIX} and 64 hex digits")
    return found


def public(text: str) -> PublicKey | None:
    """The key of one word, as it is printed; None when it is none."""
    return _parse(text) if text.startswith(PREFIX) else None


def _parse(text: str) -> PublicKey | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

    found: object
    try:
        if text.startswith(PREFIX):
            found = Ed25519PublicKey.from_public_bytes(bytes.fromhex(text.removeprefix(PREFIX)))
        elif text.startswith("ssh-"):
            found = load_ssh_public_key(text.encode())
        else:
            found = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return PublicKey(found) if isinstance(found, Ed25519PublicKey) else None
