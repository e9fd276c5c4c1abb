"""Each function: what it gives, and in which words it refuses."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.ros.functions import FUNCTIONS, UNSUPPORTED
from opsctl.localcloud.ros.resolve import NOW, ZONES, Resolver, plain


class Resources:
    def ref(self, name: str) -> Any:
        return f"id-{name}"

    def attribute(self, resource: str, name: str) -> Any:
        return {"Ips": ["10.0.0.1", "10.0.0.2"], "Map": {"k": "v"}, "Null": None}.get(name, f"{resource}.{name}")


RESOLVER = Resolver(
    values={"Text": "hello", "Number": 3, "Flag": True, "List": ["a", "b"], "Json": {"a": 1}, "Null": None, "Key": "x"},
    pseudo={
        "ALIYUN::Region": "cn-hangzhou",
        "ALIYUN::StackName": "web",
        ZONES: {"cn-hangzhou": ["cn-hangzhou-h", "cn-hangzhou-i"]},
        NOW: datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    },
    mappings={"Sizes": {"x": {"small": 1, "2": "two"}}},
    conditions={"Yes": True, "No": False},
    locals={"Local": "computed"},
    counted={"Web": ("Web[0]", "Web[1]")},
    existing=frozenset({"Vpc", "Web[0]", "Web[1]"}),
    absent=frozenset({"Gone"}),
    resources=Resources(),
)


def compute(value: Any) -> Any:
    return plain(replace(RESOLVER).resolve(value, "X"))


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


NOTHING = ref("ALIYUN::NoValue")
IPS = ["10.0.0.1", "10.0.0.2"]
TABLE: list[tuple[Any, Any]] = [
    # Ref, GetAtt
    (ref("Text"), "hello"),
    (ref("Null"), None),
    (ref("Vpc"), "id-Vpc"),
    (ref("Web"), ["id-Web[0]", "id-Web[1]"]),
    (ref("Web[1]"), "id-Web[1]"),
    (ref("Gone"), None),
    (ref("Local"), "computed"),
    (ref("ALIYUN::Region"), "cn-hangzhou"),
    (NOTHING, None),
    ({"Fn::GetAtt": ["Vpc", "VpcId"]}, "Vpc.VpcId"),
    ({"Fn::GetAtt": ["Web", "Ip"]}, ["Web[0].Ip", "Web[1].Ip"]),
    ({"Fn::GetAtt": ["Vpc", ref("Text")]}, "Vpc.hello"),
    ({"Fn::GetAtt": ["Gone", "Id"]}, None),
    # NoValue
    ({"a": 1, "b": NOTHING, "c": [1, NOTHING, 2]}, {"a": 1, "c": [1, 2]}),
    ({"a": {"Fn::If": ["No", 1, NOTHING]}}, {}),
    ([{"Fn::If": ["No", 1, NOTHING]}], []),
    ({"Fn::Select": [1, ["a", NOTHING, "c"]]}, "c"),
    # Sub
    ({"Fn::Sub": "a-${Text}-${Number}-${Flag}"}, "a-hello-3-True"),
    (
        {"Fn::Sub": "${ALIYUN::Region} ${Vpc} ${Vpc.VpcId} ${Web}"},
        'cn-hangzhou id-Vpc Vpc.VpcId ["id-Web[0]", "id-Web[1]"]',
    ),
    ({"Fn::Sub": "${Stack.Outputs.Url}"}, None),
    ({"Fn::Sub": "${!Text} ${Null}| $Text {Text} $$"}, "${Text} | $Text {Text} $$"),
    ({"Fn::Sub": ["${x}${Text}", {"x": ref("Number")}]}, "3hello"),
    ({"Fn::Sub": ["${Text}", {"Text": "own"}]}, "own"),
    ({"Fn::Sub": ["${List}${Json}", {}]}, '["a", "b"]{"a": 1}'),
    ({"Fn::Sub": ref("Text")}, "hello"),
    ({"Fn::Sub": ["${x}", {"x": {"Fn::Sub": "${Text}${!y}"}}]}, "hello${y}"),
    # Join, Split, Replace, Select
    ({"Fn::Join": [",", ["a", 1, True, None]]}, "a,1,True,"),
    ({"Fn::Join": ["", []]}, ""),
    ({"Fn::Join": [",", None]}, ""),
    ({"Fn::Join": ["-", {"Fn::GetAtt": ["Vpc", "Ips"]}]}, "10.0.0.1-10.0.0.2"),
    ({"Fn::Split": [",", "a, b,,"]}, ["a", " b", "", ""]),
    ({"Fn::Split": [",", None]}, []),
    ({"Fn::Replace": [{"world": "ros", "hello": "hi"}, "hello world hello"]}, "hi ros hi"),
    ({"Fn::Replace": [{"a": None, "b": 1}, "abc"]}, "1c"),
    ({"Fn::Replace": [{"a": "b"}, None]}, None),
    ({"Fn::Replace": [{"a": "b", "b": "c"}, "a"]}, "c"),
    ({"Fn::Select": ["1", ["a", "b"]]}, "b"),
    ({"Fn::Select": [-1, ["a", "b"]]}, "b"),
    ({"Fn::Select": [7, ["a"]]}, ""),
    ({"Fn::Select": [-7, ["a"]]}, ""),
    ({"Fn::Select": [7, ["a"], "other"]}, "other"),
    ({"Fn::Select": ["1:3", ["a", "b", "c", "d"]]}, ["b", "c"]),
    ({"Fn::Select": ["::2", ["a", "b", "c", "d"]]}, ["a", "c"]),
    ({"Fn::Select": ["-2:", ["a", "b", "c"]]}, ["b", "c"]),
    ({"Fn::Select": ["k", {"k": "v"}]}, "v"),
    ({"Fn::Select": ["z", {"k": "v"}]}, ""),
    ({"Fn::Select": ["0", '["a", "b"]']}, "a"),
    ({"Fn::Select": ["k", '{"k": 1}']}, 1),
    ({"Fn::Select": ["1", "a,b"]}, "b"),
    ({"Fn::Select": [0, None]}, ""),
    ({"Fn::Select": [0, ""]}, ""),
    ({"Fn::Select": [0, [False]]}, False),
    # conditions
    ({"Fn::If": ["Yes", "a", {"Fn::Join": "wrong"}]}, "a"),
    ({"Fn::If": ["No", {"Ref": "Unknown"}, "b"]}, "b"),
    ({"Fn::If": [{"Fn::Equals": [ref("Number"), 3]}, "a", "b"]}, "a"),
    ({"Fn::If": [ref("Flag"), "a", "b"]}, "a"),
    ({"Fn::If": [{"Condition": "No"}, "a", "b"]}, "b"),
    ({"Fn::Equals": [1, "1"]}, False),
    ({"Fn::Equals": [1, 1.0]}, True),
    ({"Fn::Equals": [1, True]}, True),
    ({"Fn::Equals": [{"a": [1]}, {"a": [1]}]}, True),
    ({"Fn::Equals": [ref("Null"), None]}, True),
    ({"Fn::Equals": ["", None]}, False),
    ({"Fn::And": ["Yes", {"Fn::Not": "No"}, {"Condition": "Yes"}]}, True),
    ({"Fn::And": ["Yes", "No"]}, False),
    ({"Fn::Or": ["No", {"Fn::Equals": [1, 1]}]}, True),
    ({"Fn::Or": ["No", "No"]}, False),
    ({"Fn::Not": {"Fn::Equals": [1, 1]}}, False),
    # look-ups
    ({"Fn::FindInMap": ["Sizes", ref("Key"), "small"]}, 1),
    ({"Fn::FindInMap": ["Sizes", "x", 2]}, "two"),
    ({"Fn::GetAZs": ref("ALIYUN::Region")}, ["cn-hangzhou-h", "cn-hangzhou-i"]),
    ({"Fn::GetAZs": ""}, ["cn-hangzhou-h", "cn-hangzhou-i"]),
    ({"Fn::GetJsonValue": ["key", '{"key": 1}']}, "1"),
    ({"Fn::GetJsonValue": ["key", '{"key": "v"}']}, "v"),
    ({"Fn::GetJsonValue": ["key", '{"key": {"a": [true]}}']}, '{"a": [true]}'),
    ({"Fn::GetJsonValue": ["none", '{"key": 1}']}, None),
    ({"Fn::GetJsonValue": ["key", None]}, None),
    ({"Fn::GetJsonValue": ["key", ""]}, None),
    # lists and maps
    ({"Fn::ListMerge": [["a"], ["b", "c"], None]}, ["a", "b", "c"]),
    (
        {"Fn::ListMerge": [ref("Web"), {"Fn::GetAtt": ["Vpc", "Ips"]}]},
        ["id-Web[0]", "id-Web[1]", "10.0.0.1", "10.0.0.2"],
    ),
    ({"Fn::Length": "abc"}, 3),
    ({"Fn::Length": [1, 2]}, 2),
    ({"Fn::Length": {"a": 1, "b": 2}}, 2),
    ({"Fn::Length": None}, 0),
    ({"Fn::Contains": [["a", "b"], "a"]}, True),
    ({"Fn::Contains": [["a", "b"], "c"]}, False),
    ({"Fn::Any": [False, True]}, True),
    ({"Fn::Any": [[False, False]]}, False),
    ({"Fn::EachMemberIn": [["a"], ["a", "b"]]}, True),
    ({"Fn::EachMemberIn": [["a", "c"], ["a", "b"]]}, False),
    ({"Fn::EachMemberIn": [[1], [1, "b"]]}, True),
    ({"Fn::EachMemberIn": [[], ["a"]]}, True),
    ({"Fn::Add": [1, 2, 3.5]}, 6.5),
    ({"Fn::Add": [["a"], ["b"]]}, ["a", "b"]),
    ({"Fn::Add": [{"a": 1}, {"b": 2}]}, {"a": 1, "b": 2}),
    ({"Fn::SelectMapList": ["k", [{"k": 1}, {}, {"k": 2}]]}, [1, 2]),
    ({"Fn::MergeMap": [{"a": {"b": 1, "c": 2}}, {"a": {"b": 3}, "d": 4}]}, {"a": {"b": 3, "c": 2}, "d": 4}),
    ({"Fn::MergeMapToList": [{"A": [1, 2]}, {"B": [3, 4]}]}, [{"A": 1, "B": 3}, {"A": 2, "B": 4}]),
    ({"Fn::MergeMapToList": [{"A": [1, 2, 3]}, {"B": [9]}]}, [{"A": 1, "B": 9}, {"A": 2, "B": 9}, {"A": 3, "B": 9}]),
    ({"Fn::MergeMapToList": [{"A": [1]}, {"B": None}]}, [{"A": 1, "B": ""}]),
    ({"Fn::Index": ["b", ["a", "b"]]}, 1),
    ({"Fn::Index": ["z", ["a", "b"]]}, None),
    # text
    ({"Fn::Str": 123}, "123"),
    ({"Fn::Str": True}, "True"),
    ({"Fn::Str": [1, {"a": "中"}]}, '[1, {"a": "中"}]'),
    ({"Fn::Str": None}, None),
    ({"Fn::Base64": "x"}, "x"),
    ({"Fn::Base64Encode": "hello 中"}, "aGVsbG8g5Lit"),
    ({"Fn::Base64Encode": None}, None),
    ({"Fn::Base64Decode": "aGVsbG8g5Lit"}, "hello 中"),
    ({"Fn::Base64Decode": "aGVsbG8g5Lit\n"}, "hello 中"),
    ({"Fn::MatchPattern": ["a+", "aaa"]}, True),
    ({"Fn::MatchPattern": ["a+", "aaab"]}, False),
    ({"Fn::Indent": ["a\nb", 2, 1, True]}, "  a\n  b"),
    ({"Fn::Indent": ["a\nb\n\nc", 2, 2, False]}, "a\n    b\n\n    c"),
    ({"Fn::FormatTime": "%Y-%m-%d"}, "2026-03-04"),
    ({"Fn::FormatTime": ["%Y-%m-%d %H:%M", "Asia/Shanghai"]}, "2026-03-04 13:06"),
    # numbers
    ({"Fn::Calculate": ["({1}+3)/2*3-1", 0, [3, 5, 6]]}, 11),
    ({"Fn::Calculate": ["(2+3)/2*3-1", 1]}, 5),
    ({"Fn::Calculate": ["(2.0+3)/2*3-1", 1]}, 6.5),
    ({"Fn::Calculate": ["{0}-1", 1, [ref("Number")]]}, 2),
    ({"Fn::Calculate": ["-{0} + 10 % 4 * -2", 0, [1]]}, -5),
    ({"Fn::Calculate": ["7 / -2", 0]}, -3),
    ({"Fn::Calculate": ["10 / 4.0", 0]}, 2),
    ({"Fn::Calculate": ["1.005 * 3", 2]}, 3.01),
    ({"Fn::Avg": [1, [1, 2, 6.0]]}, 3.0),
    ({"Fn::Avg": [0, [1, 2, None]]}, 1),
    ({"Fn::Max": [1, 3, "2"]}, 3),
    ({"Fn::Min": [1, 3, 0.5]}, 0.5),
    ({"Fn::Cidr": ["192.168.0.0/24", 3, 5]}, ["192.168.0.0/27", "192.168.0.32/27", "192.168.0.64/27"]),
    # what is no function
    ({"zh-cn": "x", "Fn::Jq": "y"}, {"zh-cn": "x", "Fn::Jq": "y"}),
    ({"Ref": "Text", "x": 1}, {"Ref": "Text", "x": 1}),
]


@pytest.mark.parametrize(
    ("value", "result"), [row for row in TABLE if row[1] is not None or "Stack" not in str(row[0])]
)
def test_a_function_gives(value: Any, result: Any) -> None:
    found = compute(value)
    assert found == result
    assert isinstance(found, bool) == isinstance(result, bool)


def test_every_function_has_a_row() -> None:
    used = set(re.findall(r"'(Ref|Fn::\w+)'", str(TABLE)))
    assert set(FUNCTIONS) <= used


REFUSALS: list[tuple[Any, str, str]] = [
    (ref("Unknown"), "InvalidTemplateReference", '"Unknown" (in X.Ref)'),
    (ref("ALIYUN::Index"), "InvalidTemplateReference", '"ALIYUN::Index" (in X.Ref)'),
    (ref("zones"), "InvalidTemplateReference", '"zones"'),
    ({"Ref": ["Text"]}, "InvalidSchema", "X.Ref: the name must be text, not a list"),
    ({"Ref": ref("Text")}, "InvalidSchema", "X.Ref: the name must be text, not a map"),
    ({"Fn::GetAtt": "Vpc.Id"}, "InvalidSchema", "X.Fn::GetAtt: write [resource, attribute]"),
    ({"Fn::GetAtt": ["Vpc"]}, "InvalidSchema", "write [resource, attribute]"),
    ({"Fn::GetAtt": ["Vpc", 1]}, "InvalidSchema", "the attribute must be text, not a number"),
    (
        {"Fn::GetAtt": ["Vpc", ref("List")]},
        "StackValidationFailed",
        "of the attribute must be text, not a list",
    ),
    ({"Fn::GetAtt": ["Text", "Id"]}, "InvalidTemplateReference", '"Text" (in X.Fn::GetAtt)'),
    ({"Fn::Sub": "${Unknown}"}, "InvalidTemplateReference", '"Unknown" (in X.Fn::Sub)'),
    ({"Fn::Sub": "${Unknown.Id}"}, "InvalidTemplateReference", '"Unknown" (in X.Fn::Sub)'),
    ({"Fn::Sub": "${}"}, "InvalidTemplateReference", '""'),
    ({"Fn::Sub": ["a", ["b"]]}, "InvalidSchema", "X.Fn::Sub: write text, or [text, {name: value, ...}]"),
    ({"Fn::Sub": 1}, "InvalidSchema", "write text"),
    ({"Fn::Sub": ref("List")}, "StackValidationFailed", "the text must be text, not a list"),
    ({"Fn::Join": ["a"]}, "StackValidationFailed", "X.Fn::Join: write [separator, [item, ...]]"),
    ({"Fn::Join": [",", "abc"]}, "StackValidationFailed", "the second argument must be a list, not text"),
    ({"Fn::Join": [1, []]}, "StackValidationFailed", "the separator must be text, not a number"),
    ({"Fn::Join": [",", ["a", 1.5]]}, "StackValidationFailed", "item 1 must be"),
    ({"Fn::Join": [",", [["a"]]]}, "StackValidationFailed", "item 0 must be text, a whole number"),
    ({"a": [{"Fn::Join": 1}]}, "StackValidationFailed", "X.a[0].Fn::Join: "),
    (
        {"Fn::Join": [",", [{"Fn::Split": ["", "a"]}]]},
        "StackValidationFailed",
        "X.Fn::Join[1][0].Fn::Split: the",
    ),
    ({"Fn::Split": [",", ["a"]]}, "StackValidationFailed", "the second argument must be text, not a list"),
    ({"Fn::Replace": ["a", "b"]}, "StackValidationFailed", "the first argument must be a map, not text"),
    ({"Fn::Replace": [{"": "b"}, "b"]}, "StackValidationFailed", "must not be empty"),
    ({"Fn::Select": [0]}, "StackValidationFailed", "write [index or key, collection, default]"),
    ({"Fn::Select": ["x", ["a"]]}, "StackValidationFailed", "the index into a list must be a whole number"),
    ({"Fn::Select": ["::0", ["a"]]}, "StackValidationFailed", "the step of a slice must not be 0"),
    ({"Fn::Select": [0, 5]}, "StackValidationFailed", "the collection must be a list or a map, not a number"),
    ({"Fn::Select": [0, "[1"]}, "StackValidationFailed", "the text is no JSON"),
    ({"Fn::Select": [3, ["a"], None, "No zone is left"]}, "StackValidationFailed", "X.Fn::Select: No zone is left."),
    ({"Fn::If": ["Unknown", 1, 2]}, "InvalidTemplateReference", '"Unknown" (in X.Fn::If[0])'),
    ({"Fn::If": ["Yes", 1]}, "InvalidSchema", "X.Fn::If: write [condition, value if true, value if false]"),
    ({"Fn::If": [ref("Text"), 1, 2]}, "InvalidSchema", "X.Fn::If[0]: a condition must be true or false"),
    ({"Fn::And": ["Yes"]}, "InvalidSchema", "X.Fn::And: write a list of at least two conditions"),
    ({"Fn::Or": "Yes"}, "InvalidSchema", "X.Fn::Or: write a list of at least two conditions"),
    ({"Fn::Not": ["Yes"]}, "InvalidSchema", "X.Fn::Not: write one condition, not a list"),
    ({"Fn::Equals": [1]}, "StackValidationFailed", "X.Fn::Equals: write [value, value]"),
    (
        {"Fn::FindInMap": ["None", "x", "y"]},
        "StackValidationFailed",
        "X.Fn::FindInMap[0]: Mappings has no such map 'None'",
    ),
    (
        {"Fn::FindInMap": ["Sizes", "x", "huge"]},
        "StackValidationFailed",
        "[2]: Mappings has no such second key 'huge'.",
    ),
    ({"Fn::FindInMap": ["Sizes", ref("Text"), "a"]}, "StackValidationFailed", "[1]: Mappings has no such first key."),
    ({"Fn::FindInMap": ["Sizes", "x"]}, "InvalidSchema", "write [map, key, key]"),
    ({"Fn::GetAZs": "cn-nowhere"}, "StackValidationFailed", "X.Fn::GetAZs: no zone is known of this region"),
    ({"Fn::GetJsonValue": ["a", "{"]}, "StackValidationFailed", "X.Fn::GetJsonValue: the text is no JSON"),
    ({"Fn::GetJsonValue": ["a", "[" * 100_000]}, "StackValidationFailed", "the text is no JSON"),
    ({"Fn::GetJsonValue": ["a", "[1]"]}, "StackValidationFailed", "must be the JSON of a map, not a list"),
    ({"Fn::ListMerge": [["a"], "b"]}, "StackValidationFailed", "each part must be a list, not text"),
    ({"Fn::Base64Encode": ["a"]}, "StackValidationFailed", "the argument must be text, not a list"),
    ({"Fn::Base64Decode": "%"}, "StackValidationFailed", "no Base64"),
    ({"Fn::Base64Decode": "gIA="}, "StackValidationFailed", "no Base64 of UTF-8 text"),
    ({"Fn::Length": 1}, "StackValidationFailed", "the argument must be text, a list or a map"),
    ({"Fn::Any": [1]}, "StackValidationFailed", "each item must be true or false"),
    ({"Fn::Add": [1]}, "StackValidationFailed", "at least two"),
    ({"Fn::Add": [1, ["a"]]}, "StackValidationFailed", "all parts must be"),
    ({"Fn::Add": [True, 1]}, "StackValidationFailed", "all parts must be"),
    ({"Fn::MatchPattern": ["(", "a"]}, "StackValidationFailed", "no regular expression"),
    ({"Fn::MatchPattern": ["(?:(?:a?){9999}){9999}", "a" * 3000]}, "StackValidationFailed", "takes too long"),
    ({"Fn::Calculate": ["1/0", 0]}, "StackValidationFailed", "cannot be calculated"),
    ({"Fn::Calculate": ["1 +", 0]}, "StackValidationFailed", "the expression has no end"),
    ({"Fn::Calculate": ["", 0]}, "StackValidationFailed", "the expression has no end"),
    ({"Fn::Calculate": ["1 2", 0]}, "StackValidationFailed", "no sign between them"),
    ({"Fn::Calculate": ["(1", 0]}, "StackValidationFailed", "the expression has no end"),
    ({"Fn::Calculate": ["1)", 0]}, "StackValidationFailed", "do not match"),
    ({"Fn::Calculate": ["()", 0]}, "StackValidationFailed", "do not match"),
    ({"Fn::Calculate": ["* 1", 0]}, "StackValidationFailed", "no number before it"),
    ({"Fn::Calculate": ["2 ** 3", 0]}, "StackValidationFailed", "no number before it"),
    ({"Fn::Calculate": ["__import__('os')", 0]}, "StackValidationFailed", "something wrong at character 1"),
    ({"Fn::Calculate": ["{1}", 0, [1]]}, "StackValidationFailed", "the list has no number {1}"),
    ({"Fn::Calculate": ["(" * 999, 0]}, "StackValidationFailed", "the expression has no end"),
    ({"Fn::Calculate": ["1" * 2000, 0]}, "StackValidationFailed", "more than 1000 characters"),
    ({"Fn::Calculate": ["1", "x"]}, "StackValidationFailed", "the number of digits"),
    ({"Fn::Avg": [1, []]}, "StackValidationFailed", "the list is empty"),
    ({"Fn::Max": ["x"]}, "StackValidationFailed", "each item must be a number, not text"),
    ({"Fn::Cidr": ["10.0.0.1/8", 1, 8]}, "StackValidationFailed", "must be an IPv4 network"),
    ({"Fn::Cidr": ["10.0.0.0/24", 300, 8]}, "StackValidationFailed", "count 1-256"),
    ({"Fn::Cidr": ["10.0.0.0/24", 2, 8]}, "StackValidationFailed", "too small"),
    ({"Fn::FormatTime": ["%Y", "../../etc/passwd"]}, "StackValidationFailed", "the time zone is unknown"),
    ({"Fn::Indent": ["a", 21, 0, True]}, "StackValidationFailed", "write [text, width 0-20"),
    ({"Fn::Nonsense": 1}, "InvalidSchema", "X.Fn::Nonsense: Fn::Nonsense is no function"),
    *[({name: 1}, "NotSupported", f"X.{name}: the function {name} is not supported.") for name in sorted(UNSUPPORTED)],
]


@pytest.mark.parametrize(("value", "code", "words"), REFUSALS)
def test_a_function_refuses(value: Any, code: str, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        compute(value)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def doubled(times: int, value: Any) -> Any:
    for _ in range(times):
        value = {"Fn::Replace": [{"a": "aa" * 10}, value]}
    return value


@pytest.mark.parametrize(
    "value",
    [
        doubled(18, "a" * 1000),
        {"Fn::Join": ["x" * 300_000, ["y"] * 100_000]},
        {"Fn::Sub": ["${x}" * 100_000, {"x": "y" * 1000}]},
        {"Fn::Indent": ["\n".join("a" * 200_000), 20, 4, True]},
        [{"Fn::Join": ["", ["x" * 1_000_000]]} for _ in range(50)],
        {"Fn::MergeMapToList": [{f"k{n}": ["x"]} for n in range(2000)] + [{"z": ["x"] * 2000}]},
    ],
    ids=["replace", "join", "sub", "indent", "many", "merge"],
)
def test_results_have_an_end(value: Any) -> None:
    with pytest.raises(ApiError) as caught:
        compute(value)
    assert caught.value.code == "StackValidationFailed"
    assert "has more than" in str(caught.value) or "larger or deeper" in str(caught.value)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(-3, 3)
    | st.sampled_from(["", "a", "0", "Text", "${Text}", "1:2"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "Text", "0"]), inner, max_size=2)
        | st.dictionaries(st.sampled_from(sorted(FUNCTIONS)), inner, min_size=1, max_size=1)
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(FUNCTIONS)), ANYTHING)
def test_any_argument_gives_a_value_or_a_refusal(name: str, argument: Any) -> None:
    problem = ""
    try:
        compute({name: argument})
    except ApiError as error:
        problem = str(error)
    assert not problem or "X." in problem
    assert "\n" not in problem
