"""Searches runs in Elasticsearch, by the same queries and with the same answers as the embedded search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsctl.clock import stamp
from opsctl.events.ship.answer import Trouble
from opsctl.events.ship.setup import Cluster
from opsctl.search.find import Answer, Hit, excerpted
from opsctl.search.index import Window
from opsctl.search.query import Query, Term

_FIELDS = {
    "host": "host.name",
    "status": "opsctl.status",
    "user": "user.name",
    "kind": "opsctl.run.kind",
    "event": "opsctl.event",
    "run": "trace.id",
    "content": "opsctl.run.content",
}
_TASK = "opsctl.task.name.text"
_PAGE = 5000
"""Documents in one answer; a server gives no more than 10,000."""


class Remote:
    """The documents of one namespace."""

    def __init__(self, server: Cluster, namespace: str) -> None:
        """Nothing is asked yet."""
        self._server = server
        self._path = f"/logs-opsctl.run-{namespace},logs-opsctl.task-{namespace}/_search"

    def search(self, query: Query, window: Window, limit: int) -> Answer:
        """The newest events that match.

        Raises:
            Trouble: it does not answer, or refuses.
        """
        found: list[Mapping[str, Any]] = []
        asked = body(query, window)
        while len(found) <= limit:
            asked["size"] = min(_PAGE, limit + 1 - len(found))
            answer = self._server.call("POST", self._path, asked, ignore_unavailable="true")
            page = answer["hits"]["hits"]
            found += page
            if len(page) < asked["size"]:
                break
            asked["search_after"] = page[-1]["sort"]
        failed = int(answer.get("_shards", {}).get("failed", 0))
        if failed and not found:
            raise Trouble(f"Elasticsearch could not search: {failed} shards failed", 503)
        notes = [f"{failed} parts of the index could not be searched"] if failed else []
        hits = [_hit(each["_source"], query) for each in found[:limit]]
        return Answer(hits, len(found) > limit, notes)


def body(query: Query, window: Window) -> dict[str, Any]:
    """The query in Elasticsearch's words. Pure."""
    filters: list[dict[str, Any]] = [
        {"bool": {"should": [_clause(term) for term in group], "minimum_should_match": 1}} for group in query.groups
    ]
    span = {
        name: stamp(value / 1e6) for name, value in (("gte", window.since), ("lte", window.until)) if value is not None
    }
    if span:
        filters.append({"range": {"@timestamp": span}})
    return {
        "query": {"bool": {"filter": filters, "must_not": [_clause(term) for term in query.excluded]}},
        "sort": [{"@timestamp": "desc"}, {"event.sequence": "desc"}],
        "track_total_hits": False,
        "_source": ["@timestamp", "message", "event", "host.name", "trace.id", "user.name", "opsctl.*"],
    }


def _clause(term: Term) -> dict[str, Any]:
    if term.field in _FIELDS:
        field = _FIELDS[term.field]
        if "*" not in term.text:
            return {"term": {field: {"value": term.text}}}
        # A question mark is itself; only the star stands for anything.
        return {"wildcard": {field: {"value": term.text.replace("\\", "\\\\").replace("?", "\\?")}}}
    fields = [_TASK] if term.field == "task" else ["message", _TASK]
    return {
        "multi_match": {
            "query": term.text,
            "fields": fields,
            "type": "phrase_prefix" if term.begins else "phrase",
        }
    }


def _hit(source: Mapping[str, Any], query: Query) -> Hit:
    ours, event = source.get("opsctl", {}), source.get("event", {})
    excerpt, marks = excerpted(str(source.get("message", "")), query.words)
    return Hit(
        time=str(source.get("@timestamp", "")),
        run=str(source.get("trace", {}).get("id", "")),
        seq=int(event.get("sequence", 0)),
        event=str(ours.get("event", "")),
        host=str(source.get("host", {}).get("name", "")),
        task=str(ours.get("task", {}).get("name", "")),
        status=str(ours.get("status", "")),
        kind=str(ours.get("run", {}).get("kind", "")),
        content=str(ours.get("run", {}).get("content", "")),
        user=str(source.get("user", {}).get("name", "")),
        excerpt=excerpt,
        marks=marks,
    )
