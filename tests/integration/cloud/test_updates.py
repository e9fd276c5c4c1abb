"""Changing a stack: what happens to each resource, what a preview says beforehand, and what a failure leaves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.cloud.lab import Lab, Stack
from tests.integration.cloud.parts import allow, condition, group, handle, piece, ref, sleep, template, vpc, vswitch

pytestmark = pytest.mark.docker

REPLACE = {"ReplacementOption": "Enabled"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4bP0m7aLQ2rzXuXkBKtAZyr0rH7Rmc4xRcpdSN8Ctn test"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2mM0CwwZ8Zt4mT2dQ8hVn1g9L0fB7pVxB1qgq9o3yB test"


def failing(after: list[str]) -> dict[str, Any]:
    """Resources of which one cannot be made, once ``after`` are made or changed."""
    return {"Handle": handle(), "Bad": condition(1) | {"DependsOn": after}}


def key(body: str = KEY, name: str = "updates-key") -> dict[str, Any]:
    return piece("ALIYUN::ECS::SSHKeyPair", {"KeyPairName": name, "PublicKeyBody": body})


def fingerprint(cloud: Lab, stack: Stack) -> str:
    found = cloud.ros("GetStackResource", StackId=stack.id, LogicalResourceId="Key", ShowResourceAttributes=True)
    (row,) = [each for each in found["ResourceAttributes"] if each["ResourceAttributeKey"] == "KeyPairFingerPrint"]
    return str(row["ResourceAttributeValue"])


def vpcs(cloud: Lab, *ids: str) -> dict[str, dict[str, Any]]:
    rows = cloud.ask("vpc", "DescribeVpcs", VpcId=",".join(ids))["Vpcs"]["Vpc"]
    return {row["VpcId"]: row for row in rows}


def preview(cloud: Lab, stack: Stack, body: str, **options: Any) -> dict[str, tuple[str, str]]:
    """(action, replacement) by logical id."""
    rows = cloud.ros("PreviewStack", StackId=stack.id, TemplateBody=body, **options)["Stack"]["Resources"]
    return {row["LogicalResourceId"]: (row["Action"], row.get("Replacement", "")) for row in rows}


def test_an_update_adds_changes_in_place_and_removes(cloud: Lab) -> None:
    stack = cloud.create(template({"Vpc": vpc(VpcName="old"), "Same": vpc(), "Gone": vpc()}))
    before = {name: row["PhysicalResourceId"] for name, row in stack.resources.items()}
    body = template({"Vpc": vpc(VpcName="new"), "Same": vpc(), "More": vswitch()}, {"Net": ref("More")})
    assert preview(cloud, stack, body) == {
        "Vpc": ("Modify", "False"),
        "Same": ("None", ""),
        "More": ("Add", ""),
        "Gone": ("Remove", ""),
    }
    assert stack.update(body).status == "UPDATE_COMPLETE", stack.reason
    assert set(stack.resources) == {"Vpc", "Same", "More"}
    assert stack.physical("Vpc") == before["Vpc"]
    assert stack.output("Net") == stack.physical("More")
    known = vpcs(cloud, *before.values())
    assert known[before["Vpc"]]["VpcName"] == "new"
    assert before["Gone"] not in known
    started = stack.events.index((stack.name, "UPDATE_IN_PROGRESS", "Stack UPDATE started"))
    words = stack.events[started:]
    assert words[-1] == (stack.name, "UPDATE_COMPLETE", "Stack successfully updated")
    assert words[-2:-1] == [("Gone", "DELETE_COMPLETE", "state changed")]
    assert ("Vpc", "UPDATE_COMPLETE", "state changed") in words
    assert not [event for event in words if event[0] == "Same"]


def test_nothing_to_change_is_refused(cloud: Lab) -> None:
    parameters = {"Seconds": {"Type": "Number", "Default": 0}}
    body = template({"Pause": sleep(ref("Seconds"))}, parameters=parameters)  # type: ignore[arg-type]
    stack = cloud.create(body)
    for fields in ({}, {"Parameters": [{"ParameterKey": "Seconds", "ParameterValue": "0"}]}):
        refusal = cloud.refused("ros", "UpdateStack", StackId=stack.id, TemplateBody=body, **fields)
        assert (refusal.status, refusal.code) == (400, "NotSupported")
        assert "Update the completely same stack is not supported." in refusal.message
    dry = {"StackId": stack.id, "TemplateBody": template({"Pause": sleep(1)}), "DryRun": True}
    assert cloud.ros("UpdateStack", **dry)["StackId"] == stack.id
    assert stack.status == "CREATE_COMPLETE"


def test_previous_parameters_are_used_when_asked_for(cloud: Lab) -> None:
    def body(description: str, **names: str) -> str:
        wanted = {name: {"Type": "String", "Default": value} for name, value in names.items()}
        return template({"Vpc": vpc(VpcName=ref("Name"), Description=description)}, parameters=wanted)

    stack = cloud.create(body("a", Name="default", Spare="x"), Name="given", Spare="y")
    stack.update(body("b", Name="default"), {"UsePreviousParameters": True})
    assert vpcs(cloud, stack.physical("Vpc"))[stack.physical("Vpc")]["VpcName"] == "given"
    stack.update(body("c", Name="default"))
    assert vpcs(cloud, stack.physical("Vpc"))[stack.physical("Vpc")]["VpcName"] == "default"


def test_a_failed_update_leaves_everything_as_before(cloud: Lab) -> None:
    body = template({"Vpc": vpc(VpcName="old"), "Gone": vpc(VpcName="gone")})
    stack = cloud.create(body)
    before = stack.resources
    stack.update(template({"Vpc": vpc(VpcName="new"), "More": vpc()} | failing(["Vpc", "More"])))
    assert stack.status == "ROLLBACK_COMPLETE"
    assert "WaitConditionTimeout: resources.Bad: 0 of 1 received" in stack.reason
    after = stack.resources
    assert {name: row["PhysicalResourceId"] for name, row in after.items()} == {
        name: row["PhysicalResourceId"] for name, row in before.items()
    }
    assert vpcs(cloud, after["Vpc"]["PhysicalResourceId"]).popitem()[1]["VpcName"] == "old"
    made = cloud.ros("ListStackEvents", StackId=stack.id, LogicalResourceId=["More"], Status=["CREATE_COMPLETE"])
    assert vpcs(cloud, made["Events"][0]["PhysicalResourceId"]) == {}
    assert cloud.ros("GetTemplate", StackId=stack.id)["TemplateBody"] == body
    words = [event[1] for event in stack.events if event[0] == stack.name]
    assert words[-4:] == ["UPDATE_IN_PROGRESS", "UPDATE_FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]
    assert stack.update(template({"Vpc": vpc(VpcName="new")})).status == "UPDATE_COMPLETE"


def test_what_cannot_change_in_place_needs_leave_to_be_replaced(cloud: Lab) -> None:
    body = template({"Vpc": vpc("10.0.0.0/16"), "Net": vswitch("10.0.1.0/24")})
    stack = cloud.create(body)
    before = stack.resources
    wanted = template({"Vpc": vpc("10.0.0.0/16"), "Net": vswitch("10.0.2.0/24")})
    assert preview(cloud, stack, wanted) == {"Vpc": ("None", ""), "Net": ("Modify", "True")}
    assert stack.update(wanted).status == "ROLLBACK_COMPLETE"
    assert "resources.Net: Property CidrBlock cannot be updated in place" in stack.reason
    assert stack.physical("Net") == before["Net"]["PhysicalResourceId"]
    assert stack.update(wanted, REPLACE).status == "UPDATE_COMPLETE"
    assert stack.physical("Net") != before["Net"]["PhysicalResourceId"]
    rows = cloud.ask("vpc", "DescribeVSwitches", VpcId=stack.physical("Vpc"))["VSwitches"]["VSwitch"]
    assert [row["CidrBlock"] for row in rows] == ["10.0.2.0/24"]


def test_the_users_of_what_is_replaced_follow(cloud: Lab) -> None:
    def body(cidr: str) -> str:
        return template({"Vpc": vpc(cidr), "Net": vswitch("10.0.1.0/24"), "Group": group()})

    stack = cloud.create(body("10.0.0.0/16"))
    before = stack.physical("Vpc")
    assert preview(cloud, stack, body("10.0.0.0/8")) == {
        "Vpc": ("Modify", "True"),
        "Net": ("Modify", "True"),
        "Group": ("Modify", "True"),
    }
    assert stack.update(body("10.0.0.0/8"), REPLACE).status == "UPDATE_COMPLETE", stack.reason
    assert vpcs(cloud, before) == {}
    (row,) = vpcs(cloud, stack.physical("Vpc")).values()
    assert (row["CidrBlock"], row["VSwitchIds"]["VSwitchId"]) == ("10.0.0.0/8", [stack.physical("Net")])


def test_a_failed_replacement_gives_the_old_one_back(cloud: Lab) -> None:
    stack = cloud.create(template({"Vpc": vpc("10.0.0.0/16"), "Net": vswitch("10.0.1.0/24")}))
    before = {name: row["PhysicalResourceId"] for name, row in stack.resources.items()}
    wanted = {"Vpc": vpc("10.0.0.0/8"), "Net": vswitch("10.0.1.0/24")}
    stack.update(template(wanted | failing(["Net"])), REPLACE)
    assert stack.status == "ROLLBACK_COMPLETE", stack.reason
    assert {name: row["PhysicalResourceId"] for name, row in stack.resources.items()} == before
    rows = cloud.ros("ListStackEvents", StackId=stack.id, LogicalResourceId=["Vpc"], PageSize=50)["Events"]
    ids = {row["PhysicalResourceId"] for row in rows} - {""}
    assert len(ids) == 2
    assert set(vpcs(cloud, *ids)) == {before["Vpc"]}
    assert stack.delete().status == "DELETE_COMPLETE"


def test_a_replacement_under_the_same_name_that_cannot_be_is_undone(cloud: Lab) -> None:
    """A key pair's name is its id: both sides of its replacement carry the same one."""
    stack = cloud.create(template({"Key": key()}))
    before = fingerprint(cloud, stack)
    assert stack.update(template({"Key": key(OTHER_KEY)}), REPLACE).status == "ROLLBACK_COMPLETE", stack.reason
    assert "KeyPair.AlreadyExist" in stack.reason
    assert fingerprint(cloud, stack) == before
    assert stack.delete().status == "DELETE_COMPLETE"
    again = cloud.create(template({"Key": key(OTHER_KEY)}))
    assert again.status == "CREATE_COMPLETE", again.reason
    assert again.delete().status == "DELETE_COMPLETE"


def test_a_key_pair_of_another_stack_is_neither_taken_nor_removed(cloud: Lab) -> None:
    first = cloud.create(template({"Key": key(name="shared-key")}))
    second = cloud.create(template({"Key": key(OTHER_KEY, name="shared-key")}))
    assert second.status == "CREATE_ROLLBACK_COMPLETE"
    second.delete()
    assert fingerprint(cloud, first)


def test_a_changed_deletion_policy_counts_although_nothing_else_does(cloud: Lab) -> None:
    stack = cloud.create(template({"Kept": vpc(), "Gone": vpc() | {"DeletionPolicy": "Retain"}}))
    ids = {name: row["PhysicalResourceId"] for name, row in stack.resources.items()}
    stack.update(template({"Kept": vpc() | {"DeletionPolicy": "Retain"}, "Gone": vpc()}))
    assert stack.delete().status == "DELETE_COMPLETE"
    assert set(vpcs(cloud, *ids.values())) == {ids["Kept"]}


def test_a_rule_of_its_own_is_replaced_not_lost(cloud: Lab) -> None:
    def body(port: int, more: dict[str, Any]) -> str:
        rule = {"SecurityGroupId": ref("Group"), **allow(f"{port}/{port}")}
        return template(
            {"Vpc": vpc(), "Group": group(), "Rule": piece("ALIYUN::ECS::SecurityGroupIngress", rule)} | more
        )

    stack = cloud.create(body(80, {}))
    assert stack.update(body(81, failing(["Rule"])), REPLACE).status == "ROLLBACK_COMPLETE", stack.reason
    assert stack.update(body(82, {}), REPLACE).status == "UPDATE_COMPLETE", stack.reason
    assert stack.physical("Rule") == stack.physical("Group")


def test_tags_of_the_stack_reach_what_carries_tags(cloud: Lab) -> None:
    body = template({"Vpc": vpc(Tags=[{"Key": "own", "Value": "1"}])})
    stack = cloud.create(body, {"Tags": [{"Key": "team", "Value": "ops"}]})
    stack.update(body, {"Tags": [{"Key": "team", "Value": "dev"}]})
    assert stack.status == "UPDATE_COMPLETE", stack.reason
    (row,) = vpcs(cloud, stack.physical("Vpc")).values()
    assert row["Tags"]["Tag"] == [{"Key": "team", "Value": "dev"}, {"Key": "own", "Value": "1"}]


def test_a_failed_creation_leaves_nothing_but_the_stack(cloud: Lab) -> None:
    stack = cloud.create(template({"Vpc": vpc()} | failing(["Vpc"])))
    assert stack.status == "CREATE_ROLLBACK_COMPLETE"
    assert stack.reason.endswith("WaitConditionTimeout: resources.Bad: 0 of 1 received")
    made = cloud.ros("ListStackEvents", StackId=stack.id, LogicalResourceId=["Vpc"], Status=["CREATE_COMPLETE"])
    assert vpcs(cloud, made["Events"][0]["PhysicalResourceId"]) == {}
    assert stack.resources == {}
    taken = cloud.refused("ros", "CreateStack", StackName=stack.name, TemplateBody=template({"Vpc": vpc()}))
    assert taken.code == "StackExists"
    assert stack.delete().status == "DELETE_COMPLETE"


def test_without_rollback_what_was_made_stays_until_it_is_deleted(cloud: Lab) -> None:
    stack = cloud.create(template({"Vpc": vpc()} | failing(["Vpc"])), {"DisableRollback": True})
    assert stack.status == "CREATE_FAILED"
    assert stack.reason == "Resource CREATE failed: WaitConditionTimeout: resources.Bad: 0 of 1 received"
    assert {name: row["Status"] for name, row in stack.resources.items()} == {
        "Vpc": "CREATE_COMPLETE",
        "Handle": "CREATE_COMPLETE",
        "Bad": "CREATE_FAILED",
    }
    vpc_id = stack.physical("Vpc")
    assert vpc_id in vpcs(cloud, vpc_id)
    assert stack.delete().status == "DELETE_COMPLETE"
    assert vpcs(cloud, vpc_id) == {}


def test_a_failed_stack_can_be_mended_by_an_update(cloud: Lab) -> None:
    stack = cloud.create(template({"Vpc": vpc()} | failing(["Vpc"])), {"DisableRollback": True})
    vpc_id = stack.physical("Vpc")
    assert stack.update(template({"Vpc": vpc(), "Pause": sleep()})).status == "UPDATE_COMPLETE", stack.reason
    assert set(stack.resources) == {"Vpc", "Pause"}
    assert stack.physical("Vpc") == vpc_id


def test_what_others_still_use_cannot_be_deleted_and_is_when_they_are_gone(cloud: Lab) -> None:
    base = cloud.create(template({"Vpc": vpc()}, {"Id": ref("Vpc")}))
    user = cloud.create(template({"Net": vswitch(VpcId=base.output("Id"))}))
    assert base.delete().status == "DELETE_FAILED"
    assert "DependencyViolation: resources.Vpc" in base.reason
    assert base.resources["Vpc"]["Status"] == "DELETE_FAILED"
    user.delete()
    assert base.delete().status == "DELETE_COMPLETE"


def test_a_preview_of_a_new_stack_shows_what_would_be(cloud: Lab) -> None:
    body = template({"Vpc": vpc(), "Net": vswitch(VSwitchName={"Fn::Sub": "${ALIYUN::StackName}-net"})})
    found = cloud.ros("PreviewStack", StackName="previewed", TemplateBody=body)["Stack"]
    rows = {row["LogicalResourceId"]: row for row in found["Resources"]}
    assert {row["Action"] for row in rows.values()} == {"Add"}
    assert rows["Net"]["Properties"]["VSwitchName"] == "previewed-net"
    assert rows["Vpc"]["RequiredBy"] == ["Net"]
    assert cloud.ros("ListStacks", StackName=["previewed"])["TotalCount"] == 0
