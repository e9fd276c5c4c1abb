# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import template
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.template import Parameter
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from hypothesis import given
from hypothesis import strategies as st

JSON = (
    '{"ROSTemplateFormatVersion": "2015-09-01", "Resources": {"A": {"Type": "T", "Properties": {"N": 3, "B": true}}}}'
)
YAML = """# a comment
ROSTemplateFormatVersion: 2015-09-01
Resources:
  A: {Type: T, Properties: {N: 3, B: true}}
"""
PLAIN = st.recursive(
    st.text() | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_layout_comments_and_notation_make_no_difference():
    assert template.same(JSON, YAML)
    assert template.same(JSON, json.dumps(json.loads(JSON), indent=4))


def test_a_changed_value_makes_a_difference():
    assert not template.same(JSON, YAML.replace("N: 3", "N: 4"))


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("!Ref A", {"Ref": "A"}),
        ("!GetAtt A.B", {"Fn::GetAtt": ["A", "B"]}),
        ("!Join [',', [a, !Ref B]]", {"Fn::Join": [",", ["a", {"Ref": "B"}]]}),
        ("!Condition C", {"Condition": "C"}),
    ],
)
def test_short_tags_mean_the_same_as_the_long_form(short, long):
    assert template.same(f"Outputs: {{O: {{Value: {short}}}}}", json.dumps({"Outputs": {"O": {"Value": long}}}))


@pytest.mark.parametrize("text", ["{", "a: [", "a: b: c", "!Ref [}", "\x00"])
def test_text_that_is_no_template_is_only_the_same_as_itself(text):
    assert template.same(text, text)
    assert not template.same(text, JSON)


@given(PLAIN)
def test_a_template_is_the_same_in_every_json_layout(value):
    data = {"Resources": value}
    assert template.same(json.dumps(data), json.dumps(data, indent=2, sort_keys=True))


@given(st.text())
def test_comparing_any_text_never_breaks(text):
    assert template.same(text, text)
    template.same(text, JSON)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (True, "Boolean", "true"),
        (False, "String", "false"),
        (3, "Number", "3"),
        (3.0, "Number", "3"),
        (1.5, "Number", "1.5"),
        ("x", "String", "x"),
        (["a", 2, True], "CommaDelimitedList", "a,2,true"),
        ([], "CommaDelimitedList", ""),
        (["a", {"b": 1}], "Json", '["a",{"b":1}]'),
        ({"ä": 1}, "Json", '{"ä":1}'),
    ],
)
def test_values_become_the_text_that_the_type_asks_for(value, kind, text):
    assert template.values({"P": value}, {"P": Parameter(kind)}) == {"P": text}


def test_null_means_not_given():
    assert template.values({"P": None}, {"P": Parameter("String")}) == {}


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        ([1], "Number", "Parameter P has type Number: it cannot be a list"),
        ({"a": 1}, "Boolean", "Parameter P has type Boolean: it cannot be a dict"),
        ([{"a": 1}], "CommaDelimitedList", "a list of plain values: it cannot hold a dict"),
    ],
)
def test_a_value_that_cannot_fit_is_named_without_being_shown(value, kind, words):
    with pytest.raises(Invalid, match=words):
        template.values({"P": value}, {"P": Parameter(kind)})


def test_an_unknown_parameter_is_named_with_those_there_are():
    with pytest.raises(Invalid, match="has no parameter Nodse; it has: Nodes, Zone"):
        template.values({"Nodse": 1}, {"Nodes": Parameter("Number"), "Zone": Parameter("String")})


@pytest.mark.parametrize(
    ("left", "right", "kind", "alike"),
    [
        ("3", "3.0", "Number", True),
        ("3", "4", "Number", False),
        ("x", "4", "Number", False),
        ("True", "true", "Boolean", True),
        ("True", "true", "String", False),
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}', "Json", True),
        ("a, b", "a,b", "CommaDelimitedList", True),
        ("a,b", "b,a", "CommaDelimitedList", False),
    ],
)
def test_values_that_mean_the_same_are_alike(left, right, kind, alike):
    assert template.alike(left, right, kind) is alike


def test_a_no_echo_parameter_is_known_by_its_text():
    rows = [{"ParameterKey": "A", "Type": "String", "NoEcho": "true"}, {"ParameterKey": "B", "NoEcho": "false"}]
    assert template.described(rows) == {"A": Parameter("String", True), "B": Parameter("String", False)}


def test_every_part_of_a_secret_is_known():
    assert set(template.texts({"a": ["s1", 2], "b": {"c": "s3"}})) >= {"s1", "2", "s3"}


def test_a_template_may_be_a_path_text_or_a_mapping(tmp_path):
    path = tmp_path / "t.yml"
    path.write_text(YAML)
    assert template.load(path=str(path)).body == YAML
    assert template.load(body=YAML).body == YAML
    assert template.same(template.load(body=json.loads(JSON)).body, YAML)
    assert template.load(url="oss://b/t").query() == {"TemplateURL": "oss://b/t"}
    assert template.load() is None


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "Cannot read template .*: No such file"), (b"\xff\xfe\xff", "not UTF-8"), (b" \n", "is empty")],
)
def test_a_template_that_cannot_be_read_is_one_clear_line(tmp_path, content, words):
    path = tmp_path / "t.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Invalid, match=words):
        template.load(path=str(path))


def test_a_template_that_is_too_large_is_refused_before_it_is_sent():
    with pytest.raises(Invalid, match="524289 bytes; the service takes 524288"):
        template.load(body="a" * 524_289)
