"""Texts to values: what YAML and JSON mean here, and what they must never do."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.ros.yaml import MAX_BYTES, load

SCALARS = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
VALUES = st.recursive(
    SCALARS | TEXT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)


def attempt(text: str) -> tuple[str, str]:
    """The code and words of the refusal, empty when the text is a value that can be written as JSON."""
    try:
        json.dumps(load(text)).encode()
    except ApiError as error:
        return error.code, str(error)
    return "", ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2015-09-01", "2015-09-01"),
        ("a: 2015-09-01 10:00:00", "2015-09-01 10:00:00"),
        ("a: '1'", "1"),
        ("a: 1", 1),
        ("a: 1.5", 1.5),
        ("a: 0x1F", 31),
        ("a: yes", True),
        ("a: 'yes'", "yes"),
        ("a: .inf", ".inf"),
        ("a: ~", None),
        ("a:", None),
        ("a: 22/22", "22/22"),
        ("a: |\n  x\n  y\n", "x\ny\n"),
        ("a: !!str 1", "1"),
        ("a: !Ref B", {"Ref": "B"}),
        ("a: !GetAtt B.C", {"Fn::GetAtt": ["B", "C"]}),
        ("a: !GetAtt B.C.D", {"Fn::GetAtt": ["B.C", "D"]}),
        ("a: !GetAtt B.Outputs.D", {"Fn::GetAtt": ["B", "Outputs.D"]}),
        ("a: !GetAtt [B, C]", {"Fn::GetAtt": ["B", "C"]}),
        ("a: !Sub x${B}", {"Fn::Sub": "x${B}"}),
        ("a: !Sub ['x${B}', {B: 1}]", {"Fn::Sub": ["x${B}", {"B": 1}]}),
        ("a: !If [C, !Ref X, 2]", {"Fn::If": ["C", {"Ref": "X"}, 2]}),
        ("a: !Join ['', [a, !Ref B]]", {"Fn::Join": ["", ["a", {"Ref": "B"}]]}),
        ("a: !Not {Fn::Equals: [1, 2]}", {"Fn::Not": {"Fn::Equals": [1, 2]}}),
        ("a: !Condition C", {"Condition": "C"}),
        ("b: &x {c: 1}\na: *x", {"c": 1}),
        ("b: &x {c: 1, d: 2}\na: {<<: *x, c: 3}", {"c": 3, "d": 2}),
        ("b: &x {c: 1}\ne: &y {c: 2, f: 3}\na: {<<: [*x, *y]}", {"c": 1, "f": 3}),
        ('{"a": {"b": [1, "x", null]}}', {"b": [1, "x", None]}),
        ("{a: {1: x, yes: y}}", {"1": "x", "yes": "y"}),
        ("a: " + "9" * 100, "9" * 100),
        ('{"a": ' + "9" * 5000 + "}", "9" * 5000),
        ('{"a": 1e999}', "1e999"),
    ],
)
def test_a_text_means(text: str, value: Any) -> None:
    assert load(text)["a"] == value
    assert type(load(text)["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it has 0 bytes"),
        ("x" * (MAX_BYTES + 1), f"it has {MAX_BYTES + 1} bytes"),
        ("a: \ud800", "not valid UTF-8"),
        ('{"a": "\\ud800"}', "half of a surrogate pair"),
        ("a: 1\na: 2", "line 2: the key 'a' appears twice"),
        ('{"a": 1, "a": 2}', "the key 'a' appears twice"),
        ("{a: 1, 'a': 2}", "the key 'a' appears twice"),
        ("a: !!binary aGk=", "the tag !!binary is not allowed"),
        ("a: !!python/object/apply:os.system [x]", "the tag !!python/object/apply:os.system is not allowed"),
        ("a: !!int x", "the text is no int"),
        ("a: !!int ''", "the text is no int"),
        ("a: !!float ''", "the text is no float"),
        ("a: !Base64Encode !Ref X", "not valid YAML at line 1"),
        ("a: [1, 2", "not valid YAML at line"),
        ("a: &x [*x]", "the alias *x has no anchor before it"),
        ("a: *x", "the alias *x has no anchor before it"),
        ("? [a]\n: b", "the key of a map must be plain text"),
        ("a: {<<: 1}", "<< can only merge maps"),
        ("a: 1\n---\nb: 2", "more than one YAML document"),
        ('{"a": NaN}', "NaN is not a JSON value"),
        ("\x00", "not valid YAML"),
    ],
)
def test_a_text_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        load(text)
    assert caught.value.code == "InvalidTemplate"
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
)
_MERGE_BOMB = "a0: &a0 {k: x}\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
_TEXT_BOMB = f"a: &a '{'x' * 100_000}'\nb: [{', '.join(['*a'] * 10_000)}]\n"


@pytest.mark.parametrize(
    "text",
    [
        _BOMB,
        _MERGE_BOMB,
        _TEXT_BOMB,
        "[" * 500_000,
        "{" * 500_000,
        '{"a":' * 100_000,
        '{"a":' + "[" * 500_000,
        "- " * 250_000,
        "? " * 250_000,
        "a: " + "1:" * 200_000 + "1",
        "a: !!int " + "1:" * 200_000 + "1",
        "a: " + "9" * 500_000,
        "!" * 500_000,
        "&" + "a" * 500_000,
        "'" * 500_000,
        "\t" * 500_000,
        "a: |\n" + " " * 500_000,
        "<<: " * 100_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_texts_end_soon(text: str) -> None:
    started = time.monotonic()
    code, problem = attempt(text)
    assert code in ("", "InvalidTemplate")
    assert len(problem) < 400
    assert time.monotonic() - started < 10


@given(VALUES)
def test_what_is_dumped_is_read_back(value: Any) -> None:
    wrapped = {"a": value}
    assert load(json.dumps(wrapped)) == wrapped
    assert load(json.dumps(wrapped, ensure_ascii=False)) == wrapped
    assert load(pyyaml.safe_dump(wrapped, allow_unicode=True)) == wrapped


@given(st.text(alphabet="ab:-[]{}&*!<>|'\"#%,? \n\t1.~\\ufeff", max_size=60))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_value_or_refused(text: str) -> None:
    code, problem = attempt(text)
    assert code in ("", "InvalidTemplate")
    assert "\n" not in problem


def test_a_template_of_512_kilobytes_is_read_quickly() -> None:
    row = "  R{n}: {{Type: ALIYUN::ECS::Instance, Properties: {{A: !Ref X, B: [1, 'two', !GetAtt V.Id], C: text}}}}\n"
    lines = ["Resources:\n"]
    size = 0
    while size < MAX_BYTES - 200:
        lines.append(row.format(n=len(lines)))
        size += len(lines[-1])
    text = "".join(lines)
    started = time.monotonic()
    assert len(load(text)["Resources"]) == len(lines) - 1
    # Far above what it takes (under 2 s), since other work may share the machine.
    assert time.monotonic() - started < 15
