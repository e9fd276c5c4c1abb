"""What Kibana shows of it: a data view, searches and a dashboard, as saved objects that its own import understands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opsctl.errors import ConfigError, OpsctlError
from opsctl.events.redact import Redactor
from opsctl.events.ship.options import Elasticsearch
from opsctl.events.ship.secret import credentials

_VIEW = "opsctl-logs"
_SOURCE = "kibanaSavedObjectMeta.searchSourceJSON.index"
_SEARCHES = (
    (
        "opsctl-runs",
        "opsctl: runs",
        "event.action: (run-started or run-finished or run-canceled or run-timeout or run-lost) and event.dataset: "
        "opsctl.run",
        ("event.action", "opsctl.run.content", "opsctl.run.action", "opsctl.status", "user.name", "trace.id"),
    ),
    (
        "opsctl-failures",
        "opsctl: what failed",
        "event.dataset: opsctl.task and event.outcome: failure",
        ("host.name", "opsctl.task.name", "error.message", "trace.id"),
    ),
    (
        "opsctl-changes",
        "opsctl: what was changed",
        "event.dataset: opsctl.task and event.type: change and event.outcome: success",
        ("host.name", "opsctl.task.name", "opsctl.task.action", "user.name", "trace.id"),
    ),
    (
        "opsctl-audit",
        "opsctl: audit",
        "event.dataset: opsctl.audit",
        ("event.sequence", "event.action", "user.name", "message", "trace.id", "event.hash"),
    ),
)


def objects(options: Elasticsearch) -> str:
    """The saved objects as lines of JSON (Kibana 8 and later)."""
    view = {
        "type": "index-pattern",
        "id": _VIEW,
        "attributes": {
            "title": f"logs-opsctl.*-{options.namespace}",
            "name": "opsctl",
            "timeFieldName": "@timestamp",
            "allowNoIndex": True,
        },
        "references": [],
    }
    found = [view, *(_search(*each) for each in _SEARCHES), _dashboard()]
    return "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in found)


def write(path: Path, options: Elasticsearch) -> None:
    """Write them to a file.

    Raises:
        OpsctlError: it cannot be written.
    """
    try:
        path.write_text(objects(options), encoding="utf-8")
    except OSError as error:
        raise OpsctlError(f"Cannot write {path}: {error.strerror}") from error


def send(url: str, options: Elasticsearch) -> int:
    """Import them into a Kibana, over those of before; how many there are.

    Raises:
        ConfigError: the URL cannot be used.
        OpsctlError: Kibana does not answer, or refuses.
    """
    import requests

    if not url.startswith(("http://", "https://")) or "@" in url:
        raise ConfigError("--kibana-url: must be like https://HOST:5601, without user and password")
    secrets = credentials(options)
    headers = {"kbn-xsrf": "true"} | ({"Authorization": secrets.header} if secrets.header else {})
    where = f"{url.rstrip('/')}/api/saved_objects/_import"
    hide = Redactor([secrets.api_key, secrets.password, secrets.header])
    try:
        answer = requests.post(
            where,
            params={"overwrite": "true"},
            headers=headers,
            files={"file": ("opsctl.ndjson", objects(options), "application/ndjson")},
            verify=str(options.ca_file) if options.ca_file else True,
            timeout=options.timeout,
            # A redirect would carry the credentials elsewhere.
            allow_redirects=False,
        )
        said: Any = answer.json()
    except requests.JSONDecodeError:
        raise OpsctlError(f"Cannot set up Kibana at {url}: it answered {answer.status_code}; is it Kibana?") from None
    except requests.RequestException as error:
        raise OpsctlError(f"Cannot set up Kibana at {url}: {hide.text(_short(error))}") from None
    if answer.status_code != 200 or not said.get("success"):
        errors = said.get("errors") or []
        text = said.get("message") or "; ".join(str(each.get("error", {}).get("type")) for each in errors)
        raise OpsctlError(f"Cannot set up Kibana at {url}: {hide.text(str(text))} (status {answer.status_code})")
    return int(said.get("successCount", 0))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _search(name: str, title: str, query: str, columns: tuple[str, ...]) -> dict[str, Any]:
    source = {"query": {"query": query, "language": "kuery"}, "filter": [], "indexRefName": _SOURCE}
    return {
        "type": "search",
        "id": name,
        "attributes": {
            "title": title,
            "columns": list(columns),
            "sort": [["@timestamp", "desc"]],
            "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
        },
        "references": [{"name": _SOURCE, "type": "index-pattern", "id": _VIEW}],
    }


def _dashboard() -> dict[str, Any]:
    panels, references = [], []
    for place, (name, *_rest) in enumerate(_SEARCHES):
        key = str(place + 1)
        grid = {"x": place % 2 * 24, "y": place // 2 * 18, "w": 24, "h": 18, "i": key}
        panels.append(
            {
                "type": "search",
                "panelIndex": key,
                "gridData": grid,
                "embeddableConfig": {},
                "panelRefName": f"panel_{key}",
            }
        )
        references.append({"name": f"{key}:panel_{key}", "type": "search", "id": name})
    return {
        "type": "dashboard",
        "id": "opsctl",
        "attributes": {
            "title": "opsctl",
            "description": "Runs, what failed, what was changed, and the audit records.",
            "panelsJSON": json.dumps(panels),
            "optionsJSON": json.dumps({"useMargins": True}),
            "timeRestore": False,
            "kibanaSavedObjectMeta": {
                "searchSourceJSON": json.dumps({"query": {"query": "", "language": "kuery"}, "filter": []})
            },
        },
        "references": references,
    }
