# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, as one tree: every message is one line that says what failed, on what, and what to do.

Error
|- Invalid        the caller asked for something that cannot be done
|- Missing        a Python library is not installed
|- CloudError     the service refused or did not answer
|  `- Unreachable no usable answer arrived
|- Failed         an operation was accepted and ended badly
`- Timeout        it did not end in time
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Error(Exception):
    """Base of all: ``str(error)`` is the message, ``details`` are extra keys for the module's result."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(" ".join(message.split()))
        self.details: Mapping[str, Any] = details

    def during(self, what: str) -> Error:
        """The same error, which now says first what it stopped."""
        self.args = (f"{what}: {self}",)
        return self


class Invalid(Error):
    """The options, the template or the state of the stack do not allow what was asked for."""


class Missing(Error):
    """A Python library is not installed; ``library`` is its package name."""

    def __init__(self, library: str, trace: str = "") -> None:
        super().__init__(f"The Python package {library} is not installed")
        self.library = library
        self.trace = trace


class CloudError(Error):
    """The service refused a call: ``code`` and ``status`` as on the wire.

    ``repeated``: an earlier try of the same call may have been carried out, though its answer never came.
    """

    repeated = False

    words = "{action} refused with {code}: {text}"

    def __init__(self, action: str, code: str, text: str, status: int = 0, request_id: str = "") -> None:
        tail = f" (request {request_id})" if request_id else ""
        said = self.words.format(action=action, code=code, text=text)
        super().__init__(said + tail, code=code, request_id=request_id)
        self.code = code
        self.text = text
        self.status = status


class Unreachable(CloudError):
    """No usable answer arrived: nothing listens, the name is unknown, time ran out, or the answer is not JSON."""

    words = "No answer to {action} from {text}"

    def __init__(self, action: str, endpoint: str, reason: str) -> None:
        super().__init__(action, "NoAnswer", f"{endpoint}: {reason}")


class Failed(Error):
    """A stack operation ended in a failed state."""


class Timeout(Error):
    """Something did not reach the wanted state in time."""
