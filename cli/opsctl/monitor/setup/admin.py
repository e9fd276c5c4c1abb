"""Who sets Zabbix up: somebody who may change everything there, for as long as it takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from opsctl.errors import UsageError
from opsctl.monitor.config import Zabbix as Options
from opsctl.monitor.config import read_secret
from opsctl.monitor.zabbix import Access, access

Ask = Callable[[str], str]
"""Asks a person for a password; raises where there is none to be asked."""


@dataclass(frozen=True)
class Said:
    """What the command line says of who does it."""

    user: str = ""
    password_file: Path | None = None
    token_file: Path | None = None


def administrator(options: Options, home: Path, said: Said, ask: Ask) -> Access:
    """The way to Zabbix of who sets it up.

    What was said goes before the environment's ZABBIX_TOKEN or ZABBIX_USER with ZABBIX_PASSWORD; last come the
    settings, for a Zabbix where opsctl's own user is the administrator.

    Raises:
        OpsctlError: there are no credentials, or they cannot be read.
    """
    if said.token_file and (said.user or said.password_file):
        raise UsageError("Give --admin-token-file, or --admin-user with --admin-password-file, not both")
    if said.password_file and not said.user:
        raise UsageError("--admin-password-file needs --admin-user")
    bare = options.model_copy(update={"token_env": None, "token_file": None, "user": None})
    if said.token_file:
        return access(bare.model_copy(update={"token_file": said.token_file}), home)
    if said.user:
        return _named(bare, said.user, _password(said.password_file, said.user, ask))
    if found := os.environ.get("ZABBIX_TOKEN", "").strip():
        return _with(bare, token=found)
    if name := os.environ.get("ZABBIX_USER", "").strip():
        return _named(bare, name, _password(None, name, ask))
    return access(options, home)


def _password(path: Path | None, user: str, ask: Ask) -> str:
    if path:
        return read_secret("password", path)
    return os.environ.get("ZABBIX_PASSWORD", "") or ask(user)


def _named(options: Options, user: str, password: str) -> Access:
    return _with(options, user=user, password=password)


def _with(options: Options, *, token: str = "", user: str = "", password: str = "") -> Access:
    base = Access(options.place, ca_file=str(options.ca_file or ""), verify=options.verify, timeout=options.timeout)
    return replace(base, token=token, user=user, password=password)
