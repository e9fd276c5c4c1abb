"""Parameters: types, constraints, defaults, and secrets that stay secret."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.ros.parameters import bind, describe, masked
from opsctl.localcloud.ros.template import ParameterSpec


def spec(type_: str = "String", **attributes: Any) -> dict[str, ParameterSpec]:
    return {"P": ParameterSpec("P", type_, {"Type": type_, **attributes})}


def refused(specs: dict[str, ParameterSpec], passed: dict[str, str | None]) -> tuple[str, str]:
    with pytest.raises(ApiError) as caught:
        bind(specs, passed)
    assert "\n" not in str(caught.value)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize(
    ("type_", "given_", "value"),
    [
        ("String", "x", "x"),
        ("String", "", ""),
        ("Number", "10", 10),
        ("Number", "-3", -3),
        ("Number", "1.5", 1.5),
        ("Number", "1e3", 1000.0),
        ("Number", " 7 ", 7),
        ("Boolean", "true", True),
        ("Boolean", "T", True),
        ("Boolean", "1", True),
        ("Boolean", "YES", True),
        ("Boolean", "on", True),
        ("Boolean", "y", True),
        ("Boolean", "False", False),
        ("Boolean", "0", False),
        ("Boolean", "off", False),
        ("CommaDelimitedList", "a, b,c", ["a", "b", "c"]),
        ("CommaDelimitedList", "", []),
        ("CommaDelimitedList", "a", ["a"]),
        ("Json", '{"a": [1, null]}', {"a": [1, None]}),
        ("Json", "[1]", [1]),
        ("ALIYUN::OOS::Parameter::Value", "name", "name"),
    ],
)
def test_a_text_becomes_a_typed_value(type_: str, given_: str, value: Any) -> None:
    bound = bind(spec(type_), {"P": given_})["P"]
    assert bound == value
    assert type(bound) is type(value)


@pytest.mark.parametrize(
    ("type_", "default", "value"),
    [
        ("String", 10, "10"),
        ("String", True, "true"),
        ("String", None, None),
        ("Number", "2", 2),
        ("Number", 2.5, 2.5),
        ("Boolean", "yes", True),
        ("Boolean", False, False),
        ("CommaDelimitedList", ["a", 1], ["a", "1"]),
        ("CommaDelimitedList", "a,b", ["a", "b"]),
        ("Json", {"a": 1}, {"a": 1}),
        ("Json", '{"a": 1}', {"a": 1}),
    ],
)
def test_a_default_is_used_when_nothing_is_passed(type_: str, default: Any, value: Any) -> None:
    assert bind(spec(type_, Default=default), {})["P"] == value


def test_a_passed_value_wins_over_the_previous_one_and_that_over_the_default() -> None:
    specs = spec(Default="default")
    assert bind(specs, {"P": "passed"}, {"P": "previous"})["P"] == "passed"
    assert bind(specs, {}, {"P": "previous", "Gone": "x"})["P"] == "previous"
    assert bind(specs, {"P": None}, {"P": "previous"})["P"] == "previous"
    assert bind(specs, {})["P"] == "default"


def test_a_null_default_skips_every_constraint() -> None:
    assert bind(spec(Default=None, MinLength=5, AllowedPattern="x+", AllowedValues=["x"]), {})["P"] is None


def test_a_parameter_must_be_known_and_passed() -> None:
    assert refused(spec(), {}) == ("UserParameterMissing", "The Parameter P was not provided.")
    assert refused(spec(), {"P": "x", "Q": "y"}) == (
        "UnknownUserParameter",
        "The Parameter (Q) was not defined in template.",
    )


@pytest.mark.parametrize(
    ("type_", "attributes", "given_", "words"),
    [
        ("Number", {}, "ten", "Parameters.P: must be a number, not 'ten'."),
        ("Number", {}, "1_000", "must be a number"),
        ("Number", {}, "nan", "must be a number"),
        ("Number", {}, "1e999", "must be a number"),
        ("Number", {}, "9" * 10_000, "must be a number"),
        ("Number", {}, "", "must be a number"),
        ("Number", {"MinValue": 2}, "1", "must be at least 2, not '1'"),
        ("Number", {"MaxValue": "5"}, "6", "must be at most 5, not '6'"),
        ("Number", {"AllowedValues": [1, "2"]}, "3", "must be one of 1, 2, not '3'"),
        ("Boolean", {}, "maybe", "must be true or false"),
        ("Boolean", {"AllowedValues": [True]}, "no", "must be one of true"),
        ("Json", {}, "{", "must be JSON: Expecting property name"),
        ("Json", {}, '{"a": NaN}', "must be JSON"),
        ("Json", {}, "[" * 100_000, "must be JSON"),
        ("Json", {}, "[" * 60 + "]" * 60, "at most 50 levels"),
        ("Json", {}, '"\\ud800"', "must be JSON"),
        ("Json", {"MinLength": 2}, "[1]", "at least 2 items, not 1"),
        ("String", {"MinLength": 3}, "ab", "at least 3 characters, not 2"),
        ("String", {"MaxLength": "3"}, "abcd", "at most 3 characters, not 4"),
        ("String", {"AllowedValues": ["a", "b"]}, "c", "must be one of a, b, not 'c'"),
        ("String", {"AllowedPattern": "[a-z]+"}, "abc1", "must match the pattern [a-z]+, not 'abc1'"),
        ("CommaDelimitedList", {"AllowedValues": ["a", "b"]}, "a,c", "must be one of a, b, not 'c'"),
        ("CommaDelimitedList", {"MaxLength": 1}, "a,c", "at most 1 items, not 2"),
        (
            "String",
            {"AllowedPattern": "[a-z]+", "ConstraintDescription": {"en": "Small letters.", "zh-cn": "小写"}},
            "A",
            "not 'A' (Small letters).",
        ),
        ("String", {"AllowedValues": ["a"], "ConstraintDescription": "Only a"}, "b", "(Only a)."),
    ],
)
def test_a_value_must_keep_the_constraints(type_: str, attributes: dict[str, Any], given_: str, words: str) -> None:
    code, message = refused(spec(type_, **attributes), {"P": given_})
    assert code == "StackValidationFailed"
    assert message.startswith("Parameters.P: ")
    assert words in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z\d]{8,30}$", "Passw0rdPassw0rd"),
        (r"[0-9A-Za-z\_\-\&:;'<>,=%`~!@#\(\)\$\^\*\+\|\{\}\[\]\.\?\/]+$", "Aa1!_-"),
        (r"^((25[0-5]|2[0-4]\d|[01]?\d?\d)\.){3}(25[0-5]|2[0-4]\d|[01]?\d?\d)$", "192.168.0.1"),
        (r"^[\u4e00-\u9fa5a-z]+$", "服务器a"),
    ],
)
def test_a_pattern_matches_the_whole_value(pattern: str, value: str) -> None:
    assert bind(spec(AllowedPattern=pattern), {"P": value})["P"] == value
    assert refused(spec(AllowedPattern=pattern), {"P": value + "\n "})[0] == "StackValidationFailed"


def test_a_pattern_that_takes_too_long_is_refused() -> None:
    code, message = refused(spec(AllowedPattern="(?:(?:a?){9999}){9999}"), {"P": "a" * 3000})
    assert (code, message) == (
        "StackValidationFailed",
        "Parameters.P.AllowedPattern: the pattern takes too long on this value.",
    )


def test_a_pattern_that_is_none_is_refused() -> None:
    assert refused(spec(AllowedPattern="("), {"P": "x"})[1].startswith(
        "Parameters.P.AllowedPattern: the pattern is no regular expression"
    )
    assert refused(spec(AllowedPattern=["x"]), {"P": "x"})[0] == "InvalidTemplatePropertyType"
    assert refused(spec(MinLength="many"), {"P": "x"})[0] == "InvalidTemplatePropertyType"


def test_a_parameter_of_the_store_has_no_pattern() -> None:
    specs = spec("ALIYUN::OOS::SecretParameter::Value", AllowedPattern="x")
    assert bind(specs, {"P": "name/of/secret"})["P"] == "name/of/secret"


SECRET = st.text('0123456789abcdefXYZ!{}[]",: ', min_size=8, max_size=40).map(lambda tail: f"s3cr3t-{tail}")


@given(
    secret=SECRET,
    type_=st.sampled_from(["String", "Number", "Boolean", "Json", "CommaDelimitedList"]),
    attributes=st.fixed_dictionaries(
        {},
        optional={
            "AllowedValues": st.lists(st.sampled_from(["a", "b", 1]), min_size=1, max_size=2),
            "AllowedPattern": st.sampled_from(["[a-z]+", "(", "(a+)+b"]),
            "MinLength": st.integers(50, 60),
            "MaxLength": st.integers(0, 5),
            "MinValue": st.integers(0, 5),
            "ConstraintDescription": st.just("No."),
        },
    ),
)
def test_a_secret_never_appears_in_an_error(secret: str, type_: str, attributes: dict[str, Any]) -> None:
    specs = spec(type_, NoEcho=True, **attributes)
    try:
        shown = str(masked(specs, bind(specs, {"P": secret})))
    except ApiError as error:
        # What a log would print of it, with all that it hides or chains.
        shown = "".join(traceback.format_exception(error))
    assert "s3cr3t" not in shown


def test_values_are_shown_as_text() -> None:
    specs = {
        name: ParameterSpec(name, "String", {"Type": "String", "NoEcho": name == "Secret"})
        for name in ("Text", "Number", "Flag", "List", "Json", "Null", "Secret")
    }
    values = {
        "Text": "x",
        "Number": 1.5,
        "Flag": True,
        "List": ["a", "b"],
        "Json": {"a": [1]},
        "Null": None,
        "Secret": "y",
    }
    assert masked(specs, values) == {
        "Text": "x",
        "Number": "1.5",
        "Flag": "true",
        "List": "a,b",
        "Json": '{"a": [1]}',
        "Null": "",
        "Secret": "******",
    }


def test_values_shown_can_be_bound_again() -> None:
    specs = {
        "N": ParameterSpec("N", "Number", {"Type": "Number"}),
        "B": ParameterSpec("B", "Boolean", {"Type": "Boolean"}),
        "L": ParameterSpec("L", "CommaDelimitedList", {"Type": "CommaDelimitedList"}),
        "J": ParameterSpec("J", "Json", {"Type": "Json"}),
    }
    values = bind(specs, {"N": "2", "B": "no", "L": "a,b", "J": json.dumps({"a": ["x", "y"]})})
    assert bind(specs, {}, masked(specs, values)) == values


def test_parameters_are_described_as_the_template_says() -> None:
    specs = spec(Default="x", NoEcho="True", AllowedValues=["x"], Label={"en": "P"}, MinLength=1)
    assert describe(specs) == [
        {
            "ParameterKey": "P",
            "Type": "String",
            "Default": "x",
            "NoEcho": "true",
            "AllowedValues": ["x"],
            "Label": {"en": "P"},
            "MinLength": 1,
        }
    ]
    assert describe(spec())[0]["NoEcho"] == "false"
