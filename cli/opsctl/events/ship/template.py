"""The index templates: fields of the Elastic Common Schema and our own below `opsctl`. Pure.

Only field types that every distribution has, also the minimal one without optional modules.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from opsctl.events.ship.options import Elasticsearch

VERSION = 2
"""Counts up with every change that is not a setting's."""

Dataset = Literal["run", "task", "audit", "alert"]
DATASETS: tuple[Dataset, ...] = ("run", "task", "audit", "alert")
PRIORITY = 500
"""Elasticsearch's own templates for `logs-*-*` have 100."""

Lifecycle = Literal["ilm", "dsl", "none"]

_KEYWORD = {"type": "keyword", "ignore_above": 1024}
_LONG = {"type": "long"}
_DATE = {"type": "date"}
_TEXT = {"type": "text"}
_BOOLEAN = {"type": "boolean"}
_FLAT = {"type": "flattened", "ignore_above": 1024, "depth_limit": 10}
_KEPT = {"type": "keyword", "index": False, "doc_values": False, "ignore_above": 32766}
"""Only kept: found by other fields."""


def _keywords(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, _KEYWORD)


def _object(**properties: Any) -> dict[str, Any]:
    return {"properties": properties}


def mappings() -> dict[str, Any]:
    """The fields. What is not named here is kept and not indexed."""
    return {
        "dynamic": False,
        "dynamic_templates": [{"labels": {"path_match": "labels.*", "mapping": _KEYWORD}}],
        "properties": {
            "@timestamp": _DATE,
            "message": _TEXT,
            "ecs": _object(version=_KEYWORD),
            "data_stream": _object(**_keywords("type", "dataset", "namespace")),
            "event": _object(
                **_keywords("id", "kind", "module", "dataset", "provider", "action", "category", "type", "outcome"),
                **_keywords("hash", "reason"),
                sequence=_LONG,
                duration=_LONG,
                created=_DATE,
                original=_KEPT,
            ),
            "agent": _object(**_keywords("type", "version", "id")),
            "observer": _object(**_keywords("name", "hostname")),
            "service": _object(**_keywords("name")),
            "trace": _object(id=_KEYWORD),
            "transaction": _object(id=_KEYWORD),
            "rule": _object(name=_KEYWORD),
            "span": _object(id=_KEYWORD),
            "host": _object(**_keywords("name", "hostname"), ip={"type": "ip", "ignore_malformed": True}),
            "user": _object(**_keywords("name", "id")),
            "process": _object(exit_code=_LONG),
            "error": _object(message=_TEXT),
            "log": _object(level=_KEYWORD),
            "labels": {"type": "object", "dynamic": True},
            "related": _object(**_keywords("hosts", "user", "hash")),
            "opsctl": _object(
                run=_object(
                    **_keywords("id", "kind", "content", "action", "cloud", "stack", "limit", "digest", "plan_hash"),
                    **_keywords("reason"),
                ),
                task=_object(
                    **_keywords("action", "role", "path", "play", "stream"),
                    name={**_KEYWORD, "fields": {"text": _TEXT}},
                    attempts=_LONG,
                    ignored=_BOOLEAN,
                    no_log=_BOOLEAN,
                ),
                audit=_object(**_keywords("kind", "previous", "rule", "verdict", "plan_hash")),
                alert=_object(**_keywords("id", "source", "name", "severity", "url", "key")),
                remediation=_object(attempt=_LONG, **_keywords("state", "guard", "verdict")),
                stats=_object(
                    **dict.fromkeys(
                        ("ok", "changed", "failures", "unreachable", "skipped", "rescued", "ignored", "hosts"), _LONG
                    )
                ),
                event=_KEYWORD,
                status=_KEYWORD,
                hosts=_KEYWORD,
                missing=_LONG,
                result=_FLAT,
                record=_FLAT,
                diff=_KEPT,
            ),
        },
    }


def component() -> dict[str, Any]:
    """What all data sets share: component template `opsctl`."""
    settings = {
        "index": {
            "codec": "best_compression",
            "number_of_shards": 1,
            "auto_expand_replicas": "0-1",
            "mapping": {"total_fields": {"limit": 500}},
            "refresh_interval": "5s",
        }
    }
    return _marked({"template": {"settings": settings, "mappings": mappings()}})


def index(dataset: Dataset, options: Elasticsearch, lifecycle: Lifecycle) -> dict[str, Any]:
    """The index template of one data set: `logs-opsctl.DATASET`."""
    template: dict[str, Any] = {}
    if lifecycle == "ilm":
        template["settings"] = {"index": {"lifecycle": {"name": f"opsctl-{dataset}"}}}
    elif lifecycle == "dsl":
        template["lifecycle"] = {"data_retention": f"{getattr(options.retention, dataset)}d"}
    return _marked(
        {
            "index_patterns": [f"logs-opsctl.{dataset}-*"],
            "data_stream": {},
            "composed_of": ["opsctl"],
            "priority": PRIORITY,
            "template": template,
        }
    )


def policy(dataset: Dataset, options: Elasticsearch) -> dict[str, Any]:
    """The ILM policy `opsctl-DATASET`."""
    days = getattr(options.retention, dataset)
    hot = {"actions": {"rollover": {"max_age": "30d", "max_primary_shard_size": "25gb"}}}
    delete = {"min_age": f"{days}d", "actions": {"delete": {}}}
    return {"policy": {**_meta({"days": days}), "phases": {"hot": hot, "delete": delete}}}


def anchor() -> dict[str, Any]:
    """An index of ledger anchors: checkpoints by number."""
    return {
        "settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}},
        "mappings": {
            "dynamic": False,
            "properties": {
                "@timestamp": _DATE,
                **_keywords("ledger", "hash", "previous"),
                "number": _LONG,
                "seq": _LONG,
                "line": {"type": "keyword", "index": False, "doc_values": False},
            },
        },
    }


def _marked(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "version": VERSION, **_meta(body)}


def _meta(body: dict[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
    return {"_meta": {"managed_by": "opsctl", "version": VERSION, "digest": digest}}
