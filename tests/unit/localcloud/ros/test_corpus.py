"""Every official template: it is read, bound and made ready, or refused for a reason that is written down here."""

from __future__ import annotations

import collections
import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.ros.parameters import bind, describe, masked
from opsctl.localcloud.ros.program import ZONES, Program, compile
from opsctl.localcloud.ros.template import ParameterSpec, Template, parse

pytestmark = pytest.mark.corpus

# Broken templates, which the real service cannot accept either.
BROKEN = {
    "compute-nest-best-practice/best_practice_parameters.yml": (
        "InvalidTemplateSection",
        "The template section is invalid: Resources (it is missing).",
    ),
    "compute-nest-best-practice/ecs-mysql-deploy/template.yaml": (
        "InvalidTemplate",
        "The template is invalid: line 262: the key 'InstanceName' appears twice in one map.",
    ),
    "compute-nest-best-practice/opensource/kubernetes/single.yaml": (
        "InvalidTemplateReference",
        'The specified reference "RegionId" (in Resources.InstanceRunCommand.Properties.CommandContent.Fn::Sub)'
        " is incorrect.",
    ),
    "documents/solution/high-availability-architecture/basic-highly-available-architecture.yml": (
        "InvalidTemplateReference",
        'The specified reference "Enable CDT" (in Conditions.EnableCDT.Fn::Equals[0].Ref) is incorrect.',
    ),
    "resources/dts/consumer-group.yml": (
        "InvalidTemplateReference",
        'The specified reference "ConsumerGroup.ConsumerGroupID" (in Outputs.ConsumerGroupID.Value.Fn::GetAtt)'
        " is incorrect.",
    ),
    "resources/vpc/nat-gateway-case1.yml": (
        "InvalidTemplateReference",
        'The specified reference "BandwidthPackage.BandwidthPackageId" (in Outputs.BandwidthPackageId.Value.Fn::GetAtt)'
        " is incorrect.",
    ),
}
# What this implementation leaves out, by the words after the path.
LEFT_OUT = (
    "the function Fn::Jq",
    "the function Fn::TransformNamespace",
    "the nested stack ALIYUN::ROS::Stack",
    "DATASOURCE::AppFlow::Validation",
    "DATASOURCE::EIP::Address",
    "DATASOURCE::MOBI::Workspaces",
)
PSEUDO = {
    "ALIYUN::AccountId": "1234567890123456",
    "ALIYUN::Region": "cn-hangzhou",
    "ALIYUN::ResourceGroupId": "rg-1",
    "ALIYUN::StackId": "4a6c9851-3b0f-4f5f-b4ca-a14bf691f2ff",
    "ALIYUN::StackName": "web",
    "ALIYUN::TenantId": "1234567890123456",
    ZONES: {"cn-hangzhou": ["cn-hangzhou-h", "cn-hangzhou-i"]},
}
# One of these keeps every pattern and length that official templates ask for.
SAMPLES = (
    "value{0}",
    "Passw0rd@{0}",
    "Passw0rd1{0}",
    "pass-word-{0}",
    "pass_word_{0}",
    "a{0}",
    "192.168.0.0/16",
    "192.168.{0}.0/24",
    "192.168.0.1",
    "www.example.com",
    "user@example.com",
    "https://example.com/",
    "13800000000",
    "ecs.g6.xlarge",
    "ecs.gn6.large",
    "ecs.u1-c1m2.large",
    "22/22",
    "{0}",
    "a,b",
    "x" * 16,
    "x" * 24,
    "x" * 32,
)


@dataclass(frozen=True)
class Case:
    name: str
    template: Template


@pytest.fixture(scope="module")
def texts(corpus: Path) -> dict[str, str]:
    folder = corpus / "ros-templates"
    found = {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.y*ml"))}
    assert len(found) > 500
    return found


@pytest.fixture(scope="module")
def cases(texts: dict[str, str]) -> list[Case]:
    return [Case(name, template) for name, text in texts.items() if (template := readable(text)) is not None]


def readable(text: str) -> Template | None:
    with contextlib.suppress(ApiError):
        return parse(text)
    return None


def problem(call: Any, *arguments: Any) -> tuple[str, str]:
    try:
        call(*arguments)
    except ApiError as error:
        return error.code, str(error)
    return "", ""


def plausible(spec: ParameterSpec, number: int) -> str:
    """A value that keeps the parameter's constraints; different parameters get different ones where they may."""
    attributes = spec.attributes
    if attributes.get("AllowedValues"):
        return str(attributes["AllowedValues"][0])
    if spec.type == "Number":
        return str(attributes.get("MinValue", 1))
    if spec.type in ("Boolean", "Json"):
        return {"Boolean": "true", "Json": '["a"]' if isinstance(spec.default, list) else '{"a": "b"}'}[spec.type]
    for sample in SAMPLES:
        value = sample.format(number)
        if not problem(bind, {spec.name: spec}, {spec.name: value})[0]:
            return value
    raise AssertionError(f"no plausible value for {spec.name}: {dict(attributes, Label=0, Description=0)}")


def ready(template: Template) -> Program:
    passed = {
        name: plausible(spec, number)
        for number, (name, spec) in enumerate(template.parameters.items(), start=10)
        if problem(bind, {name: spec}, {})[0]
    }
    return compile(template, bind(template.parameters, passed), PSEUDO, lambda type_: None)


def test_every_template_is_read_but_broken_ones(texts: dict[str, str]) -> None:
    refused = {name: found for name, text in texts.items() if (found := problem(parse, text))[0]}
    assert refused == {name: BROKEN[name] for name in refused}
    assert len(refused) == 2


def test_misspelt_keys_are_the_only_warnings(cases: list[Case]) -> None:
    keys = collections.Counter(
        re.findall(r"\.([^.]*): ", warning)[0] for case in cases for warning in case.template.warnings
    )
    assert keys == {"DepensOn": 2, "DependOn": 1, "Name": 1}


def test_defaults_bind_or_a_parameter_is_missing(cases: list[Case]) -> None:
    codes = collections.Counter(problem(bind, case.template.parameters, {})[0] for case in cases)
    assert set(codes) == {"", "UserParameterMissing"}
    assert codes[""] >= 60


def test_every_default_keeps_its_own_constraints(cases: list[Case]) -> None:
    for case in cases:
        for name, spec in case.template.parameters.items():
            assert problem(bind, {name: spec}, {})[0] in ("", "UserParameterMissing"), f"{case.name}: {name}"


def test_every_template_is_ready_or_refused_for_a_known_reason(cases: list[Case]) -> None:
    unknown = {}
    counts: collections.Counter[str] = collections.Counter()
    for case in cases:
        code, message = problem(ready, case.template)
        reason = message.removesuffix(" is not supported.").rpartition(": ")[2]
        counts[reason if code == "NotSupported" else code] += 1
        if code == "NotSupported" and reason in LEFT_OUT:
            continue
        if code and BROKEN.get(case.name) != (code, message):
            unknown[case.name] = (code, message)
    assert unknown == {}
    assert counts[""] >= 440
    assert counts["InvalidTemplateReference"] == 4


def programs(cases: list[Case]) -> Iterator[tuple[str, Program]]:
    for case in cases:
        with contextlib.suppress(ApiError):
            yield case.name, ready(case.template)


def test_the_order_of_every_template_keeps_its_dependencies(cases: list[Case]) -> None:
    for name, program in programs(cases):
        place = {resource: index for index, resource in enumerate(program.order)}
        assert set(place) == set(program.resources), name
        for node in program.resources.values():
            assert all(place[other] < place[node.logical_id] for other in node.depends_on), name


class Resources:
    """A stack in which everything exists: attributes are lists where their names are plural, JSON where they say so."""

    def ref(self, name: str) -> Any:
        return f"id-{name}"

    def attribute(self, resource: str, name: str) -> Any:
        if name in ("Data", "Tags"):
            return json.dumps({"1": "x"})
        return [f"{resource}.{name}.0", f"{resource}.{name}.1"] if name.endswith("s") else f"{resource}.{name}"


def test_properties_and_outputs_of_every_template_can_be_computed(cases: list[Case]) -> None:
    refused: dict[str, str] = {}
    computed = 0
    for name, program in programs(cases):
        for node in program.resources.values():
            path = f"Resources.{node.logical_id}.Properties"
            found = problem(program.resolve, node.properties, Resources(), path)
            computed += not found[0]
            if found[0]:
                refused[f"{name}: {path}"] = found[1]
        for output in program.outputs.values():
            found = problem(program.resolve_output, output, Resources())
            computed += not found[0]
            if found[0]:
                refused[f"{name}: Outputs.{output.name}"] = found[1]
    # What is left asks for the structure of an attribute, which made-up resources do not have.
    assert computed >= 4000
    assert len(refused) <= 40, refused
    for where, message in refused.items():
        assert message.startswith(where.partition(": ")[2]), (where, message)


def test_secrets_of_every_template_are_masked(cases: list[Case]) -> None:
    for case in cases:
        specs = case.template.parameters
        shown = masked(specs, dict.fromkeys(specs, "s3cr3t"))
        assert {name for name, value in shown.items() if value != "******"} == {
            name for name, spec in specs.items() if not spec.no_echo
        }
        json.dumps(describe(specs))
