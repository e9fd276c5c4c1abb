# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices what Ansible Vault decrypts in this process and its forks, so that it can be kept out of records."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

_LARGEST = 256 * 1024
"""Characters of a plaintext that is looked at; larger ones are files that are copied, not variables."""

_SHORTEST = 8
"""Characters of a value of an encrypted file that counts as a secret though its name does not say so."""

_NAMES = re.compile(r"pass(?:word|wd|phrase)?$|secret|token|key$|credential|auth$|pin$", re.IGNORECASE)


class _Loader(yaml.SafeLoader):
    """Reads variables whatever tags they have."""


_Loader.add_multi_constructor("!", lambda loader, _suffix, node: _plain(loader, node))


def _plain(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


def values(plaintext: str) -> set[str]:
    """The secrets in what was decrypted: a value is one, a file of variables has those that are long or so named."""
    if len(plaintext) > _LARGEST:
        return set()
    try:
        loaded = yaml.load(plaintext, Loader=_Loader)  # noqa: S506 - a safe loader with its tags ignored
    except (yaml.YAMLError, ValueError):
        loaded = None
    if isinstance(loaded, dict | list):
        return set(_leaves(loaded, named=False))
    return {plaintext, plaintext.strip()} - {""}


def _leaves(value: Any, *, named: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, named=named or bool(_NAMES.search(str(name))))
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, named=named)
    elif value is not None and not isinstance(value, bool):
        text = str(value).strip()
        if text and (named or (isinstance(value, str) and len(text) >= _SHORTEST)):
            yield text


class Shared:
    """A list of texts that this process and its forks add to and this process reads; never on a disk."""

    def __init__(self) -> None:
        """Empty."""
        self._file = os.memfd_create("veil")
        self._read = 0
        self._rest = b""

    def add(self, found: set[str]) -> None:
        """Add texts; from any fork. One write, so that two never mix: the offset is common to all forks."""
        os.write(self._file, json.dumps(sorted(found)).encode("ascii") + b"\n")

    def take(self) -> set[str]:
        """Those that were added since the last call."""
        found: set[str] = set()
        while data := os.pread(self._file, 1 << 20, self._read):
            self._read += len(data)
            self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            found.update(json.loads(line))
        return found


def watch(tell: Callable[[set[str]], None]) -> None:
    """Call `tell` with the secrets of whatever is decrypted from now on, before anything can use them."""
    from ansible.parsing.vault import VaultLib

    decrypt = VaultLib.decrypt_and_get_vault_id

    @functools.wraps(decrypt)
    def noticed(self: Any, vaulttext: Any) -> Any:
        result = decrypt(self, vaulttext)
        try:
            found = values(result[0].decode("utf-8", "surrogateescape"))
            if found:
                tell(found)
        except Exception:  # noqa: S110 - a record must not fail what it records
            pass
        return result

    VaultLib.decrypt_and_get_vault_id = noticed
