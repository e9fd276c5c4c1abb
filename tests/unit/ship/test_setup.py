"""Templates, policies and saved objects, against what their documentation says; see contract.py for what that means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsctl.errors import OpsctlError
from opsctl.events.ship import kibana
from opsctl.events.ship.answer import Trouble
from opsctl.events.ship.client import Server
from opsctl.events.ship.options import Elasticsearch, Retention
from opsctl.events.ship.secret import Credentials
from opsctl.events.ship.setup import detect, prepare
from opsctl.events.ship.template import VERSION, component, mappings

from .contract import Contract


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("OPSCTL_ELASTICSEARCH_API_KEY", "OPSCTL_ELASTICSEARCH_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def server(contract: Contract, **options: object) -> Server:
    return Server(Elasticsearch(url=contract.url, **options), Credentials())


@pytest.mark.parametrize("lifecycle", ["ilm", "dsl", "none"])
def test_the_lifecycle_is_what_the_server_has(lifecycle: str) -> None:
    with Contract(lifecycle) as contract:
        assert detect(server(contract))[0] == lifecycle


def test_with_ilm_policies_are_put_and_named_in_the_templates() -> None:
    with Contract("ilm") as contract:
        options = Elasticsearch(url=contract.url, retention=Retention(audit=400))
        done = prepare(server(contract), options)
        assert (done.lifecycle, len(done.changed)) == ("ilm", 9)
        phases = contract.stored["/_ilm/policy/opsctl-audit"]["policy"]["phases"]
        assert phases["delete"] == {"min_age": "400d", "actions": {"delete": {}}}
        template = contract.stored["/_index_template/logs-opsctl.audit"]
        assert template["template"]["settings"] == {"index": {"lifecycle": {"name": "opsctl-audit"}}}
        assert (template["data_stream"], template["composed_of"], template["priority"]) == ({}, ["opsctl"], 500)
        assert prepare(server(contract), options).changed == []


def test_without_ilm_the_streams_have_a_lifecycle() -> None:
    with Contract("dsl") as contract:
        prepare(server(contract), Elasticsearch(url=contract.url))
        template = contract.stored["/_index_template/logs-opsctl.task"]["template"]
        assert template == {"lifecycle": {"data_retention": "90d"}}
        assert not [path for path in contract.stored if "_ilm" in path]


def test_with_neither_nothing_is_said_about_it() -> None:
    with Contract("none") as contract:
        done = prepare(server(contract), Elasticsearch(url=contract.url))
        assert contract.stored["/_index_template/logs-opsctl.run"]["template"] == {}
        assert "nothing deletes old documents" in done.why


def test_what_a_newer_opsctl_has_put_stays() -> None:
    with Contract("none") as contract:
        newer = component()
        newer["_meta"]["version"] = VERSION + 1
        contract.stored["/_component_template/opsctl"] = newer
        with pytest.raises(OpsctlError, match="a newer opsctl did"):
            prepare(server(contract), Elasticsearch(url=contract.url))


def test_a_refusal_is_one_line() -> None:
    with Contract() as contract:
        contract.status = 403
        with pytest.raises(Trouble, match=r"as the test wants it \(status 403\)$"):
            prepare(server(contract), Elasticsearch(url=contract.url))


def test_only_field_types_that_every_distribution_has() -> None:
    def types(fields: dict[str, object]) -> set[object]:
        found: set[object] = set()
        for name, value in fields.items():
            if isinstance(value, dict):
                found |= types(value)
            elif name == "type":
                found.add(value)
        return found

    known = {"keyword", "text", "date", "long", "boolean", "ip", "object", "flattened"}
    assert types(mappings()["properties"]) <= known


def test_saved_objects_refer_only_to_each_other() -> None:
    found = [json.loads(line) for line in kibana.objects(Elasticsearch(url="http://x")).splitlines()]
    names = {(each["type"], each["id"]) for each in found}
    assert {"index-pattern", "search", "dashboard"} == {kind for kind, _name in names}
    for each in found:
        for reference in each["references"]:
            assert (reference["type"], reference["id"]) in names
        panels = json.loads(each["attributes"].get("panelsJSON", "[]"))
        used = {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels}
        assert used <= {reference["name"] for reference in each["references"]}


def test_every_field_of_a_saved_search_is_in_the_template() -> None:
    def names(fields: dict[str, object], prefix: str = "") -> set[str]:
        found = set()
        for name, value in fields.items():
            assert isinstance(value, dict)
            inner = value.get("properties")
            found |= names(inner, f"{prefix}{name}.") if inner else {prefix + name}
        return found

    known = names(mappings()["properties"])
    for line in kibana.objects(Elasticsearch(url="http://x")).splitlines():
        assert set(json.loads(line)["attributes"].get("columns", [])) <= known


def test_saved_objects_are_imported_with_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSCTL_ELASTICSEARCH_API_KEY", "c2VjcmV0")
    with Contract() as contract:
        assert kibana.send(contract.url, Elasticsearch(url=contract.url)) == 6
        method, path, headers, body = contract.requests[-1]
        assert (method, path) == ("POST", "/api/saved_objects/_import?overwrite=true")
        assert (headers["kbn-xsrf"], headers["authorization"]) == ("true", "ApiKey c2VjcmV0")
        assert b'filename="opsctl.ndjson"' in body


def test_a_kibana_that_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = Elasticsearch(url="http://127.0.0.1:1")
    with Contract() as contract:
        contract.status = 401
        with pytest.raises(OpsctlError, match=r"Cannot set up Kibana at http://127.0.0.1:\d+: .*\(status 401\)"):
            kibana.send(contract.url, options)
    with pytest.raises(OpsctlError, match=r"Cannot set up Kibana at http://127\.0\.0\.1:1: "):
        kibana.send("http://127.0.0.1:1", options)
    with pytest.raises(OpsctlError, match="without user and password"):
        kibana.send("http://me:secret@127.0.0.1", options)
    with pytest.raises(OpsctlError, match="Cannot write"):
        kibana.write(tmp_path / "no" / "where", options)
