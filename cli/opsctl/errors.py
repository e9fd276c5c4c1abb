"""The errors opsctl raises on purpose: one tree, each with its exit code.

    OpsctlError            1  something opsctl needs failed
      UsageError           2  what was typed cannot be done
        ConfigError        2  what config.toml or OPSCTL_* says cannot be used
      HostsFailed          3  a task failed on some host
      HostsUnreachable     4  some host could not be reached, none failed
      RunTimedOut          5  the run took longer than it may
      Denied               6  policy says no
      Waiting              7  policy wants an approval first
      Canceled           130  ^C, SIGTERM or SIGHUP
      StoreError           1  the database, journal or ledger cannot be read or written
        DiskFull           1  no space left
      ContentError         1  a playbook, role or template cannot be read
      CloudError           1  the cloud profile cannot be used

A message is one line: what failed, on what, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class OpsctlError(Exception):
    """Base of all errors of opsctl; `str(error)` is the line the user sees."""

    exit_code: ClassVar[int] = 1


class UsageError(OpsctlError):
    """What was typed cannot be done."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting cannot be used; the message names its key."""


class HostsFailed(OpsctlError):
    """At least one task failed on at least one host."""

    exit_code = 3


class HostsUnreachable(OpsctlError):
    """At least one host could not be reached and none failed."""

    exit_code = 4


class RunTimedOut(OpsctlError):
    """The run was stopped because its time was up."""

    exit_code = 5


class Denied(OpsctlError):
    """Policy refuses the request."""

    exit_code = 6


class Waiting(OpsctlError):
    """The request waits for an approval."""

    exit_code = 7


class Canceled(OpsctlError):
    """The user stopped it."""

    exit_code = 130


class StoreError(OpsctlError):
    """State under OPSCTL_HOME cannot be read or written."""


class DiskFull(StoreError):
    """No space left where state is kept."""


class ContentError(OpsctlError):
    """A playbook, a role or a template is missing or cannot be read."""


class CloudError(OpsctlError):
    """A cloud profile cannot be used."""


def suggest(name: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""
