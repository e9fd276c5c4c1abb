"""What is made of runs fits into the templates, whatever hosts return; the templates are put once."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from opsctl.clock import uuid7
from opsctl.events.journal import Journal, encode
from opsctl.events.ship.document import Origin, Translator
from opsctl.events.ship.setup import detect, prepare
from opsctl.events.ship.template import mappings

from .conftest import Home
from .server import Node

_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False).filter(math.isfinite) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=25,
)
_KINDS = ("host_ok", "host_failed", "item_ok", "host_unreachable", "diff", "warning", "run_end", "stats", "unheard_of")


def test_the_templates_are_put_once(home: Home) -> None:
    server, options = home.shipper().server, home.options()
    prepare(server, options)
    again = prepare(server, options)
    assert again.changed == []
    assert len(again.same) == 5
    assert (again.lifecycle, detect(server)[0]) == ("none", "none")


def test_a_changed_setting_changes_the_template_and_rolls_the_stream_over(home: Home, node: Node) -> None:
    home.run(3)
    home.shipper().flush()
    options = home.options(lifecycle="dsl", retention={"run": 11, "task": 12, "audit": 13})
    changed = prepare(home.shipper().server, options).changed
    try:
        assert f"data_stream logs-opsctl.run-{home.namespace}: rolled over" in changed
        (template,) = node.call("GET", "/_index_template/logs-opsctl.audit")["index_templates"]
        assert template["index_template"]["template"]["lifecycle"]["data_retention"] == "13d"
        streams = node.call("GET", f"/_resolve/index/logs-opsctl.run-{home.namespace}")["data_streams"]
        assert len(streams[0]["backing_indices"]) == 2
    finally:
        prepare(home.shipper().server, home.options())


def test_every_field_has_the_type_of_the_template(home: Home, node: Node) -> None:
    home.run(3)
    home.ledger(2)
    home.shipper(labels={"site": "here"}).flush()
    found = node.call("GET", f"/logs-opsctl.task-{home.namespace}/_mapping")
    (index,) = found.values()
    properties = index["mappings"]["properties"]
    assert properties["opsctl"]["properties"]["result"]["type"] == "flattened"
    assert properties["labels"]["properties"] == {"site": {"type": "keyword", "ignore_above": 1024}}
    assert set(properties) == set(mappings()["properties"])
    (hit, *_rest) = [each for each in node.documents(home.namespace, "task") if each["host"]["name"] == "web-0"]
    assert (hit["event"]["duration"], hit["process"]["exit_code"]) == (250_000_000, 0)
    assert hit["event"]["category"] == ["configuration", "package"]
    query = {"query": {"term": {"opsctl.result.msg": "package 0 is there"}}}
    assert node.call("POST", f"/logs-opsctl.task-{home.namespace}/_search", query)["hits"]["total"]["value"] == 1


@settings(
    max_examples=25,
    deadline=None,
    # What fails is seen as it is: making it smaller costs a request to the server each time.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example([("host_ok", "\ud800", "\udce9", None, "\udfff\ud800")])
@given(st.lists(st.tuples(st.sampled_from(_KINDS), _TEXT, _VALUES, _VALUES, _TEXT), min_size=1, max_size=12))
def test_whatever_hosts_return_is_taken(home: Home, events: list[tuple[str, str, Any, Any, str]]) -> None:
    server = home.shipper().server
    translator = Translator("r", Origin(home.namespace))
    lines = []
    for number, (kind, host, result, data, stdout) in enumerate(events, start=1):
        record: dict[str, Any] = {"seq": number, "time": "2026-11-21T15:00:40.127190Z", "event": kind, "host": host}
        record |= {"task": stdout, "stdout": stdout, "data": {"res": {"it": result, stdout: data, "msg": result}}}
        lines.append(translator.line(encode(record)[:-1], uuid7()))
    prepare(server, home.options())
    answers = server.bulk(lines)
    assert [answer for answer in answers if answer.status != 201] == []


def test_an_endless_line_is_shipped_in_part(home: Home, node: Node) -> None:
    run = uuid7()
    journal = Journal(home.path / "journal" / f"{run}.ndjson")
    long = {
        "time": "2026-11-21T15:00:40Z",
        "event": "host_ok",
        "host": "a",
        "task": "Read",
        "stdout": "ab\n" * 2_000_000,
    }
    for record in (
        long,
        {**long, "stdout": "short"},
        {**long, "stdout": "", "data": {"res": {"msg": "m" * 5_000_000}}},
    ):
        journal.append(record)
    journal.close()
    report = home.shipper().flush()
    assert (report.trouble, report.counts["acked"], report.counts["dead"]) == ("", 3, 0)
    found = {each["event"]["sequence"]: each for each in node.documents(home.namespace)}
    assert found[1]["message"].startswith("ab\nab")
    assert "the journal has all of it" in found[1]["message"]
    assert found[2]["message"].startswith("short")
    assert "the journal has all of it" in found[3]["message"]
    assert {each["host"]["name"] for each in found.values()} == {"a"}
