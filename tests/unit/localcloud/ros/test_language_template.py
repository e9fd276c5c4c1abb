"""The form of a template: sections, their entries, and the code of each refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.ros.template import Template, parse


def body(**sections: Any) -> str:
    return json.dumps({"ROSTemplateFormatVersion": "2015-09-01", "Resources": {}} | sections)


def refused(text: str) -> tuple[str, str]:
    with pytest.raises(ApiError) as caught:
        parse(text)
    assert caught.value.status == 400
    return caught.value.code, str(caught.value)


def test_all_sections_are_read() -> None:
    template = parse(
        """
        ROSTemplateFormatVersion: 2015-09-01
        Description: {en: A web server, zh-cn: 网站}
        Metadata: {ALIYUN::ROS::Interface: {ParameterGroups: []}}
        Parameters: {Zone: {Type: String, NoEcho: true, Default: null}}
        Mappings: {Sizes: {small: {1: 2}}}
        Conditions: {Always: {Fn::Equals: [1, 1]}}
        Locals: {Text: {Value: hello}}
        Rules: {R: {Assertions: []}}
        Resources:
          Vpc: {Type: ALIYUN::ECS::VPC}
          Web:
            Type: ALIYUN::ECS::InstanceGroup
            Properties: {VpcId: !Ref Vpc}
            DependsOn: Vpc
            Condition: Always
            DeletionPolicy: Retain
            UpdatePolicy: {RollingUpdateForOrigInstances: {MaxBatchSize: 2}}
            Metadata: {id: 1}
            Count: 2
        Outputs: {Id: {Value: !Ref Vpc, Description: the id, Condition: Always, NoEcho: true, Label: {en: Id}}}
        """
    )
    web = template.resources["Web"]
    assert (web.type, web.properties, web.depends_on) == (
        "ALIYUN::ECS::InstanceGroup",
        {"VpcId": {"Ref": "Vpc"}},
        ("Vpc",),
    )
    assert (web.condition, web.deletion_policy, web.count, web.metadata) == ("Always", "Retain", 2, {"id": 1})
    assert web.update_policy == {"RollingUpdateForOrigInstances": {"MaxBatchSize": 2}}
    assert template.resources["Vpc"].properties == {}
    assert template.resources["Vpc"].depends_on == ()
    assert template.parameters["Zone"].no_echo
    assert template.parameters["Zone"].has_default
    assert template.parameters["Zone"].default is None
    output = template.outputs["Id"]
    assert (output.value, output.description, output.condition, output.no_echo) == (
        {"Ref": "Vpc"},
        "the id",
        "Always",
        True,
    )
    assert template.mappings == {"Sizes": {"small": {"1": 2}}}
    assert template.locals["Text"].type == "Macro"
    assert template.description == {"en": "A web server", "zh-cn": "网站"}
    assert template.warnings == ()
    assert template.body["ROSTemplateFormatVersion"] == "2015-09-01"


def test_sections_with_nothing_below_are_empty() -> None:
    template = parse("ROSTemplateFormatVersion: '2015-09-01'\nParameters:\nResources: {}\nOutputs:\n")
    assert (template.parameters, template.resources, template.outputs) == ({}, {}, {})


def test_misspelt_keys_are_warnings() -> None:
    template: Template = parse(
        body(
            Resources={"Web": {"Type": "T", "DepensOn": "Vpc"}},
            Parameters={"P": {"Type": "String", "MaxLenght": 3}},
            Outputs={"O": {"Value": 1, "Nmae": 2}},
        )
    )
    assert template.warnings == (
        "Parameters.P.MaxLenght: unknown key, ignored",
        "Resources.Web.DepensOn: unknown key, ignored",
        "Outputs.O.Nmae: unknown key, ignored",
    )
    assert template.resources["Web"].depends_on == ()


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("- a", "InvalidTemplate", "not a map of sections"),
        ("just text", "InvalidTemplate", "not a map of sections"),
        ("Resources: {}", "InvalidTemplateVersion", "ROSTemplateFormatVersion is missing, write 2015-09-01"),
        (body(ROSTemplateFormatVersion="2010-09-09"), "InvalidTemplateVersion", "2010-09-09"),
        (body(ROSTemplateFormatVersion=20150901), "InvalidTemplateVersion", "20150901"),
        (body(Resource={}), "InvalidTemplateSection", "The template section is invalid: Resource."),
        (body(Workspace={}), "InvalidTemplateSection", "Workspace"),
        (body(Resources=None), "InvalidTemplateSection", "Resources (it is missing)"),
        (body(Resources=[]), "InvalidTemplateSection", "Resources (it must be a map, not a list)"),
        (body(Outputs="x"), "InvalidTemplateSection", "Outputs (it must be a map, not text)"),
        (body(Description=[]), "InvalidTemplateSection", "Description"),
        (body(Transform="Aliyun::Terraform-v1.5"), "NotSupported", "Transform: Aliyun::Terraform-v1.5"),
        (body(Transform=["Aliyun::OpenTofu-v1.8"]), "NotSupported", "Transform: Aliyun::OpenTofu-v1.8"),
        (body(Transform="Aliyun::Serverless-2018-04-03"), "NotSupported", "Aliyun::Serverless-2018-04-03"),
        ("Transform: Aliyun::Terraform-v1.5\nWorkspace: {main.tf: x}", "NotSupported", "Aliyun::Terraform-v1.5"),
        (body(Resources={"A": 1}), "InvalidSchema", "Resources.A: it must be a map, not a number"),
        (body(Resources={"A": {}}), "InvalidSchema", "Resources.A.Type: it is missing"),
        (body(Resources={"A": {"Type": []}}), "InvalidSchema", "Resources.A.Type: it must be text, not a list"),
        (body(Resources={"A/B": {"Type": "T"}}), "InvalidSchema", "Resources.A/B: the name must not"),
        (body(Outputs={"A/B": {"Value": 1}}), "InvalidSchema", "Outputs.A/B: the name must not"),
        (
            body(Resources={"A": {"Type": "T", "Properties": []}}),
            "InvalidTemplatePropertyType",
            "The specified value type of (Resources.A Properties) is incorrect.",
        ),
        (
            body(Resources={"A": {"Type": "T", "DependsOn": [1]}}),
            "InvalidTemplatePropertyType",
            "(Resources.A DependsOn)",
        ),
        (
            body(Resources={"A": {"Type": "T", "Condition": {}}}),
            "InvalidTemplatePropertyType",
            "(Resources.A Condition)",
        ),
        (body(Parameters={"P": {}}), "InvalidSchema", "Parameters.P.Type: it is missing"),
        (body(Parameters={"P": {"Type": "Text"}}), "InvalidSchema", "Parameters.P.Type: 'Text' is not a type"),
        (body(Parameters={"P": {"Type": ["String"]}}), "InvalidSchema", "Parameters.P.Type: it must be text"),
        (body(Parameters={"ALIYUN::P": {"Type": "String"}}), "InvalidSchema", "belong to the service"),
        (
            body(Parameters={"P": {"Type": "String", "AllowedValues": "a"}}),
            "InvalidTemplatePropertyType",
            "(Parameters.P AllowedValues)",
        ),
        (
            body(Parameters={"A": {"Type": "String"}}, Resources={"A": {"Type": "T"}}),
            "InvalidSchema",
            "Resources.A: the name is already used in Parameters",
        ),
        (
            body(Locals={"A": {"Value": 1}}, Resources={"A": {"Type": "T"}}),
            "InvalidSchema",
            "Locals.A: the name is already used in Resources",
        ),
        (body(Locals={"A": {"Type": "Eval"}}), "InvalidSchema", "Locals.A: Value is missing"),
        (body(Locals={"A": {"Type": "Lazy", "Value": 1}}), "InvalidSchema", "Locals.A.Type: 'Lazy' is not a type"),
        (body(Outputs={"O": {}}), "InvalidSchema", "Outputs.O: Value is missing"),
        (body(Mappings={"M": {"a": 1}}), "InvalidSchema", "Mappings.M.a: it must be a map"),
        (
            body(Parameters={f"P{n}": {"Type": "String"} for n in range(201)}),
            "InvalidTemplateSection",
            "201 parameters, allowed are 200",
        ),
        (
            body(Resources={f"R{n}": {"Type": "T"} for n in range(301)}),
            "InvalidTemplateSection",
            "301 resources, allowed are 300",
        ),
    ],
)
def test_a_template_is_refused(text: str, code: str, words: str) -> None:
    found, message = refused(text)
    assert found == code
    assert words in message
    assert "\n" not in message
