# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known host keys, as OpenSSH keeps them: read, compared, appended."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.connection import Connection
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.library import asyncssh


class KeyRefused(Exception):
    """The host's key is not the one that is known, or none is known and none may be learned."""


class KnownHosts:
    """The files of one run, each read once; keys learned in the run count at once."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._files: dict[str, Any] = {}
        self._found: dict[tuple[tuple[str, ...], str], list[Any]] = {}

    def known(self, to: Connection) -> list[Any]:
        """The keys known of a host.

        Raises:
            KeyRefused: a file cannot be read.
        """
        host, port = (to.alias, None) if to.alias else (to.address, to.port if to.port != 22 else None)
        place = (to.known_hosts, title(to))
        if place not in self._found:
            self._found[place] = [key for name in to.known_hosts for key in self._read(name).match(host, "", port)[0]]
        return self._found[place]

    def judge(self, to: Connection, key: Any) -> str:
        """Why this key is refused; empty when it is trusted. A new one is written down where that is allowed."""
        known = self.known(to)
        if key in known or to.checking == "no":
            return ""
        place = to.known_hosts[0]
        if known:
            return (
                f"host key of {title(to)} has changed ({key.get_fingerprint()}): somebody may be listening; "
                f"if the host was made anew, remove its line from {place}"
            )
        if to.checking != "accept-new":
            return f"host key of {title(to)} is not known ({key.get_fingerprint()}); add it to {place}"
        self._append(place, f"{title(to)} {key.export_public_key().decode().strip()}\n")
        known.append(key)
        return ""

    def _read(self, name: str) -> Any:
        if name not in self._files:
            path = Path(name).expanduser()
            try:
                text = path.read_text(encoding="utf-8") if path.exists() else ""
                self._files[name] = asyncssh.import_known_hosts(text)
            except (OSError, ValueError) as error:
                raise KeyRefused(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
        return self._files[name]

    @staticmethod
    def _append(name: str, line: str) -> None:
        path = Path(name).expanduser()
        if str(path) == os.devnull:
            return
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                # Somebody's editor may have left the last line without its end.
                size = file.seek(0, os.SEEK_END)
                if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
                    line = f"\n{line}"
                file.write(line.encode())
        except OSError as error:
            raise KeyRefused(f"cannot write {path}: {error.strerror}") from error


def title(to: Connection) -> str:
    """The name a host's key goes by: with an alias the port does not count (sshconnect.c, get_hostfile_hostname)."""
    if to.alias:
        return to.alias
    return to.address if to.port == 22 else f"[{to.address}]:{to.port}"
