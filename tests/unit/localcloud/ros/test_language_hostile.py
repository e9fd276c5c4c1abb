"""Templates that mean harm, or nothing: each is ready or refused, soon, and tells no secret."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language import PSEUDO, Resources, known, program, properties, refused

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.ros.functions import FUNCTIONS as ALL
from opsctl.localcloud.ros.parameters import bind
from opsctl.localcloud.ros.program import compile, references
from opsctl.localcloud.ros.template import parse


def test_macros_that_double_have_an_end() -> None:
    bomb = {f"L{n}": {"Value": [{"Ref": f"L{n - 1}"}] * 10} for n in range(1, 30)} | {"L0": {"Value": "x"}}
    code, message = refused(_yaml(bomb))
    assert code == "InvalidSchema"
    assert "macros expand to more than a template can hold" in message


def test_evaluated_locals_that_double_have_an_end() -> None:
    bomb: dict[str, Any] = {
        f"L{n}": {"Type": "Eval", "Value": {"Fn::Join": ["", [{"Ref": f"L{n - 1}"}] * 10]}} for n in range(1, 30)
    }
    code, message = refused(_yaml({"L0": {"Type": "Eval", "Value": "x" * 100}, **bomb}))
    assert code == "StackValidationFailed"
    assert "has more than" in message


def test_long_chains_are_no_problem() -> None:
    conditions = {"C0": {"Fn::Equals": [1, 1]}} | {f"C{n}": {"Fn::Not": f"C{n - 1}"} for n in range(1, 2000)}
    chain = {"L0": {"Type": "Eval", "Value": 1}} | {
        f"L{n}": {"Type": "Eval", "Value": [{"Ref": f"L{n - 1}"}]} for n in range(1, 100)
    }
    ready = program(f"Conditions: {json.dumps(conditions)}\nLocals: {json.dumps(chain)}\nResources: {{}}")
    assert ready.conditions["C1999"] is False


def _yaml(locals_: dict[str, Any]) -> str:
    return f"Locals: {json.dumps(locals_)}\nResources: {{}}"


NAMES = [f"R{number}" for number in range(7)]
RESOURCES = st.fixed_dictionaries(
    {
        name: st.fixed_dictionaries(
            {"Type": st.just("T")},
            optional={
                "DependsOn": st.lists(st.sampled_from(NAMES), max_size=2),
                "Count": st.integers(0, 3),
                "Properties": st.fixed_dictionaries(
                    {},
                    optional={
                        "A": st.sampled_from(NAMES).map(lambda name: {"Ref": name}),
                        "B": st.sampled_from(NAMES).map(lambda name: {"Fn::Sub": f"${{{name}.Id}}"}),
                    },
                ),
            },
        )
        for name in NAMES
    }
)


@given(RESOURCES)
def test_the_order_keeps_every_dependency(resources: dict[str, Any]) -> None:
    try:
        ready = program(f"Resources: {json.dumps(resources)}")
    except ApiError as error:
        code = error.code
    else:
        code = ""
        place = {name: index for index, name in enumerate(ready.order)}
        assert set(place) == set(ready.resources)
        for name, node in ready.resources.items():
            assert all(place[other] < place[name] for other in node.depends_on)
            raw = resources[name.partition("[")[0]]
            wanted = {*raw.get("DependsOn", []), *references(raw.get("Properties", {}))}
            assert {other.partition("[")[0] for other in node.depends_on} == {
                other for other in wanted if resources[other].get("Count", 1)
            }
    assert code in ("", "CircularDependency")


FUNCTIONS = ["Ref", "Fn::GetAtt", "Fn::Sub", "Fn::If", "Fn::Not", "Fn::And", "Fn::Select", "Fn::Equals"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "A", "B", "P", "C", "L", "${A.Id}", "A[0]"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["A", "Value", "Type", "Properties", "Count", "Condition"]), inner, max_size=3
        )
        | st.dictionaries(
            st.sampled_from(
                ["Ref", "Fn::GetAtt", "Fn::Sub", "Fn::If", "Fn::Not", "Fn::And", "Fn::Select", "Fn::Equals"]
            ),
            inner,
            min_size=1,
            max_size=1,
        )
    ),
    max_leaves=10,
)
KEYS = st.sampled_from(["Properties", "Count", "DependsOn", "Condition", "DeletionPolicy"])
LOCAL = st.fixed_dictionaries({"Value": ANYTHING, "Type": st.sampled_from(["Eval", "Macro"])})
ENTRY = st.dictionaries(st.sampled_from(["A", "B", "C", "L", "P", "A[0]"]), ANYTHING, max_size=3)


def _resource(body: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "T", **body}


BODIES = st.fixed_dictionaries(
    {
        "Resources": st.dictionaries(
            st.sampled_from(["A", "B", "A[0]"]),
            st.dictionaries(
                st.sampled_from(["Properties", "Count", "DependsOn", "Condition", "DeletionPolicy"]),
                ANYTHING,
                max_size=3,
            ).map(_resource),
            max_size=3,
        )
    },
    optional={
        "Conditions": ENTRY,
        "Locals": st.dictionaries(
            st.sampled_from(["L", "M"]),
            st.fixed_dictionaries({"Value": ANYTHING, "Type": st.sampled_from(["Eval", "Macro"])}),
        ),
        "Rules": ENTRY,
        "Mappings": ENTRY,
        "Outputs": st.dictionaries(st.just("O"), st.fixed_dictionaries({"Value": ANYTHING}), max_size=1),
        "Parameters": st.just({"P": {"Type": "String", "Default": "p"}}),
    },
)


@given(BODIES)
def test_any_template_is_ready_or_refused(body: dict[str, Any]) -> None:
    problem = ""
    try:
        template = parse(json.dumps({"ROSTemplateFormatVersion": "2015-09-01", **body}))
        ready = compile(template, bind(template.parameters, {}), PSEUDO, known)
        for name in ready.order:
            properties(ready, name)
        for node in ready.outputs.values():
            ready.resolve_output(node, Resources())
    except ApiError as error:
        problem = str(error)
    assert "\n" not in problem


SECRETS = st.sampled_from(["Text", "Map", "List"]).map(lambda name: {"Ref": name})
LEAKS = st.recursive(
    SECRETS | st.sampled_from(["a", 0, "0", None, True]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(sorted(ALL)), inner, min_size=1, max_size=1)
    ),
    max_leaves=8,
)


@given(st.sampled_from(["Properties", "DependsOn", "Count", "DeletionPolicy", "Metadata"]), LEAKS, LEAKS)
def test_a_secret_never_appears_in_an_error(key: str, value: Any, condition: Any) -> None:
    body = {
        "ROSTemplateFormatVersion": "2015-09-01",
        "Parameters": {
            "Text": {"Type": "String", "NoEcho": True},
            "Map": {"Type": "Json", "NoEcho": True},
            "List": {"Type": "CommaDelimitedList", "NoEcho": True},
        },
        "Mappings": {"M": {"a": {"b": 1}}},
        "Conditions": {"C": {"Fn::Equals": [condition, 1]}},
        "Resources": {"A": {"Type": "T", key: {"X": value} if key == "Properties" else value}},
    }
    passed = {"Text": "s3cr3t", "Map": '{"s3cr3t-key": "s3cr3t"}', "List": "s3cr3t,x s3cr3t"}
    problem = ""
    try:
        template = parse(json.dumps(body))
        ready = compile(template, bind(template.parameters, passed), PSEUDO, known)
        for name in ready.order:
            properties(ready, name)
    except ApiError as error:
        problem = "".join(traceback.format_exception(error))
    assert "s3cr3t" not in problem


def test_functions_nest_no_deeper_than_on_the_service() -> None:
    def nested(times: int) -> str:
        return "{Fn::Str: " * times + "x" + "}" * times

    ready = program(f"Resources: {{A: {{Type: T, Properties: {{X: {nested(20)}, Y: {nested(21)}}}}}}}")
    raw = ready.resources["A"].properties
    assert ready.resolve(raw["X"], Resources(), "X") == "x"
    with pytest.raises(ApiError, match="functions are nested deeper than 20 levels"):
        ready.resolve(raw["Y"], Resources(), "Y")


def test_the_copies_of_a_large_resource_have_an_end() -> None:
    large = json.dumps(["x" * 100] * 4000)
    code, message = refused(f"Resources: {{A: {{Type: T, Count: 300, Properties: {{X: {large}}}}}}}")
    assert (code, "larger than a stack can hold" in message) == ("InvalidTemplateSection", True)
