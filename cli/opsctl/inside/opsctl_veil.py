"""Tells opsctl what Ansible Vault has decrypted and what lookups have fetched from stores of secrets, to be masked."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import lookup_loader
from ansible_collections.opsctl.cloud.plugins.plugin_utils import veil

VARIABLE = "OPSCTL_VEIL"
_STORES = (
    *("hashi_vault", "vault_", "passwordstore", "onepassword", "bitwarden", "keyring", "cyberark", "conjur", "dsv"),
    *("tss", "revbitspss", "lastpass", "secretsmanager", "aws_secret", "azure_keyvault", "gcp_secret", "password"),
)
"""Names of lookups, or parts of them."""
_SHORTEST = 4


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Works by being loaded: before the first variable is read."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "opsctl_veil"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Listen from here on."""
        super().__init__(*arguments, **options)
        if path := os.environ.get(VARIABLE):
            # Open in all forks; each writes a line at once.
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            veil.watch(self._tell)
            self._watch_lookups()

    def _tell(self, found: set[str]) -> None:
        os.write(self._file, json.dumps(sorted(found)).encode("ascii") + b"\n")

    def _watch_lookups(self) -> None:
        get = lookup_loader.get

        @functools.wraps(get)
        def watched(name: str, *arguments: Any, **options: Any) -> Any:
            plugin = get(name, *arguments, **options)
            short = str(name).rpartition(".")[2]
            if plugin is not None and hasattr(plugin, "run") and any(store in short for store in _STORES):
                plugin.run = self._listening(plugin.run)
            return plugin

        lookup_loader.get = watched

    def _listening(self, run: Any) -> Any:
        @functools.wraps(run)
        def told(*arguments: Any, **options: Any) -> Any:
            result = run(*arguments, **options)
            if found := {text for text in _texts(result) if len(text) >= _SHORTEST}:
                self._tell(found)
            return result

        return told


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield str(value)
