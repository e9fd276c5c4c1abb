# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible.module_utils.basic import AnsibleModule

TEMPLATE = {
    "ROSTemplateFormatVersion": "2015-09-01",
    "Parameters": {"N": {"Type": "Number"}, "Password": {"Type": "String", "NoEcho": True}},
    "Resources": {"Net": {"Type": "ALIYUN::ECS::VPC"}, "Nodes": {"Type": "ALIYUN::ECS::InstanceGroup"}},
    "Outputs": {"Endpoint": {"Value": "10.0.0.1"}},
}
BIGGER = {**TEMPLATE, "Resources": {**TEMPLATE["Resources"], "Disk": {"Type": "ALIYUN::ECS::Disk"}}}
GIVEN = {"name": "cache", "template_body": TEMPLATE, "parameters": {"N": 3}}
CANARY = "CANARY-of-a-parameter"


def test_a_stack_is_made_and_told(cloud, play):
    result = play("ros_stack", **GIVEN, tags={"team": "a"}, timeout_in_minutes=30, deletion_protection=True)
    assert result["changed"] is True
    assert result["stack"]["status"] == "CREATE_COMPLETE"
    assert result["stack"]["outputs"] == {"Endpoint": "10.0.0.1"}
    assert result["stack"]["parameters"] == {"N": "3"}
    assert result["stack"]["tags"] == {"team": "a"}
    assert result["stack"]["deletion_protection"] is True
    assert dict(cloud.calls)["CreateStack"]["TimeoutInMinutes"] == "30"


@pytest.mark.parametrize("mode", [{}, {"check": True}, {"diff": True}])
def test_a_second_time_changes_nothing_and_writes_nothing(cloud, play, mode):
    play("ros_stack", **GIVEN)
    cloud.calls.clear()
    result = play("ros_stack", **GIVEN, **mode)
    assert result["changed"] is False
    assert result["diff"] == {"before": {}, "after": {}}
    assert cloud.writes() == []


@pytest.mark.parametrize(
    ("now", "given", "actions"),
    [
        (None, {}, {"Net": "Add", "Nodes": "Add"}),
        (TEMPLATE, {"template_body": BIGGER}, {"Net": "None", "Nodes": "None", "Disk": "Add"}),
        (BIGGER, {}, {"Net": "None", "Nodes": "None", "Disk": "Remove"}),
        (TEMPLATE, {"parameters": {"N": 4}}, {"Net": "Modify", "Nodes": "Modify"}),
        (TEMPLATE, {"state": "absent"}, {"Net": "Remove", "Nodes": "Remove"}),
    ],
)
def test_check_mode_writes_nothing_and_tells_what_would_be_done(cloud, play, now, given, actions):
    if now:
        cloud.add("cache", now, parameters={"N": "3"})
    told = play("ros_stack", check=True, diff=True, **{**GIVEN, **given})
    assert cloud.writes() == []
    assert {one["logical_id"]: one["action"] for one in told["resources"]} == actions
    done = play("ros_stack", diff=True, **{**GIVEN, **given})
    assert told["changed"] is done["changed"] is True
    assert told["diff"] == done["diff"]
    assert set(told) == set(done)
    assert cloud.writes() != []


def test_a_template_file_in_yaml_is_the_same_as_the_json_that_is_there(cloud, play, tmp_path):
    play("ros_stack", **GIVEN)
    path = tmp_path / "t.yml"
    path.write_text("# same\n" + json.dumps(TEMPLATE, indent=2))
    result = play("ros_stack", name="cache", template=str(path), parameters={"N": 3.0})
    assert result["changed"] is False


def test_what_is_not_set_stays_as_it_is(cloud, play):
    play("ros_stack", **GIVEN, tags={"team": "a"})
    result = play("ros_stack", name="cache", parameters={"N": 5})
    assert result["changed"] is True
    assert result["stack"]["parameters"]["N"] == "5"
    assert result["stack"]["tags"] == {"team": "a"}
    assert play("ros_stack", name="cache")["changed"] is False


def test_tags_are_added_and_removed_only_when_asked_for(cloud, play):
    play("ros_stack", **GIVEN, tags={"a": "1"})
    assert play("ros_stack", name="cache", tags={"b": 2})["stack"]["tags"] == {"a": "1", "b": "2"}
    assert play("ros_stack", name="cache", tags={"b": 2}, purge_tags=True)["stack"]["tags"] == {"b": "2"}
    assert play("ros_stack", name="cache", tags={}, purge_tags=True)["stack"]["tags"] == {}
    assert play("ros_stack", name="cache", tags={}, purge_tags=True)["changed"] is False


def test_the_service_decides_about_a_secret_that_cannot_be_compared(cloud, play):
    secret = {"parameters": {"N": 3, "Password": CANARY}}
    play("ros_stack", **{**GIVEN, **secret})
    again = play("ros_stack", **{**GIVEN, **secret})
    assert again["changed"] is False
    assert cloud.count("UpdateStack") == 1
    assert play("ros_stack", check=True, **{**GIVEN, **secret})["changed"] is False
    secret["parameters"]["Password"] = CANARY + "-new"
    assert play("ros_stack", check=True, **{**GIVEN, **secret})["changed"] is True
    assert play("ros_stack", **{**GIVEN, **secret})["changed"] is True


@pytest.mark.parametrize("option", ["parameters", "secret_parameters"])
@pytest.mark.parametrize("end", ["good", "same", "bad", "check", "refused", "invalid", "nowhere"])
def test_no_secret_shows_anywhere(cloud, play, monkeypatch, option, end):
    logged = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _self, msg, **_more: logged.append(msg))
    name = "Password" if option == "parameters" else "N"
    value = [CANARY, {"deep": CANARY + "-deep"}] if option == "parameters" else CANARY
    given = {"name": "cache", "template_body": TEMPLATE, option: {name: value}}
    if end in ("same", "refused"):
        play("ros_stack", **given)
    if end == "bad":
        cloud.broken["Net"] = f"quota exceeded by {json.dumps(value)}"
    if end == "refused":
        given["parameters"] = {**given.get("parameters", {}), "Unknown": "x"}
    if end == "invalid":
        given["template_body"] = "{"
    if end == "nowhere":
        given["region"] = None
    result = play("ros_stack", check=end == "check", diff=True, **given)
    assert bool(result.get("failed")) is (end in ("bad", "refused", "invalid", "nowhere"))
    assert "CANARY" not in json.dumps(result)
    assert logged == []


def test_a_failure_says_which_resource_failed_and_why(cloud, play):
    cloud.broken["Nodes"] = "NoStock: resources.Nodes: the instance type is sold out."
    result = play("ros_stack", **GIVEN)
    assert result["failed"] is True
    assert result["msg"] == (
        "Cannot create stack cache: resource Nodes (ALIYUN::ECS::InstanceGroup) CREATE_FAILED: "
        "NoStock: resources.Nodes: the instance type is sold out. The stack is now CREATE_ROLLBACK_COMPLETE"
    )
    assert result["events"][0]["reason"] == "Stack CREATE started"
    assert "CREATE_FAILED" in [one["status"] for one in result["events"]]
    assert result["stack"]["status"] == "CREATE_ROLLBACK_COMPLETE"


def test_a_failed_update_tells_only_its_own_events(cloud, play):
    play("ros_stack", **GIVEN)
    cloud.broken["Nodes"] = "no"
    result = play("ros_stack", **{**GIVEN, "parameters": {"N": 9}})
    assert result["msg"].startswith("Cannot update stack cache: resource Nodes")
    assert result["msg"].endswith("The stack is now ROLLBACK_COMPLETE")
    assert {one["status"].split("_")[0] for one in result["events"]} == {"UPDATE", "ROLLBACK"}


@pytest.mark.parametrize("keep", [True, False])
def test_a_failed_stack_is_an_error_until_it_may_be_made_again(cloud, play, keep):
    cloud.broken["Nodes"] = "no"
    first = play("ros_stack", **GIVEN, disable_rollback=keep)
    cloud.broken.clear()
    status = "CREATE_FAILED" if keep else "CREATE_ROLLBACK_COMPLETE"
    refused = play("ros_stack", **GIVEN)
    assert refused["msg"].startswith(f"Stack cache is {status}: it cannot be updated")
    told = play("ros_stack", check=True, **GIVEN, recreate_failed=True)
    made = play("ros_stack", **GIVEN, recreate_failed=True)
    assert told["changed"] is made["changed"] is True
    assert made["stack"]["status"] == "CREATE_COMPLETE"
    assert made["stack"]["stack_id"] != first["stack"]["stack_id"]


@pytest.mark.parametrize("fault", ["throttle", "error", "busy", "lost", "late", "html"])
@pytest.mark.parametrize("forgets", [True, False])
def test_trying_again_never_makes_a_second_stack(cloud, play, fault, forgets):
    cloud.forgets_tokens = forgets
    cloud.faults.append(("CreateStack", fault))
    result = play("ros_stack", **GIVEN)
    assert not result.get("failed")
    assert [one.status for one in cloud.stacks.values()] == ["CREATE_COMPLETE"]
    tokens = {query["ClientToken"] for action, query in cloud.calls if action == "CreateStack"}
    assert len(tokens) == 1


def test_a_stack_that_was_deleted_can_be_made_again_with_the_same_content(cloud, play):
    first = play("ros_stack", **GIVEN)["stack"]["stack_id"]
    play("ros_stack", name="cache", state="absent")
    again = play("ros_stack", **GIVEN)
    assert again["changed"] is True
    assert again["stack"]["stack_id"] != first


@pytest.mark.parametrize("action", ["UpdateStack", "DeleteStack"])
@pytest.mark.parametrize("fault", ["throttle", "error", "lost", "late"])
def test_other_writes_bear_a_lost_answer_too(cloud, play, action, fault):
    play("ros_stack", **GIVEN)
    cloud.faults.append((action, fault))
    given = {"parameters": {"N": 4}} if action == "UpdateStack" else {"state": "absent"}
    result = play("ros_stack", name="cache", **given)
    assert (result["changed"], result.get("failed")) == (True, None)


def test_a_name_that_somebody_else_took_meanwhile_is_an_error(cloud, play, monkeypatch):
    ask = cloud.ListStacks
    monkeypatch.setattr(cloud, "ListStacks", lambda query: {**ask(query), "Stacks": [], "TotalCount": 0})
    cloud.add("cache", TEMPLATE)
    result = play("ros_stack", **GIVEN)
    assert result["failed"] is True
    assert result["msg"].startswith(
        "Cannot create stack cache: CreateStack refused with StackExists: The Stack (cache)"
    )


def test_an_operation_under_way_is_waited_for(cloud, play):
    cloud.add("cache", TEMPLATE, "UPDATE_IN_PROGRESS", parameters={"N": "3"}).next = [
        "UPDATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE",
    ]
    result = play("ros_stack", **{**GIVEN, "parameters": {"N": 4}})
    assert result["stack"]["parameters"] == {"N": "4"}


def test_a_stack_that_is_being_deleted_is_gone_first_and_made_then(cloud, play):
    old = cloud.add("cache", TEMPLATE, "DELETE_IN_PROGRESS")
    old.next = ["DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"]
    result = play("ros_stack", **GIVEN)
    assert result["changed"] is True
    assert result["stack"]["stack_id"] != old.id


def test_waiting_has_an_end_that_names_what_is_still_going_on(cloud, play):
    cloud.polls = 10_000
    result = play("ros_stack", **GIVEN, wait_timeout=0)
    assert result["msg"].startswith("Waited 0 s for stack cache to be created; resources in progress: Net (CREATE_IN")


def test_without_waiting_the_operation_is_only_started(cloud, play):
    cloud.polls = 10_000
    result = play("ros_stack", **GIVEN, wait=False)
    assert result["changed"] is True
    assert result["stack"]["status"] == "CREATE_IN_PROGRESS"
    again = play("ros_stack", **GIVEN, wait=False)
    assert again["msg"].startswith("Stack cache is CREATE_IN_PROGRESS: try again")


def test_what_is_made_again_without_waiting_is_gone_before_it_is_made(cloud, play):
    cloud.add("cache", TEMPLATE, "CREATE_FAILED")
    result = play("ros_stack", **GIVEN, wait=False, recreate_failed=True)
    assert result["changed"] is True
    assert [one.status for one in cloud.stacks.values()] == ["DELETE_COMPLETE", "CREATE_IN_PROGRESS"]


def test_a_stack_is_deleted_once(cloud, play):
    play("ros_stack", **GIVEN)
    assert play("ros_stack", name="cache", state="absent", retain_resources=["Net"])["changed"] is True
    assert dict(cloud.calls)["DeleteStack"]["RetainResources.1"] == "Net"
    assert play("ros_stack", name="cache", state="absent")["changed"] is False
    assert cloud.count("DeleteStack") == 1


def test_protection_keeps_a_stack_until_it_is_lifted(cloud, play):
    play("ros_stack", **GIVEN, deletion_protection=True)
    refused = play("ros_stack", name="cache", state="absent")
    assert refused["msg"].startswith("Stack cache is protected from being deleted: set deletion_protection=false")
    assert play("ros_stack", name="cache", state="absent", deletion_protection=False)["changed"] is True


def test_protection_can_be_switched_without_an_update(cloud, play):
    play("ros_stack", **GIVEN)
    cloud.calls.clear()
    assert play("ros_stack", **GIVEN, deletion_protection=True)["stack"]["deletion_protection"] is True
    assert cloud.writes() == ["SetDeletionProtection"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"parameters": {"Nodse": 1}}, "The template has no parameter Nodse; it has: N, Password"),
        ({"template_body": "{"}, "Cannot use template body: ValidateTemplate refused with InvalidTemplate"),
        ({"template_body": None}, "Stack cache does not exist: to create it, give template"),
        ({"template_body": None, "template": "/none"}, "Cannot read template /none: No such file"),
        ({"template": "/none"}, "mutually exclusive"),
        ({"access_key_secret": ""}, "No access_key_secret in the options"),
        ({"region": ""}, "No region"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_done(cloud, play, given, words):
    given = {key: value for key, value in {**GIVEN, **given}.items() if value is not None}
    result = play("ros_stack", **given)
    assert result["failed"] is True
    assert words in result["msg"]
    assert "\n" not in result["msg"]
    assert cloud.writes() == []
