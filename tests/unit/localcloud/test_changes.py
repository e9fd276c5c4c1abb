"""What an update would do to one resource."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.localcloud.models import StackResource
from opsctl.localcloud.resources.base import TAGS, Property, Resource
from opsctl.localcloud.ros.changes import UNKNOWN, decide, unknown


class Disk(Resource):
    type: ClassVar[str] = "TEST::Disk"
    properties: ClassVar[dict[str, Property]] = {"Size": Property("number", update=True), "Zone": Property()}


class Tagged(Disk):
    properties: ClassVar[dict[str, Property]] = {**Disk.properties, "Tags": TAGS}


MADE = StackResource(
    "s", "D", "TEST::Disk", "d-1", "CREATE_COMPLETE", "", {"Size": 1, "Zone": "h"}, [], "", tags={"team": "ops"}
)
SAME = {"Size": 1, "Zone": "h"}
TEAM = {"team": "ops"}


def test_what_is_not_there_is_created() -> None:
    assert decide(Disk, None, SAME, {}).verdict == "create"


@pytest.mark.parametrize("status", ["DELETE_IN_PROGRESS", "DELETE_FAILED", "DELETE_COMPLETE"])
def test_what_began_to_go_is_created_anew(status: str) -> None:
    assert decide(Disk, replace(MADE, status=status), SAME, TEAM).verdict == "create"


def test_what_a_crash_left_half_made_is_taken_up() -> None:
    assert decide(Disk, replace(MADE, status="CREATE_IN_PROGRESS"), SAME, TEAM).verdict == "resume"


def test_what_failed_to_be_made_is_replaced() -> None:
    assert decide(Disk, replace(MADE, status="CREATE_FAILED"), SAME, TEAM).verdict == "replace"


def test_another_type_under_the_same_name_is_a_replacement() -> None:
    assert decide(Disk, replace(MADE, type="TEST::Other"), SAME, TEAM).verdict == "replace"


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED", "CHECK_COMPLETE"])
def test_the_same_is_kept(status: str) -> None:
    assert decide(Disk, replace(MADE, status=status), SAME, TEAM).verdict == "keep"


def test_an_update_that_was_interrupted_is_made_again_although_nothing_differs() -> None:
    assert decide(Disk, replace(MADE, pending=True), SAME, TEAM).verdict == "modify"


def test_names_say_what_changes_and_what_cannot() -> None:
    decision = decide(Disk, MADE, {"Size": 2, "Zone": "i"}, TEAM)
    assert (decision.verdict, decision.changed, decision.fixed) == ("replace", ("Size", "Zone"), ("Zone",))
    decision = decide(Disk, MADE, {"Size": 2, "Zone": "h"}, TEAM)
    assert (decision.verdict, decision.changed, decision.fixed) == ("modify", ("Size",), ())


def test_the_stacks_tags_change_what_can_carry_tags() -> None:
    assert decide(Disk, MADE, SAME, {"team": "dev"}).verdict == "keep"
    assert decide(Tagged, MADE, SAME, {"team": "dev"}).verdict == "modify"


def test_a_property_that_a_later_version_no_longer_knows_is_no_reason_to_fail() -> None:
    assert decide(Disk, replace(MADE, properties={**SAME, "Gone": 1}), SAME, TEAM).verdict == "replace"


values = st.none() | st.integers(0, 2) | st.sampled_from(["a", "b"]) | st.lists(st.integers(0, 1), max_size=2)
properties = st.fixed_dictionaries({}, optional={"Size": values, "Zone": values})


@given(properties, properties)
def test_the_verdict_is_exactly_what_the_differences_need(old: dict[str, Any], new: dict[str, Any]) -> None:
    decision = decide(Disk, replace(MADE, properties=old), new, TEAM)
    differs = {name for name in ("Size", "Zone") if old.get(name) != new.get(name)}
    assert set(decision.changed) == differs
    wanted = "keep" if not differs else "replace" if "Zone" in differs else "modify"
    assert decision.verdict == wanted


@given(properties)
def test_changing_to_the_same_changes_nothing(same: dict[str, Any]) -> None:
    assert decide(Disk, replace(MADE, properties=same), dict(same), TEAM).verdict == "keep"


def test_unknown_values_are_found_at_any_depth() -> None:
    assert unknown({"a": ["x", {"b": f"id of {UNKNOWN}Vpc"}]})
    assert not unknown({"a": ["x", {"b": "Vpc"}], "c": 1, "d": None})
