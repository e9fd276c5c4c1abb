"""Reads one value from HashiCorp Vault or OpenBao: the key-value store, version 2 (or 1), over its HTTP API.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2. The server and the way in are taken from the same
variables as by Vault's own command line and by community.hashi_vault: VAULT_ADDR, VAULT_TOKEN (or ~/.vault-token) or
VAULT_ROLE_ID with VAULT_SECRET_ID, VAULT_NAMESPACE, VAULT_CACERT, VAULT_SKIP_VERIFY.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from opsctl.errors import StoreError, UsageError
from opsctl.secrets.reference import Reference

_TIMEOUT = 15
"""Seconds for one answer."""


def read(reference: Reference, name: str) -> str:
    """The value of MOUNT/PATH#KEY; MOUNT is the first part of the path. `data/` behind it may be left out.

    Raises:
        UsageError: there is no such secret, or no way in.
        StoreError: the server does not answer, or refuses.
    """
    path, _, key = reference.place.partition("#")
    mount, _, rest = path.strip("/").partition("/")
    address = os.environ.get("VAULT_ADDR", "").rstrip("/")
    if not address:
        raise UsageError(f"{name}: {reference}: set VAULT_ADDR, as for Vault's own commands")
    headers = _headers(address, name, reference)
    plain = rest.removeprefix("data/")
    found = _get(f"{address}/v1/{mount}/data/{plain}", headers, reference)
    data = (found or {}).get("data", {}).get("data")
    if found is None:
        # Version 1 has no data/ in its paths.
        found = _get(f"{address}/v1/{mount}/{plain}", headers, reference)
        data = (found or {}).get("data")
    if not isinstance(data, dict):
        raise UsageError(f"{name}: {reference}: Vault has no such secret, or it was deleted")
    if key not in data:
        raise UsageError(
            f"{name}: {reference}: the secret has no key {key}; it has {', '.join(sorted(data)) or 'none'}"
        )
    return str(data[key])


def _headers(address: str, name: str, reference: Reference) -> dict[str, str]:
    namespace = os.environ.get("VAULT_NAMESPACE")
    headers = {"X-Vault-Namespace": namespace} if namespace else {}
    token = os.environ.get("VAULT_TOKEN", "")
    role, secret = os.environ.get("VAULT_ROLE_ID"), os.environ.get("VAULT_SECRET_ID")
    if not token and role and secret:
        answer = _ask("POST", f"{address}/v1/auth/approle/login", headers, {"role_id": role, "secret_id": secret})
        token = str(((answer or {}).get("auth") or {}).get("client_token") or "")
    if not token:
        try:
            token = (Path.home() / ".vault-token").read_text().strip()
        except (OSError, RuntimeError, UnicodeDecodeError):
            token = ""
    if not token:
        raise UsageError(f"{name}: {reference}: no way in; set VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID")
    return {**headers, "X-Vault-Token": token}


def _get(url: str, headers: dict[str, str], reference: Reference) -> dict[str, Any] | None:
    return _ask("GET", url, headers, None, str(reference))


def _ask(
    method: str, url: str, headers: dict[str, str], body: dict[str, str] | None, what: str = "log in"
) -> dict[str, Any] | None:
    """The answer; None for one that says there is nothing."""
    import requests

    skip = os.environ.get("VAULT_SKIP_VERIFY", "").lower() in ("1", "true", "yes")
    verify: bool | str = False if skip else os.environ.get("VAULT_CACERT") or True
    try:
        answer = requests.request(method, url, headers=headers, json=body, timeout=_TIMEOUT, verify=verify)
        if answer.status_code == 404:
            return None
        if answer.status_code in (401, 403):
            raise UsageError(f"Cannot read {what}: Vault says {answer.status_code}: the token may not, or has expired")
        answer.raise_for_status()
        loaded = answer.json()
    except (requests.RequestException, OSError, ValueError) as error:
        why = type(error).__name__ if not isinstance(error, requests.HTTPError) else f"status {answer.status_code}"
        raise StoreError(f"Cannot read {what}: no answer from Vault at {os.environ['VAULT_ADDR']} ({why})") from None
    return loaded if isinstance(loaded, dict) else None
