"""Opens what Ansible Vault has encrypted: the only file that imports Ansible's vault.

Passwords come from where Ansible takes them: ANSIBLE_VAULT_PASSWORD_FILE and ANSIBLE_VAULT_IDENTITY_LIST, files or
programs that print one; `password` sets the first of these for this process and all it starts.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opsctl.errors import UsageError
from opsctl.secrets.reference import encrypted

FILE = "ANSIBLE_VAULT_PASSWORD_FILE"
VARIABLE = "OPSCTL_VAULT_PASSWORD"
_LIST = "ANSIBLE_VAULT_IDENTITY_LIST"
_SHORTEST = 8
"""Characters of a value that counts as a secret though its name does not say so."""
_NAMES = re.compile(r"pass(?:word|wd|phrase)?$|secret|token|key$|credential|auth$|pin$", re.IGNORECASE)


def password(file: str = "", *, ask: bool = False) -> None:
    """Say where the password is: a file, the user, or OPSCTL_VAULT_PASSWORD. What was typed lives in memory only.

    Raises:
        UsageError: there is no such file, or no terminal to ask at.
    """
    if file:
        path = Path(file).expanduser().absolute()
        if not path.is_file():
            raise UsageError(f"--vault-password-file {file}: there is no such file")
        os.environ[FILE] = str(path)
        return
    given = os.environ.pop(VARIABLE, "")
    if ask:
        if not sys.stdin.isatty():
            raise UsageError(f"There is no terminal to ask for the vault password; set {VARIABLE} or {FILE}")
        given = getpass.getpass("Vault password: ")
    if given:
        # Those that we start read it there while we live. Not executable: Ansible would run it.
        held = os.memfd_create("vault")
        os.fchmod(held, 0o400)
        os.write(held, given.encode("utf-8", "surrogateescape"))
        os.environ[FILE] = f"/proc/{os.getpid()}/fd/{held}"


def unlocked(text: str, what: str) -> str:
    """What was encrypted.

    Raises:
        UsageError: there is no password, or it is another.
    """
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib

    if not encrypted(text.lstrip()):
        raise UsageError(f"{what}: not encrypted by Ansible Vault")
    try:
        opened: bytes = VaultLib(list(_passwords())).decrypt(text.strip().encode("ascii", "replace") + b"\n")
    except AnsibleError:
        raise UsageError(
            f"{what}: cannot be decrypted: give the right password by --vault-password-file, --ask-vault-pass or {FILE}"
        ) from None
    return opened.decode("utf-8", "surrogateescape")


def leaves(value: Any, *, named: bool = False) -> set[str]:
    """What of an encrypted file's variables must be masked: what is named like a secret, and what is long.

    A file has innocent values too, such as the name of a user or a port; masked everywhere, they would spoil the log.
    """
    if isinstance(value, dict):
        secret = {name: named or bool(_NAMES.search(str(name))) for name in value}
        return {text for name, item in value.items() for text in leaves(item, named=secret[name])}
    if isinstance(value, list | tuple):
        return {text for item in value for text in leaves(item, named=named)}
    if value is None or isinstance(value, bool):
        return set()
    return {str(value)} if named or (isinstance(value, str) and len(value) >= _SHORTEST) else set()


def _passwords() -> Iterator[tuple[str, Any]]:
    from ansible.errors import AnsibleError
    from ansible.parsing.dataloader import DataLoader
    from ansible.parsing.vault import get_file_vault_secret

    places = [("default", os.environ.get(FILE, ""))]
    for entry in filter(None, os.environ.get(_LIST, "").split(",")):
        label, at, place = entry.strip().rpartition("@")
        places.append((label if at else "default", place))
    for label, place in places:
        if place:
            try:
                secret = get_file_vault_secret(filename=place, vault_id=label, loader=DataLoader())
                secret.load()
            except AnsibleError as error:
                raise UsageError(f"Cannot read the vault password from {place}: {type(error).__name__}") from None
            yield label, secret
