"""Tags of stacks over the API: TagResources, UntagResources, ListTagResources (facts: ros-api, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from opsctl.localcloud.cloud import Cloud
from opsctl.localcloud.errors import ApiError, invalid_parameter, missing_parameter
from opsctl.localcloud.gateway.app import Request
from opsctl.localcloud.gateway.params import Params
from opsctl.localcloud.models import Stack, Tags
from opsctl.localcloud.paging import tagged

VERSION = "2019-09-10"
MAX_RESOURCES = 50
MAX_TAGS = 20
Answer = Mapping[str, Any]


class TagApi:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def actions(self) -> dict[tuple[str, str], Callable[[Request], Answer]]:
        return {
            (VERSION, "TagResources"): self.tag_resources,
            (VERSION, "UntagResources"): self.untag_resources,
            (VERSION, "ListTagResources"): self.list_tag_resources,
        }

    def tag_resources(self, request: Request) -> Answer:
        rows = request.params.objects("Tag")
        if not 1 <= len(rows) <= MAX_TAGS:
            raise invalid_parameter("Tag", f"1 to {MAX_TAGS} tags are needed")
        keys = [str(row.get("Key", "")) for row in rows]
        if "" in keys:
            raise missing_parameter("Tag.N.Key")
        if len(set(keys)) < len(keys):
            raise ApiError("Duplicate.TagKey", "The Tag.N.Key contain duplicate key.")
        added = {key: str(row.get("Value", "")) for key, row in zip(keys, rows, strict=True)}
        self._write(request.params, lambda tags: {**tags, **added})
        return {}

    def untag_resources(self, request: Request) -> Answer:
        params = request.params
        keys, everything = set(params.names("TagKey")), params.boolean("All")
        if not keys and not everything:
            raise missing_parameter("TagKey")
        self._write(params, lambda tags: {} if everything else {k: v for k, v in tags.items() if k not in keys})
        return {}

    def list_tag_resources(self, request: Request) -> Answer:
        params = request.params
        if not params.names("ResourceId") and not params.objects("Tag"):
            raise missing_parameter("ResourceId")
        stacks = self._stacks(params) if params.names("ResourceId") else [*self._cloud.stacks]
        rows = [
            {"ResourceType": "stack", "ResourceId": stack.stack_id, "TagKey": key, "TagValue": value}
            for stack in stacks
            if tagged(params, stack.tags)
            for key, value in stack.tags.items()
        ]
        return {"TagResources": rows, "NextToken": ""}

    def _write(self, params: Params, change: Callable[[Tags], Tags]) -> None:
        with self._cloud.store.transaction():
            for stack in self._stacks(params):
                tags = change(stack.tags)
                if len(tags) > MAX_TAGS:
                    raise invalid_parameter("Tag", f"a stack has at most {MAX_TAGS} tags")
                self._cloud.stacks.put(replace(stack, tags=tags))

    def _stacks(self, params: Params) -> list[Stack]:
        if params.required("ResourceType") != "stack":
            raise invalid_parameter("ResourceType", "the local cloud has tags on stacks only")
        ids = params.names("ResourceId")
        if not 1 <= len(ids) <= MAX_RESOURCES:
            raise invalid_parameter("ResourceId", f"1 to {MAX_RESOURCES} ids are needed")
        found = [self._cloud.stacks.get(each) for each in ids]
        for wanted, stack in zip(ids, found, strict=True):
            if stack is None or stack.status == "DELETE_COMPLETE":
                raise ApiError("StackNotFound", f"The Stack ({wanted}) could not be found.", 404)
        return [stack for stack in found if stack]
