"""Values checked against what roles and templates say, as Ansible would take them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given as cases
from hypothesis import strategies as st

from opsctl.errors import UsageError
from opsctl.parameters import Parameter, checked, from_role, from_template, given


def read(_: str) -> str:
    raise AssertionError("nothing is to be read")


def typed(text: str, kind: str = "str", **more: Any) -> Any:
    known = {"p": Parameter("p", kind, "role", "r", **more)}
    return checked(given([f"p={text}"], read), known)["p"]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("", "str", ""),
        ("a=b", "str", "a=b"),
        ("1", "str", "1"),
        ("1", "int", 1),
        ("-7", "int", -7),
        ("1.5", "float", 1.5),
        ("2.0", "float", 2),
        ("yes", "bool", True),
        ("Off", "bool", False),
        ("a, b", "list", ["a", "b"]),
        ('["a,b", 1]', "list", ["a,b", 1]),
        ("", "list", []),
        ("{a: 1}", "dict", {"a": 1}),
        ('{"a": 1}', "json", {"a": 1}),
        ("/x", "path", "/x"),
        ("3", "raw", 3),
    ],
)
def test_text_becomes_what_the_parameter_wants(text: str, kind: str, value: Any) -> None:
    found = typed(text, kind)
    assert found == value
    assert type(found) is type(value) or kind == "str"


@pytest.mark.parametrize(
    ("text", "kind"),
    [("x", "int"), ("1.5", "int"), ("x", "float"), ("maybe", "bool"), ("a", "dict"), ("[", "list"), ("{", "json")],
)
def test_what_does_not_fit_is_refused(text: str, kind: str) -> None:
    with pytest.raises(UsageError, match="Parameter p: want"):
        typed(text, kind)


@cases(st.text(), st.sampled_from(["str", "int", "float", "bool", "list", "dict", "json", "path", "raw"]))
def test_any_text_is_taken_or_refused(text: str, kind: str) -> None:
    with suppress(UsageError):
        typed(text, kind)


@cases(st.lists(st.text(min_size=1)))
def test_any_options_are_taken_or_refused(texts: list[str]) -> None:
    try:
        values = given(texts, lambda _: "a: 1")
    except UsageError:
        return
    assert all(isinstance(name, str) for name in values)


def test_later_options_win() -> None:
    assert given(["a=1", '{"a": 2, "b": 3}', "@file", "b=4"], lambda _: "a: 5\nc: 6") == {"a": 5, "b": "4", "c": 6}


def test_elements_and_choices_are_checked() -> None:
    assert typed("1,2", "list", elements="int") == [1, 2]
    with pytest.raises(UsageError, match="whole number"):
        typed("1,x", "list", elements="int")
    with pytest.raises(UsageError, match='"c" is not one of a, b'):
        typed("a,c", "list", choices=("a", "b"))


def test_ansible_s_own_variables_pass() -> None:
    with pytest.raises(UsageError, match="Parameter ansible_x: want YAML"):
        checked(given(["ansible_x=["], read), {})
    assert checked(given(["ansible_user=root", "ansible_port=22"], read), {}) == {
        "ansible_user": "root",
        "ansible_port": 22,
    }


def test_a_role_s_parameters() -> None:
    (one, two) = from_role(
        "r",
        {
            "size": {"type": "int", "default": 3, "description": ["How many.", "At least one."]},
            "password": {"no_log": True, "required": True, "description": {"en": "Secret.", "zh": "密码。"}},
        },
    )
    assert (one.type, one.default, one.help) == ("int", 3, {"en": "How many. At least one."})
    assert (two.secret, two.required, two.help) == (True, True, {"en": "Secret.", "zh": "密码。"})
    assert two.plain()["default"] is None


def test_a_template_s_parameters() -> None:
    (one, two) = from_template(
        "stack.ros.yml",
        {
            "Nodes": {"Type": "Number", "MinValue": 1, "Default": 3, "Label": {"en": "Nodes", "zh-cn": "节点"}},
            "Password": {
                "Type": "String",
                "NoEcho": "true",
                "MinLength": "8",
                "AllowedPattern": "[a-z]+",
                "Description": "x",
            },
        },
    )
    assert (one.type, one.least, one.required, one.help) == ("float", 1, False, {"en": "Nodes", "zh": "节点"})
    assert (two.secret, two.required, two.shortest) == (True, True, 8)
    with pytest.raises(UsageError, match=r"^Parameter Password: the value is shorter than 8 characters$"):
        checked({"Password": "abc"}, {"Password": two})


@pytest.mark.corpus
def test_parameters_of_all_official_templates_are_read(corpus: Any) -> None:
    count = 0
    for path in sorted((corpus / "ros-templates").rglob("*.yml"))[:400]:
        from opsctl.scenarios import load

        template = load(path)
        if isinstance(template, dict):
            count += len(from_template(path.name, template.get("Parameters") or {}))
    assert count > 1000
