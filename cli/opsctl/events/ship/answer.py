"""What Elasticsearch can answer, and what that means for what was sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from opsctl.errors import OpsctlError

Meaning = Literal["taken", "there", "later", "closed", "split", "bad"]
"""Taken now; there already; try again later; closed to us until somebody acts; too much at once; never."""


class Trouble(OpsctlError):
    """A request that was not served. `status` is 0 when there was no answer at all."""

    def __init__(self, text: str, status: int = 0, kind: str = "") -> None:
        """`kind`: the server's word for it, e.g. `index_template_missing_exception`."""
        super().__init__(text)
        self.status = status
        self.kind = kind

    @property
    def meaning(self) -> Meaning:
        """What to do."""
        return meaning(self.status)


@dataclass(frozen=True, slots=True)
class Item:
    """The answer to one document."""

    status: int
    kind: str = ""
    reason: str = ""

    @property
    def meaning(self) -> Meaning:
        """What to do with it."""
        # No request can be split further than into one document.
        return "bad" if self.status == 413 else meaning(self.status)


def meaning(status: int) -> Meaning:
    """Of a status of HTTP, of a whole request as of one document in it."""
    if 200 <= status < 300:
        return "taken"
    if status == 409:
        return "there"
    if status == 413:
        return "split"
    if status in (401, 403, 404, 405, 406):
        return "closed"
    if status in (0, 408, 425, 429) or status >= 500:
        return "later"
    return "bad"


def items(body: Mapping[str, Any], count: int) -> list[Item]:
    """The answers to a request of `count` documents.

    Raises:
        Trouble: it is not the answer to such a request.
    """
    if body.get("errors") is False:
        return [Item(201)] * count
    found = [_item(next(iter(entry.values()))) for entry in body.get("items", ())]
    if len(found) != count:
        raise Trouble(f"Elasticsearch answered for {len(found)} documents of {count}; is this its address?", 502)
    return found


def _item(entry: Mapping[str, Any]) -> Item:
    error = entry.get("error")
    if not error:
        return Item(int(entry["status"]))
    return Item(int(entry["status"]), *said(error))


def said(error: Any) -> tuple[str, str]:
    """The kind and the reason of an error of Elasticsearch's, with its cause; one line."""
    if not isinstance(error, Mapping):
        return "", " ".join(str(error).split())[:500]
    kind, reason = str(error.get("type", "")), str(error.get("reason", ""))
    cause = error.get("caused_by")
    if isinstance(cause, Mapping) and cause.get("reason"):
        reason = f"{reason}: {cause['reason']}"
    return kind, " ".join(reason.split())[:1000]
