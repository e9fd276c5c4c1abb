"""Tags of stacks over the API."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from opsctl.localcloud.cloud import Cloud, Options
from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.gateway.app import Request
from opsctl.localcloud.gateway.params import Params
from opsctl.localcloud.hosts.firewall import Wiring
from opsctl.localcloud.models import Stack
from opsctl.localcloud.ros.tags import VERSION, TagApi
from opsctl.localcloud.store import Store


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    made = Cloud(
        Store(tmp_path / "db"), cast(Any, None), Options(tmp_path, 1), Wiring("100.80.0.0/20", "100.80.0.1", 1), ""
    )
    made.stacks.put(Stack("id", "s", "r", "CREATE_COMPLETE", "", "{}", {}, {"a": "1"}, made.timestamp()))
    return made


def call(cloud: Cloud, action: str, **params: str) -> Any:
    named = {key.replace("_", "."): value for key, value in params.items()}
    flat = {"ResourceType": "stack", "ResourceId.1": "id", **named}
    request = Request("ROS", VERSION, action, Params(flat), "", "", "", datetime.now(UTC))
    return TagApi(cloud).actions()[VERSION, action](request)


def test_tags_are_added_listed_and_removed(cloud: Cloud) -> None:
    call(cloud, "TagResources", Tag_1_Key="b", Tag_1_Value="2")
    rows = call(cloud, "ListTagResources")["TagResources"]
    assert [(row["TagKey"], row["TagValue"]) for row in rows] == [("a", "1"), ("b", "2")]
    call(cloud, "UntagResources", TagKey_1="a")
    assert cloud.stacks["id"].tags == {"b": "2"}
    call(cloud, "UntagResources", All="True")
    assert cloud.stacks["id"].tags == {}


def test_what_is_wrong_is_named_and_nothing_is_written(cloud: Cloud) -> None:
    with pytest.raises(ApiError, match="duplicate"):
        call(cloud, "TagResources", Tag_1_Key="b", Tag_2_Key="b")
    with pytest.raises(ApiError, match="could not be found"):
        call(cloud, "TagResources", Tag_1_Key="b", ResourceId_2="other")
    with pytest.raises(ApiError, match="at most 20"):
        call(cloud, "TagResources", **{f"Tag_{n}_Key": f"k{n}" for n in range(1, 21)})
    assert cloud.stacks["id"].tags == {"a": "1"}
