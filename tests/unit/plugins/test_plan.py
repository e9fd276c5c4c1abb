# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import plan
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.plan import Wanted
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.template import Parameter, Template
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid

TEXT = json.dumps({"Resources": {"A": {"Type": "T"}}})
OTHER = json.dumps({"Resources": {"A": {"Type": "U"}}})
KNOWN = {"N": Parameter("Number"), "P": Parameter("String", secret=True), "S": Parameter("String")}
RUNNING = ["CREATE_COMPLETE", "UPDATE_COMPLETE", "ROLLBACK_COMPLETE", "CHECK_COMPLETE", "IMPORT_CREATE_COMPLETE"]
BROKEN = ["CREATE_FAILED", "CREATE_ROLLBACK_COMPLETE", "CREATE_ROLLBACK_FAILED", "ROLLBACK_FAILED", "DELETE_FAILED"]


def found(status="CREATE_COMPLETE", protected=False, **parameters):
    parameters = {"N": "3", "P": "******", "ALIYUN::StackName": "cache", **parameters}
    return {
        "StackId": "id",
        "StackName": "cache",
        "Status": status,
        "DeletionProtection": "Enabled" if protected else "Disabled",
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Tags": [{"Key": "team", "Value": "a"}],
    }


def wanted(**more):
    return Wanted(**{"name": "cache", "template": Template(TEXT), "known": KNOWN, **more})


def decide(now, want, text=TEXT):
    change = plan.present(now, text if now else None, want)
    return change, plan.steps(change, want)


@pytest.mark.parametrize("status", RUNNING)
@pytest.mark.parametrize(
    ("want", "steps"),
    [
        ({}, ()),
        ({"parameters": {"N": "3.0"}}, ()),
        ({"parameters": {"N": "4"}}, ("update",)),
        ({"parameters": {"S": "new"}}, ("update",)),
        ({"parameters": {"P": "any"}}, ("update",)),
        ({"template": Template(OTHER)}, ("update",)),
        ({"template": Template(url="https://x/t")}, ("update",)),
        ({"tags": {"team": "a"}}, ()),
        ({"tags": {}}, ()),
        ({"tags": {}, "purge_tags": True}, ("untag",)),
        ({"tags": {"x": "y"}, "purge_tags": True}, ("update",)),
        ({"tags": {}, "purge_tags": True, "parameters": {"N": "4"}}, ("untag", "update")),
        ({"tags": {"team": "b"}}, ("update",)),
        ({"deletion_protection": False}, ()),
        ({"deletion_protection": True}, ("protect",)),
        ({"deletion_protection": True, "tags": {"x": "y"}}, ("update", "protect")),
    ],
)
def test_what_differs_decides_the_steps(status, want, steps):
    change, taken = decide(found(status), wanted(**want))
    assert taken == steps
    assert bool(change) is bool(steps)


def test_a_missing_stack_is_created():
    change, steps = decide(None, wanted(parameters={"N": "1", "P": "S3CRET"}, tags={"a": "b"}))
    assert steps == ("create",)
    assert change.before is None
    assert change.after["parameters"] == {"N": "1", "P": "******"}


def test_a_missing_stack_needs_a_template():
    with pytest.raises(Invalid, match="Stack cache does not exist: to create it, give template"):
        decide(None, wanted(template=None))


@pytest.mark.parametrize("status", BROKEN)
def test_a_stack_that_can_only_be_deleted_is_an_error_that_says_what_to_do(status):
    with pytest.raises(Invalid, match=f"^Stack cache is {status}: .*state=absent.*recreate_failed=true"):
        decide(found(status), wanted())


@pytest.mark.parametrize("status", BROKEN)
def test_such_a_stack_is_made_again_when_that_is_asked_for(status):
    change, steps = decide(found(status), wanted(recreate_failed=True))
    assert steps == ("delete", "create")
    assert change.diff["before"]["status"] == status


def test_its_protection_is_lifted_first_only_when_that_is_asked_for():
    with pytest.raises(Invalid, match="protected from being deleted: set deletion_protection=false"):
        decide(found("CREATE_FAILED", True), wanted(recreate_failed=True))
    want = wanted(recreate_failed=True, deletion_protection=False)
    assert decide(found("CREATE_FAILED", True), want)[1] == ("unprotect", "delete", "create")


def test_a_failed_update_is_tried_again_though_nothing_differs():
    assert decide(found("UPDATE_FAILED"), wanted())[1] == ("update",)


def test_a_stack_that_waits_for_a_change_set_is_left_alone():
    with pytest.raises(Invalid, match="waits for a change set"):
        decide(found("REVIEW_IN_PROGRESS"), wanted())


@pytest.mark.parametrize(
    ("now", "want", "steps"),
    [
        (None, {}, ()),
        (found(), {}, ("delete",)),
        (found(), {"deletion_protection": False}, ("delete",)),
        (found(protected=True), {"deletion_protection": False}, ("unprotect", "delete")),
        (found("CREATE_FAILED"), {}, ("delete",)),
        (found("DELETE_FAILED"), {}, ("delete",)),
    ],
)
def test_absent_deletes_what_is_there_and_only_that(now, want, steps):
    asked = wanted(template=None, **want)
    assert plan.steps(plan.absent(now, asked), asked) == steps


def test_a_protected_stack_is_not_deleted():
    with pytest.raises(Invalid, match="protected from being deleted: set deletion_protection=false"):
        plan.absent(found(protected=True), wanted())


@pytest.mark.parametrize("name", ["P", "S"])
def test_secret_values_never_show(name):
    want = wanted(parameters={name: "S3CRET"}, secret=frozenset({"S"}))
    for now in (None, found(S="S3CRET-old")):
        change, _steps = decide(now, want)
        assert change
        assert "S3CRET" not in repr(change)
        assert "S3CRET" not in repr(change.diff)


def test_a_secret_that_can_be_read_back_is_compared():
    want = wanted(parameters={"S": "same"}, secret=frozenset({"S"}))
    assert not decide(found(S="same"), want)[0]


def rows(**actions):
    return [{"logical_id": k, "type": "T", "action": v, "replacement": "False"} for k, v in actions.items()]


def test_the_preview_settles_what_could_not_be_compared():
    change, _steps = decide(found(), wanted(parameters={"P": "any"}))
    assert change
    assert not plan.previewed(change, rows(A="None"))
    settled = plan.previewed(change, rows(A="Modify"))
    assert settled
    assert settled.diff == {"before": {"resources": {"A": "T"}}, "after": {"resources": {"A": "T (modified)"}}}


def test_the_preview_does_not_undo_a_difference_that_touches_no_resource():
    change, _steps = decide(found(), wanted(parameters={"N": "9"}))
    assert plan.previewed(change, rows(A="None"))


def test_the_preview_shows_each_resource():
    change, _steps = decide(found(), wanted(template=Template(OTHER)))
    shown = plan.previewed(change, rows(A="None", B="Add", C="Remove")).diff
    assert shown["before"]["resources"] == {"A": "T", "C": "T"}
    assert shown["after"]["resources"] == {"A": "T", "B": "T"}
