"""Prepares a cluster: lifecycle, component template, index templates. Doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from opsctl.errors import OpsctlError
from opsctl.events.ship.answer import Trouble
from opsctl.events.ship.options import Elasticsearch
from opsctl.events.ship.template import DATASETS, VERSION, Lifecycle, component, index, policy

_ABSENT = (400, 404, 405, 410)
"""What a server answers about something it has not got: which one depends on the distribution."""


class Cluster(Protocol):
    """The server, as far as setting up goes."""

    def call(self, method: str, path: str, body: Any = None, **params: str) -> Mapping[str, Any]:
        """One request. Raises Trouble."""


@dataclass(slots=True)
class Prepared:
    """What was found and what was done."""

    lifecycle: Lifecycle
    why: str
    """Why this lifecycle."""
    changed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"lifecycle": self.lifecycle, "why": self.why, "changed": self.changed, "unchanged": self.same}


def prepare(server: Cluster, options: Elasticsearch) -> Prepared:
    """Put what is missing or older than ours.

    Raises:
        Trouble: the server cannot be reached, or refuses.
        OpsctlError: a newer opsctl has prepared it.
    """
    lifecycle, why = detect(server) if options.lifecycle == "auto" else (options.lifecycle, "set so")
    done = Prepared(lifecycle, why)
    if lifecycle == "ilm":
        for dataset in DATASETS:
            _put_policy(server, f"opsctl-{dataset}", policy(dataset, options), done)
    fresh = _put(server, "_component_template", "opsctl", component(), done)
    for dataset in DATASETS:
        name = f"logs-opsctl.{dataset}"
        if _put(server, "_index_template", name, index(dataset, options, lifecycle), done) or fresh:
            _roll(server, f"{name}-{options.namespace}", done)
    return done


def detect(server: Cluster) -> tuple[Lifecycle, str]:
    """What the server can delete old documents with.

    Raises:
        Trouble: it cannot be reached, or does not let us ask.
    """
    if _has(server, "/_ilm/status"):
        return "ilm", "the server has index lifecycle management"
    if _has(server, "/_data_stream/*/_lifecycle"):
        return "dsl", "the server has no ILM, its data streams have a lifecycle of their own"
    return "none", "the server has neither ILM nor a lifecycle of data streams: nothing deletes old documents"


def ready(server: Cluster) -> bool:
    """Whether it is prepared, by this version or another.

    Raises:
        Trouble: it cannot be reached, or does not let us ask.
    """
    return all(_found(server, f"/_index_template/logs-opsctl.{dataset}") is not None for dataset in DATASETS)


def _put(server: Cluster, kind: str, name: str, body: Mapping[str, Any], done: Prepared) -> bool:
    there = _found(server, f"/{kind}/{name}")
    if there is not None:
        entry = next(iter(there.get(f"{kind[1:]}s") or [{}]))
        meta = (entry.get(kind[1:]) or {}).get("_meta") or {}
        if int(meta.get("version") or 0) > VERSION:
            raise OpsctlError(f"Cannot set up {name}: a newer opsctl did (version {meta['version']}); update this one")
        if meta.get("digest") == body["_meta"]["digest"]:
            done.same.append(f"{kind[1:]} {name}")
            return False
    server.call("PUT", f"/{kind}/{name}", body)
    done.changed.append(f"{kind[1:]} {name}")
    return True


def _put_policy(server: Cluster, name: str, body: Mapping[str, Any], done: Prepared) -> None:
    there = _found(server, f"/_ilm/policy/{name}")
    said = (there or {}).get(name, {}).get("policy", {}).get("_meta", {})
    if said.get("digest") == body["policy"]["_meta"]["digest"]:
        done.same.append(f"ilm_policy {name}")
        return
    server.call("PUT", f"/_ilm/policy/{name}", body)
    done.changed.append(f"ilm_policy {name}")


def _roll(server: Cluster, stream: str, done: Prepared) -> None:
    """A template is for indices to come: an existing stream gets a new one."""
    try:
        if not server.call("GET", f"/_resolve/index/{stream}").get("data_streams"):
            return
    except Trouble as trouble:
        if trouble.status == 404:
            return
        raise
    server.call("POST", f"/{stream}/_rollover")
    done.changed.append(f"data_stream {stream}: rolled over")


def _has(server: Cluster, path: str) -> bool:
    return _found(server, path, _ABSENT) is not None


def _found(server: Cluster, path: str, absent: tuple[int, ...] = (404,)) -> Mapping[str, Any] | None:
    try:
        return server.call("GET", path)
    except Trouble as trouble:
        if trouble.status in absent:
            return None
        raise
