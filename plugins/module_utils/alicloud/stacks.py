# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks of the orchestration service: every call on them, one method each. Nothing here decides."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import records
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.client import Client
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.template import Template
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import CloudError

PAGE = 50  # the service's largest page
GONE = "DELETE_COMPLETE"
SAME = "completely same"  # UpdateStack answers NotSupported "Update the completely same stack is not supported."


class Stacks:
    """Reads and writes stacks of one region. Every method may raise CloudError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def region(self) -> str:
        return self._client.region

    def find(self, name: str) -> dict[str, Any] | None:
        """The live stack of this name as GetStack tells it, or ``None``."""
        for one in self.search([name]):
            if one.get("StackName") == name:
                return self.get(str(one["StackId"]))
        return None

    def get(self, stack_id: str, outputs: bool = True) -> dict[str, Any] | None:
        """The stack, or ``None`` when it is gone."""
        option = None if outputs else "Disabled"
        try:
            found = self._client.ros("GetStack", StackId=stack_id, OutputOption=option)
        except CloudError as error:
            if error.code == "StackNotFound":
                return None
            raise
        return None if found.get("Status") == GONE else found

    def search(self, names: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The live stacks, all pages; ``names`` may hold ``*`` wildcards."""
        rows = self._pages("ListStacks", "Stacks", StackName=list(names) or None)
        return [one for one in rows if one.get("Status") != GONE]

    def template(self, stack_id: str) -> str:
        """The text of the stack's template as it was given."""
        return str(
            self._client.ros("GetTemplate", StackId=stack_id, TemplateStage="Original").get("TemplateBody") or ""
        )

    def resources(self, stack_id: str) -> list[dict[str, Any]]:
        """The resources, of nested stacks not; none when the stack is gone."""
        try:
            return list(self._client.ros("ListStackResources", StackId=stack_id).get("Resources") or ())
        except CloudError as error:
            if error.code == "StackNotFound":
                return []
            raise

    def attribute(self, stack_id: str, logical_id: str, name: str) -> Any:
        """One attribute of a resource, or ``None`` where the service does not tell it."""
        answer = self._client.ros(
            "GetStackResource", StackId=stack_id, LogicalResourceId=logical_id, ResourceAttributes=[name]
        )
        for one in answer.get("ResourceAttributes") or ():
            if one.get("ResourceAttributeKey") == name:
                return one.get("ResourceAttributeValue")
        return None

    def events(self, stack_id: str, most: int | None = None) -> list[dict[str, Any]]:
        """The events, newest first."""
        return self._pages("ListStackEvents", "Events", most, StackId=stack_id)

    def validate(self, template: Template) -> list[dict[str, Any]]:
        """The parameters of a valid template."""
        answer = self._client.ros("ValidateTemplate", template.form(), **template.query())
        return list(answer.get("Parameters") or ())

    def preview(
        self,
        template: Template,
        parameters: Mapping[str, str],
        name: str | None = None,
        stack_id: str | None = None,
    ) -> list[dict[str, Any]]:
        """What would be done with each resource, when the stack is created (``name``) or updated (``stack_id``)."""
        answer = self._client.ros(
            "PreviewStack",
            template.form(),
            **template.query(),
            StackName=None if stack_id else name,
            StackId=stack_id,
            Parameters=_parameters(parameters),
            UsePreviousParameters=True if stack_id else None,
        )
        return list((answer.get("Stack") or {}).get("Resources") or ())

    def create(self, name: str, template: Template, parameters: Mapping[str, str], **options: Any) -> str:
        """Start to create a stack and return its id.

        The token is new with each operation and the same in each of its tries: one that followed from the content
        would bring back the old stack's id when a deleted stack is created again.
        """
        try:
            answer = self._client.ros(
                "CreateStack",
                template.form(),
                **template.query(),
                StackName=name,
                Parameters=_parameters(parameters),
                ClientToken=uuid.uuid4().hex,
                **options,
            )
            return str(answer["StackId"])
        except CloudError as error:
            # a try whose answer was lost made it, and the service has forgotten the token
            found = self.find(name) if error.code == "StackExists" and error.repeated else None
            if found is None:
                raise
            return str(found["StackId"])

    def update(self, stack_id: str, template: Template, parameters: Mapping[str, str], **options: Any) -> bool:
        """Start to update a stack; false when the service says that nothing would change."""
        try:
            self._client.ros(
                "UpdateStack",
                template.form(),
                **template.query(),
                StackId=stack_id,
                Parameters=_parameters(parameters),
                UsePreviousParameters=True,
                ClientToken=uuid.uuid4().hex,
                **options,
            )
        except CloudError as error:
            if error.code == "NotSupported" and SAME in error.text:
                return error.repeated
            if not (error.code == "ActionInProgress" and error.repeated):
                raise
        return True

    def delete(self, stack_id: str, retain: Sequence[str] = (), retain_all: bool = False) -> None:
        """Start to delete a stack; one that is gone already is no error."""
        try:
            self._client.ros(
                "DeleteStack",
                StackId=stack_id,
                RetainResources=list(retain) or None,
                RetainAllResources=retain_all or None,
            )
        except CloudError as error:
            if error.code != "StackNotFound" and not (error.code == "ActionInProgress" and error.repeated):
                raise

    def protect(self, stack_id: str, wanted: bool) -> None:
        """Switch deletion protection."""
        self._client.ros(
            "SetDeletionProtection", StackId=stack_id, DeletionProtection="Enabled" if wanted else "Disabled"
        )

    def untag(self, stack_id: str, keys: Sequence[str]) -> None:
        """Remove tags."""
        self._client.ros("UntagResources", ResourceType="stack", ResourceId=[stack_id], TagKey=list(keys))

    def _pages(self, action: str, key: str, most: int | None = None, **query: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        page = 1
        while True:
            answer = self._client.ros(action, **query, PageNumber=page, PageSize=PAGE)
            new = answer.get(key) or []
            rows += new
            if most is not None and len(rows) >= most:
                return rows[:most]
            if not new or len(rows) >= int(answer.get("TotalCount") or 0):
                return rows
            page += 1


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as requests take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _parameters(values: Mapping[str, str]) -> list[dict[str, str]] | None:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()] or None


def matches(
    record: Mapping[str, Any],
    names: Sequence[str] | None = None,
    statuses: Sequence[str] | None = None,
    tags: Mapping[str, Any] | None = None,
) -> bool:
    """Whether a stack has one of the names (with wildcards), one of the statuses and all of the tags."""
    has = records.tags(record)
    return (
        (not names or any(fnmatchcase(str(record.get("StackName")), name) for name in names))
        and (not statuses or record.get("Status") in statuses)
        and all(has.get(key) == str(value) for key, value in (tags or {}).items())
    )
