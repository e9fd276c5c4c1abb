"""The way to Zabbix. The collection has it, for playbooks too; of the command line only this package takes it there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Error
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Access, Zabbix
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import (
    Auth,
    Duplicate,
    NotFound,
    Refused,
    Unavailable,
    Unsupported,
    ZabbixError,
)

from opsctl.errors import OpsctlError
from opsctl.monitor.config import Zabbix as Options

__all__ = [
    "Access",
    "Auth",
    "Duplicate",
    "Error",
    "NotFound",
    "Refused",
    "Unavailable",
    "Unsupported",
    "Zabbix",
    "ZabbixError",
    "access",
    "gateway",
    "said",
    "told",
]


def access(options: Options, home: Path) -> Access:
    """Where Zabbix is and who we are there, as the settings say.

    Raises:
        ConfigError: there is no URL or no credential.
        OpsctlError: they cannot be used.
    """
    user, password = options.user or "", options.password
    token = options.token(home)
    with told():
        return Access(
            options.place,
            token=token,
            user=user,
            password=password,
            ca_file=str(options.ca_file or ""),
            verify=options.verify,
            timeout=options.timeout,
        )


def gateway(options: Options, home: Path) -> Zabbix:
    """The client, which connects when it is first used. Its errors are `ZabbixError`s, one line without secrets each.

    Raises:
        OpsctlError: the settings do not suffice.
    """
    with told():
        return Zabbix(access(options, home))


@contextmanager
def told(*, ours: bool = True) -> Iterator[None]:
    """What Zabbix says no to becomes an error of opsctl. `ours`: with the token that setup makes."""
    try:
        yield
    except Error as error:
        raise OpsctlError(said(error, ours=ours)) from None


def said(error: Error, *, ours: bool = True) -> str:
    """The line for people: with what to do, where that is known."""
    if ours and isinstance(error, Auth):
        return f"{error} `opsctl monitor setup` makes a new token."
    return str(error)
