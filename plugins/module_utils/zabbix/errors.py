# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with Zabbix, as one tree; every message is one line and never holds a token.

ZabbixError
|- Auth         nobody is logged in: wrong, expired or disabled token, wrong password
|- NotFound     it does not exist, or the user may not see or do it: Zabbix answers both with the same words
|- Duplicate    something of that name exists
|- Unavailable  no usable answer arrived; the same call may succeed later
|- Unsupported  this version of Zabbix has no such thing
`- Refused      everything else that the service says no to
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Error


class ZabbixError(Error):
    """Base of all. ``retryable``: the same call may succeed in a while."""

    retryable = False


class Auth(ZabbixError):
    """The token, or the user with the password, opens nothing (or nothing any more)."""


class NotFound(ZabbixError):
    """It does not exist, or the user has no permission for it."""


class Duplicate(ZabbixError):
    """Something of that name exists already."""


class Unavailable(ZabbixError):
    """No usable answer arrived. ``unsent``: it is known that the service carried out nothing."""

    retryable = True

    def __init__(self, message: str, unsent: bool = False) -> None:
        super().__init__(message)
        self.unsent = unsent


class Unsupported(ZabbixError):
    """This version of Zabbix cannot do it."""


class Refused(ZabbixError):
    """Zabbix refuses it, and says why."""


_DATABASE = (  # said with HTTP 200 before anything is done, while the database stops, is away, or is made newer
    "error connecting to database",
    "unable to determine current zabbix database version",
    "database version does not match",
)
_BROKEN = ("sql statement execution has failed", "sql error", "database error code")  # said in the middle of it
_KINDS: dict[type[ZabbixError], tuple[str, ...]] = {
    Auth: (
        "not authori",
        "re-login",
        "session terminated",
        "api token expired",
        "incorrect user name or password",
        "temporarily blocked",
    ),
    Duplicate: ("already exists",),
    NotFound: ("no permissions to", "you do not have permission", "does not exist"),
}
_METHOD_UNKNOWN = -32601


def of_answer(what: str, error: Mapping[str, Any], secrets: Iterable[str] = ()) -> ZabbixError:
    """The ``error`` object of a JSON-RPC answer to ``what``, without ``secrets``.

    Some lack ``data``, and codes say little: words decide.
    """
    message, data = str(error.get("message") or ""), str(error.get("data") or "")
    text = _hushed(data or message or "no reason given", secrets)
    low = f"{message} {data}".lower()
    if any(words in low for words in _DATABASE):
        return Unavailable(f"Zabbix cannot reach its database ({what})", unsent=True)
    if any(words in low for words in _BROKEN):
        return Unavailable(f"The database of Zabbix failed ({what})")
    if error.get("code") == _METHOD_UNKNOWN:
        return Unsupported(f"This Zabbix has no {what}: {text}")
    kind = next((kind for kind, words in _KINDS.items() if any(one in low for one in words)), Refused)
    return kind(f"Zabbix does not let us in ({what}): {text}" if kind is Auth else f"Zabbix refused {what}: {text}")


def _hushed(text: str, secrets: Iterable[str]) -> str:
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "********")
    return text
