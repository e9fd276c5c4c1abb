"""The life of a stack over the API: made, read, listed, protected, deleted; and what is refused."""

from __future__ import annotations

import pytest

from tests.integration.cloud.lab import Lab, Stack
from tests.integration.cloud.parts import att, condition, handle, piece, ref, sleep, template, vpc, vswitch

pytestmark = pytest.mark.docker

NETWORK = template(
    {
        "Vpc": vpc(VpcName=ref("Name")),
        "VSwitch": vswitch(ZoneId={"Fn::Select": [0, {"Fn::GetAZs": ref("ALIYUN::Region")}]}),
    },
    outputs={"Id": ref("Vpc"), "Router": att("Vpc", "VRouterId")},
    parameters={
        "Name": {"Type": "String", "Default": "net"},
        "Secret": {"Type": "String", "NoEcho": True, "Default": "x"},
    },
)


@pytest.fixture(scope="module")
def stack(cloud: Lab) -> Stack:
    """A stack that tests only read."""
    tags = [{"Key": "team", "Value": "ops"}]
    return cloud.create(NETWORK, {"Tags": tags}, Name="office", Secret="hush-hush")


def test_a_created_stack_says_what_it_is(stack: Stack) -> None:
    found = stack.get()
    assert found["Status"] == "CREATE_COMPLETE"
    assert found["StatusReason"] == "Stack CREATE completed successfully"
    assert (found["StackName"], found["StackId"], found["RegionId"]) == (stack.name, stack.id, "cn-hangzhou")
    assert found["Tags"] == [{"Key": "team", "Value": "ops"}]
    assert not found["CreateTime"].endswith("Z")
    assert found["TimeoutInMinutes"] == 60


def test_parameters_are_shown_with_pseudo_ones_and_secrets_masked(stack: Stack) -> None:
    shown = {row["ParameterKey"]: row["ParameterValue"] for row in stack.get()["Parameters"]}
    assert shown["Name"] == "office"
    assert shown["Secret"] == "******"
    assert shown["ALIYUN::StackName"] == stack.name
    assert shown["ALIYUN::StackId"] == stack.id
    assert shown["ALIYUN::NoValue"] == "None"


def test_outputs_are_computed_from_the_resources(stack: Stack, cloud: Lab) -> None:
    (found,) = cloud.ask("vpc", "DescribeVpcs", VpcId=stack.output("Id"))["Vpcs"]["Vpc"]
    assert found["VRouterId"] == stack.output("Router")
    assert found["VpcName"] == "office"
    assert found["VSwitchIds"]["VSwitchId"] == [stack.physical("VSwitch")]
    (switch,) = cloud.ask("vpc", "DescribeVSwitches", VpcId=found["VpcId"])["VSwitches"]["VSwitch"]
    assert (switch["ZoneId"], switch["CidrBlock"]) == ("cn-hangzhou-h", "192.168.0.0/24")


def test_events_have_the_order_and_the_words_of_the_real_service(stack: Stack) -> None:
    assert stack.events == [
        (stack.name, "CREATE_IN_PROGRESS", "Stack CREATE started"),
        ("Vpc", "CREATE_IN_PROGRESS", "state changed"),
        ("Vpc", "CREATE_COMPLETE", "state changed"),
        ("VSwitch", "CREATE_IN_PROGRESS", "state changed"),
        ("VSwitch", "CREATE_COMPLETE", "state changed"),
        (stack.name, "CREATE_COMPLETE", "Stack CREATE completed successfully"),
    ]


def test_an_event_shows_a_physical_id_only_once_there_is_one(stack: Stack, cloud: Lab) -> None:
    rows = cloud.ros("ListStackEvents", StackId=stack.id, LogicalResourceId=["Vpc"])["Events"]
    assert [row["PhysicalResourceId"] for row in rows] == [stack.physical("Vpc"), ""]
    assert {row["ResourceType"] for row in rows} == {"ALIYUN::ECS::VPC"}


def test_events_come_in_pages(stack: Stack, cloud: Lab) -> None:
    first = cloud.ros("ListStackEvents", StackId=stack.id, PageSize=4)
    second = cloud.ros("ListStackEvents", StackId=stack.id, PageSize=4, PageNumber=2)
    assert (first["TotalCount"], len(first["Events"]), len(second["Events"])) == (6, 4, 2)
    assert first["Events"][0]["Status"] == "CREATE_COMPLETE"
    assert second["Events"][-1]["StatusReason"] == "Stack CREATE started"


def test_stacks_are_listed_by_name_status_and_tag(stack: Stack, cloud: Lab) -> None:
    def names(**wanted: object) -> list[str]:
        return [row["StackName"] for row in cloud.ros("ListStacks", PageSize=50, **wanted)["Stacks"]]

    assert names(StackName=[stack.name]) == [stack.name]
    assert stack.name in names(StackName=["test-*"])
    assert stack.name in names(Status=["CREATE_COMPLETE"])
    assert stack.name not in names(Status=["CREATE_FAILED"])
    assert stack.name in names(Tag=[{"Key": "team", "Value": "ops"}])
    assert stack.name not in names(Tag=[{"Key": "team", "Value": "sales"}])


def test_a_resource_is_read_with_its_attributes(stack: Stack, cloud: Lab) -> None:
    found = cloud.ros("GetStackResource", StackId=stack.id, LogicalResourceId="Vpc", ShowResourceAttributes=True)
    attributes = {row["ResourceAttributeKey"]: row["ResourceAttributeValue"] for row in found["ResourceAttributes"]}
    assert attributes["VpcName"] == "office"
    assert attributes["VpcId"] == found["PhysicalResourceId"] == stack.physical("Vpc")
    refusal = cloud.refused("ros", "GetStackResource", StackId=stack.id, LogicalResourceId="Nobody")
    assert (refusal.status, refusal.code) == (404, "ResourceNotFound")


def test_the_template_comes_back_as_it_was_given(stack: Stack, cloud: Lab) -> None:
    assert cloud.ros("GetTemplate", StackId=stack.id)["TemplateBody"] == NETWORK


def test_a_deleted_stack_is_still_read_by_its_id(cloud: Lab) -> None:
    stack = cloud.create(NETWORK)
    vpc_id = stack.physical("Vpc")
    assert stack.delete().status == "DELETE_COMPLETE"
    assert stack.events[-6:] == [
        (stack.name, "DELETE_IN_PROGRESS", "Stack DELETE started"),
        ("VSwitch", "DELETE_IN_PROGRESS", "state changed"),
        ("VSwitch", "DELETE_COMPLETE", "state changed"),
        ("Vpc", "DELETE_IN_PROGRESS", "state changed"),
        ("Vpc", "DELETE_COMPLETE", "state changed"),
        (stack.name, "DELETE_COMPLETE", "Stack DELETE completed successfully"),
    ]
    assert cloud.ask("vpc", "DescribeVpcs", VpcId=vpc_id)["TotalCount"] == 0
    names = [row["StackName"] for row in cloud.ros("ListStacks", PageSize=50)["Stacks"]]
    assert stack.name not in names
    again = cloud.refused("ros", "DeleteStack", StackId=stack.id)
    assert (again.status, again.code) == (404, "StackNotFound")
    assert cloud.create(NETWORK, {"StackName": stack.name}).status == "CREATE_COMPLETE"


@pytest.mark.parametrize("action", ["GetStack", "UpdateStack", "DeleteStack", "ListStackEvents", "GetTemplate"])
def test_an_unknown_stack_is_not_found(cloud: Lab, action: str) -> None:
    refusal = cloud.refused("ros", action, StackId="f0f0f0f0-0000-0000-0000-000000000000")
    assert (refusal.status, refusal.code) == (404, "StackNotFound")
    assert "could not be found" in refusal.message


def test_a_name_is_taken_while_its_stack_lives(stack: Stack, cloud: Lab) -> None:
    for action in ("CreateStack", "PreviewStack"):
        refusal = cloud.refused("ros", action, StackName=stack.name, TemplateBody=NETWORK)
        assert (refusal.status, refusal.code) == (409, "StackExists")
        assert f"The Stack ({stack.name}) already exists." in refusal.message


@pytest.mark.parametrize("name", ["1st", "a b", "名", "a" * 256])
def test_stack_names_have_rules(cloud: Lab, name: str) -> None:
    refusal = cloud.refused("ros", "CreateStack", StackName=name, TemplateBody=NETWORK)
    assert (refusal.status, refusal.code) == (400, "InvalidParameter")
    assert "StackName" in refusal.message


def test_one_operation_at_a_time(cloud: Lab) -> None:
    stack = cloud.begin(template({"Handle": handle(), "Condition": condition(60)}))
    for action, more in (("UpdateStack", {"TemplateBody": NETWORK}), ("DeleteStack", {})):
        refusal = cloud.refused("ros", action, StackId=stack.id, **more)
        assert (refusal.status, refusal.code) == (409, "ActionInProgress")
        assert f"Stack {stack.name} already has an action (CREATE) in progress." in refusal.message
    cloud.ros("SignalResource", StackId=stack.id, LogicalResourceId="Handle", Status="SUCCESS", UniqueId="1")
    assert stack.ended().status == "CREATE_COMPLETE"


def test_a_protected_stack_is_not_deleted(cloud: Lab) -> None:
    stack = cloud.create(template({"Pause": sleep()}), {"DeletionProtection": "Enabled"})
    assert "DeletionProtection" in cloud.refused("ros", "DeleteStack", StackId=stack.id).code
    cloud.ros("SetDeletionProtection", StackId=stack.id, DeletionProtection="Disabled")
    assert stack.get()["DeletionProtection"] == "Disabled"
    assert stack.delete().status == "DELETE_COMPLETE"


def test_retained_resources_stay(cloud: Lab) -> None:
    body = template({"Kept": vpc(), "Policy": vpc(**{}) | {"DeletionPolicy": "Retain"}, "Gone": vpc()})
    stack = cloud.create(body)
    ids = {name: row["PhysicalResourceId"] for name, row in stack.resources.items()}
    refusal = cloud.refused("ros", "DeleteStack", StackId=stack.id, RetainResources=["Nobody"])
    assert (refusal.status, refusal.code) == (404, "ResourceNotFound")
    assert stack.delete(RetainResources=["Kept"]).status == "DELETE_COMPLETE"
    rows = cloud.ask("vpc", "DescribeVpcs", VpcId=",".join(ids.values()))["Vpcs"]["Vpc"]
    assert {row["VpcId"] for row in rows} == {ids["Kept"], ids["Policy"]}


def test_a_client_token_makes_one_stack_however_often_it_is_sent(cloud: Lab) -> None:
    fields = {"StackName": "once", "TemplateBody": template({"Pause": sleep()}), "ClientToken": "token-once"}
    first = cloud.ros("CreateStack", **fields)
    assert cloud.ros("CreateStack", **fields)["StackId"] == first["StackId"]
    other = cloud.refused("ros", "CreateStack", **{**fields, "StackName": "twice"})
    assert (other.status, other.code) == (400, "InvalidIdempotenceParameter")
    Stack(cloud, "once", first["StackId"]).ended()
    cloud.kill()
    cloud.up()
    assert cloud.ros("CreateStack", **fields)["StackId"] == first["StackId"]


def test_a_token_of_a_refused_call_can_be_used_again(cloud: Lab) -> None:
    fields = {"StackName": "second-try", "ClientToken": "token-again"}
    assert cloud.refused("ros", "CreateStack", TemplateBody="{}", **fields).status == 400
    assert cloud.ros("CreateStack", TemplateBody=template({"Pause": sleep()}), **fields)["StackId"]


def test_count_makes_copies(cloud: Lab) -> None:
    switch = vswitch({"Fn::Sub": "192.168.${ALIYUN::Index}.0/24"}) | {"Count": 3}  # type: ignore[arg-type]
    stack = cloud.create(template({"Vpc": vpc(), "Net": switch}, {"All": att("Net", "VSwitchId"), "Refs": ref("Net")}))
    assert stack.status == "CREATE_COMPLETE", stack.reason
    assert set(stack.resources) == {"Vpc", "Net[0]", "Net[1]", "Net[2]"}
    wanted = [stack.physical(f"Net[{index}]") for index in range(3)]
    assert stack.output("All") == stack.output("Refs") == wanted


def test_validate_template_describes_what_it_takes(cloud: Lab) -> None:
    found = cloud.ros("ValidateTemplate", TemplateBody=NETWORK)
    parameters = {row["ParameterKey"]: row for row in found["Parameters"]}
    assert parameters["Name"]["Default"] == "net"
    assert parameters["Secret"]["NoEcho"] == "true"
    assert found["ResourceTypes"]["Resources"] == ["ALIYUN::ECS::VPC", "ALIYUN::ECS::VSwitch"]
    assert [row["OutputKey"] for row in found["Outputs"]] == ["Id", "Router"]


def test_a_type_with_nothing_behind_it_is_refused_by_name_and_path(cloud: Lab) -> None:
    body = template({"Vpc": vpc(), "Db": piece("ALIYUN::RDS::DBInstance", {"Engine": "MySQL"})})
    for action in ("CreateStack", "PreviewStack"):
        refusal = cloud.refused("ros", action, StackName="unsupported", TemplateBody=body)
        assert (refusal.status, refusal.code) == (400, "NotSupported")
        assert "Resources.Db.Type" in refusal.message
        assert "ALIYUN::RDS::DBInstance" in refusal.message


@pytest.mark.parametrize(
    ("resource", "code", "words"),
    [
        (vpc(Colour="red"), "StackValidationFailed", "Resources.Bad.Properties.Colour"),
        (piece("ALIYUN::ECS::VSwitch", {"ZoneId": "cn-hangzhou-h"}), "StackValidationFailed", "not assigned"),
        (vpc(VpcName=ref("Nobody")), "InvalidTemplateReference", "Nobody"),
        (sleep(5000), "StackValidationFailed", "Resources.Bad.Properties.CreateDuration"),
        (vpc(Tags="x"), "StackValidationFailed", "Resources.Bad.Properties.Tags"),
        (vpc(Tags=["x"]), "StackValidationFailed", "Resources.Bad.Properties.Tags"),
        (vpc(Tags=[{"Value": "x"}]), "StackValidationFailed", "Resources.Bad.Properties.Tags"),
    ],
)
def test_a_wrong_property_is_refused_before_anything_is_made(
    cloud: Lab, resource: dict[str, object], code: str, words: str
) -> None:
    refusal = cloud.refused("ros", "CreateStack", StackName="bad", TemplateBody=template({"Bad": resource}))
    assert (refusal.status, refusal.code) == (400, code)
    assert words in refusal.message


def test_options_that_would_do_nothing_here_are_refused(cloud: Lab) -> None:
    body = template({"Pause": sleep()})
    for option in ({"CreateOption": "AbandonStackOnCreationComplete"}, {"StackPolicyBody": "{}"}):
        refusal = cloud.refused("ros", "CreateStack", StackName="options", TemplateBody=body, **option)
        assert refusal.code == "NotSupported"
        assert next(iter(option)) in refusal.message


def test_regions_are_described(cloud: Lab) -> None:
    (row,) = cloud.ros("DescribeRegions", AcceptLanguage="en-US")["Regions"]
    assert row["RegionId"] == "cn-hangzhou"
    assert row["RegionEndpoint"] == f"127.0.0.1:{cloud.choice.port}"
