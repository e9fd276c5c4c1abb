"""ROS 2019-09-10: one method an action. Semantics and errors after facts: ros-api, sections 1.7, 2 and 3."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from opsctl.localcloud.cloud import REGION, Cloud
from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.gateway.app import Request
from opsctl.localcloud.gateway.params import Params
from opsctl.localcloud.ids import new_stack_id
from opsctl.localcloud.models import Stack, StackResource
from opsctl.localcloud.ros import inputs, signals, views
from opsctl.localcloud.ros.engine import Engine
from opsctl.localcloud.ros.parameters import bind, describe
from opsctl.localcloud.ros.preview import Preview, validate
from opsctl.localcloud.ros.source import template_text
from opsctl.localcloud.ros.template import parse
from opsctl.localcloud.ros.tokens import once

VERSION = "2019-09-10"
MAX_STACKS = 200
Answer = Mapping[str, Any]


class RosApi:
    """``actions()`` maps (version, action) to handlers for the gateway."""

    def __init__(self, cloud: Cloud, engine: Engine) -> None:
        self._cloud = cloud
        self._engine = engine

    def actions(self) -> dict[tuple[str, str], Callable[[Request], Answer]]:
        handlers: tuple[Callable[[Request], Answer], ...] = (
            self.create_stack,
            self.update_stack,
            self.delete_stack,
            self.get_stack,
            self.list_stacks,
            self.list_stack_events,
            self.list_stack_resources,
            self.get_stack_resource,
            self.get_template,
            self.validate_template,
            self.preview_stack,
            self.set_deletion_protection,
            self.signal_resource,
            self.describe_regions,
        )
        return {(VERSION, _camel(each.__name__)): each for each in handlers}

    # --- writing -------------------------------------------------------------------------------------------------

    def create_stack(self, request: Request) -> Answer:
        params = request.params
        name = inputs.name(params)
        inputs.no_idle(params)
        return once(self._cloud, request, lambda: self._create(name, params))

    def _create(self, name: str, params: Params) -> Callable[[], Answer]:
        body = template_text(params)
        template, passed, stack_id = parse(body), inputs.parameters(params), new_stack_id()
        program = self._engine.build(template, passed, stack_id, name)
        validate(program)
        stack = Stack(
            stack_id=stack_id,
            name=name,
            region_id=REGION,
            status="CREATE_IN_PROGRESS",
            status_reason="",
            template_body=body,
            parameters=passed,
            tags=inputs.tags(params),
            create_time=self._cloud.timestamp(),
            timeout_in_minutes=params.integer("TimeoutInMinutes", 10, 1440, 60),
            disable_rollback=params.boolean("DisableRollback"),
            deletion_protection=params.choice("DeletionProtection", ("Enabled", "Disabled"), "Disabled"),
            description=views.text_of(template.description),
            notification_urls=inputs.urls(params),
        )
        parallelism = params.integer("Parallelism", 0, 100, 0)

        def commit() -> Answer:
            live = [row for row in self._cloud.stacks if row.status != "DELETE_COMPLETE"]
            if any(row.name == name for row in live):
                raise ApiError("StackExists", f"The Stack ({name}) already exists.", 409)
            if len(live) >= MAX_STACKS:
                raise ApiError("RequestLimitExceeded", f"Request limit exceeded: {MAX_STACKS} stacks.")
            self._engine.begin(stack, "CREATE", parallelism=parallelism)
            return {"StackId": stack_id}

        return commit

    def update_stack(self, request: Request) -> Answer:
        stack = self._stack(request.params)
        inputs.no_idle(request.params)
        return once(self._cloud, request, lambda: self._update(stack, request.params))

    def _update(self, stack: Stack, params: Params) -> Callable[[], Answer]:
        self._free(stack)
        body = template_text(params, default=stack.template_body)
        template = parse(body)
        passed = inputs.next_parameters(stack, template, params)
        program = self._engine.build(template, passed, stack.stack_id, stack.name)
        validate(program)
        tags = inputs.tags(params) if any(key.startswith("Tags.") for key in params) else stack.tags
        timeout = params.integer("TimeoutInMinutes", 10, 1440, stack.timeout_in_minutes)
        new: dict[str, Any] = {
            "template_body": body,
            "parameters": passed,
            "tags": tags,
            "timeout_in_minutes": timeout,
            "description": views.text_of(template.description),
        }
        if stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE") and self._same(stack, replace(stack, **new)):
            raise ApiError("NotSupported", "Update the completely same stack is not supported.")
        if params.boolean("DryRun"):
            return lambda: {"StackId": stack.stack_id, "DryRunResult": {}}
        replacement = params.choice("ReplacementOption", ("Enabled", "Disabled"), "Disabled") == "Enabled"
        parallelism = params.integer("Parallelism", 0, 100, 0)

        def commit() -> Answer:
            fresh = self._cloud.stacks[stack.stack_id]
            self._free(fresh)
            before = {name: getattr(fresh, name) for name in new}
            options = {"previous": before, "replacement": replacement, "parallelism": parallelism}
            self._engine.begin(replace(fresh, **new), "UPDATE", **options)
            return {"StackId": stack.stack_id}

        return commit

    def _same(self, stack: Stack, changed: Stack) -> bool:
        """Whether nothing would change: same template as data, same bound values, same tags."""
        if stack.tags != changed.tags or stack.timeout_in_minutes != changed.timeout_in_minutes:
            return False
        old, new = parse(stack.template_body), parse(changed.template_body)
        values = bind(old.parameters, stack.parameters) == bind(new.parameters, changed.parameters)
        return values and old.body == new.body

    def delete_stack(self, request: Request) -> Answer:
        params = request.params
        stack = self._stack(params)
        if stack.status == "DELETE_COMPLETE":
            raise _not_found(params.required("StackId"))
        if stack.deletion_protection == "Enabled":
            message = f"Stack {stack.name} is protected from deletion: disable DeletionProtection first."
            raise ApiError("OperationDenied.DeletionProtection", message)
        self._free(stack)
        rows = {row.logical_id for row in self._engine.records(stack.stack_id)}
        retain = params.names("RetainResources")
        if unknown := [name for name in retain if name not in rows]:
            raise _no_resource(unknown[0], stack.name)
        with self._cloud.store.transaction():
            stack = self._cloud.stacks[stack.stack_id]
            self._free(stack)
            everything = sorted(rows) if params.boolean("RetainAllResources") else retain
            self._engine.begin(stack, "DELETE", retain=everything)
        return {}

    def set_deletion_protection(self, request: Request) -> Answer:
        stack = self._stack(request.params)
        value = request.params.choice("DeletionProtection", ("Enabled", "Disabled"))
        with self._cloud.store.transaction():
            self._cloud.stacks.put(replace(self._cloud.stacks[stack.stack_id], deletion_protection=value))
        return {}

    def signal_resource(self, request: Request) -> Answer:
        params = request.params
        stack, name = self._stack(params), params.required("LogicalResourceId")
        payload = {"status": params.required("Status"), "id": params.required("UniqueId")}
        signal = signals.store(self._cloud, stack.stack_id, name, payload)
        self._engine.signalled(stack.stack_id, name, signal.status, signal.reason)
        return {}

    # --- reading -------------------------------------------------------------------------------------------------

    def get_stack(self, request: Request) -> Answer:
        stack = self._stack(request.params)
        wanted = request.params.text("OutputOption") != "Disabled"
        return views.detail(self._engine, stack, with_outputs=wanted)

    def list_stacks(self, request: Request) -> Answer:
        params = request.params
        names, status = params.names("StackName"), params.names("Status")
        ids = [*params.names("StackIds"), *filter(None, [params.text("StackId")])]
        tags = {each["Key"]: each.get("Value") for each in params.objects("Tag")}
        rows = [
            row
            for row in self._cloud.stacks
            if (row.status in status if status else row.status != "DELETE_COMPLETE" or row.stack_id in ids)
            and (not ids or row.stack_id in ids)
            and (not names or any(fnmatch.fnmatchcase(row.name, name) for name in names))
            and all(key in row.tags and value in (None, row.tags[key]) for key, value in tags.items())
        ]
        rows.sort(key=lambda row: (row.create_time, row.stack_id), reverse=True)
        return _page(params, "Stacks", [views.summary(row) for row in rows])

    def list_stack_events(self, request: Request) -> Answer:
        params = request.params
        stack = self._stack(params)
        wanted = {
            "LogicalResourceId": params.names("LogicalResourceId"),
            "ResourceType": params.names("ResourceType"),
            "Status": params.names("Status"),
        }
        rows = [
            row
            for row in self._cloud.store.events(stack.stack_id)
            if all(not values or row[name] in values for name, values in wanted.items())
        ]
        return _page(params, "Events", rows)

    def list_stack_resources(self, request: Request) -> Answer:
        stack = self._stack(request.params)
        rows = [row for row in self._engine.records(stack.stack_id) if not row.stale]
        return {"Resources": [views.resource(stack, row) for row in rows]}

    def get_stack_resource(self, request: Request) -> Answer:
        params = request.params
        stack, name = self._stack(params), params.required("LogicalResourceId")
        rows = [row for row in self._engine.records(stack.stack_id) if row.logical_id == name and not row.stale]
        if not rows:
            raise _no_resource(name, stack.name)
        return {
            **views.resource(stack, rows[0]),
            "Metadata": rows[0].metadata,
            "ResourceAttributes": self._attributes(rows[0], params),
        }

    def _attributes(self, row: StackResource, params: Params) -> list[dict[str, Any]]:
        known = self._engine.attribute_names(row)
        names = params.names("ResourceAttributes")
        if params.boolean("ShowResourceAttributes"):
            names = sorted(known)
        scope = self._engine.scope(row.stack_id)
        if row.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return []
        return [
            {"ResourceAttributeKey": name, "ResourceAttributeValue": scope.attribute(row.logical_id, name)}
            for name in names
            if name in known
        ]

    def get_template(self, request: Request) -> Answer:
        stack = self._stack(request.params)
        return {
            "TemplateBody": stack.template_body,
            "StackId": stack.stack_id,
            "RegionId": stack.region_id,
            "Description": stack.description,
            "CreateTime": stack.create_time,
            "UpdateTime": stack.update_time,
        }

    def validate_template(self, request: Request) -> Answer:
        template = parse(template_text(request.params))
        types = sorted({row.type for row in template.resources.values()})
        return {
            "Description": template.description or "",
            "Parameters": describe(template.parameters),
            "Outputs": [
                {"OutputKey": name, "Description": views.text_of(row.description), "Label": ""}
                for name, row in template.outputs.items()
            ],
            "ResourceTypes": {
                "Resources": [name for name in types if not name.startswith("DATASOURCE::")],
                "DataSources": [name for name in types if name.startswith("DATASOURCE::")],
            },
            "Resources": [
                {"LogicalResourceIdPattern": name, "ResourceType": row.type, "ResourcePath": name}
                for name, row in template.resources.items()
            ],
        }

    def preview_stack(self, request: Request) -> Answer:
        params = request.params
        if params.text("StackId"):
            stack = self._stack(params)
            body = template_text(params, default=stack.template_body)
        else:
            name = inputs.name(params)
            if any(row.name == name and row.status != "DELETE_COMPLETE" for row in self._cloud.stacks):
                raise ApiError("StackExists", f"The Stack ({name}) already exists.", 409)
            stack, body = None, template_text(params)
        template = parse(body)
        passed = inputs.next_parameters(stack, template, params) if stack else inputs.parameters(params)
        stack_id = stack.stack_id if stack else new_stack_id()
        name = stack.name if stack else params.required("StackName")
        program = self._engine.build(template, passed, stack_id, name)
        validate(program)
        tags = inputs.tags(params) if stack is None or any(key.startswith("Tags.") for key in params) else stack.tags
        return {
            "Stack": {
                "StackName": name,
                "RegionId": REGION,
                "Description": views.text_of(template.description),
                "TemplateDescription": views.text_of(template.description),
                "DisableRollback": params.boolean("DisableRollback"),
                "TimeoutInMinutes": params.integer("TimeoutInMinutes", 10, 1440, 60),
                "Parameters": views.parameters(self._engine, program, stack_id, name),
                "Resources": Preview(self._engine, program, stack, tags).rows(),
            }
        }

    def describe_regions(self, request: Request) -> Answer:
        local = {"en-US": "China (Hangzhou), local cloud", "zh-CN": "华东1(杭州)，本地云"}
        shown = local.get(request.params.text("AcceptLanguage"), local["zh-CN"])
        endpoint = f"127.0.0.1:{self._cloud.options.port}"
        return {"Regions": [{"RegionId": REGION, "LocalName": shown, "RegionEndpoint": endpoint}]}

    # --- helpers -------------------------------------------------------------------------------------------------

    def _stack(self, params: Params) -> Stack:
        wanted = params.required("StackId")
        found = self._cloud.stacks.get(wanted)
        if found is None:
            raise _not_found(wanted)
        return found

    def _free(self, stack: Stack) -> None:
        if stack.operation:
            action = stack.operation["action"]
            raise ApiError("ActionInProgress", f"Stack {stack.name} already has an action ({action}) in progress.", 409)
        if stack.status == "DELETE_COMPLETE":
            raise _not_found(stack.name)


def _camel(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))


def _not_found(name: str) -> ApiError:
    return ApiError("StackNotFound", f"The Stack ({name}) could not be found.", 404)


def _no_resource(name: str, stack: str) -> ApiError:
    return ApiError("ResourceNotFound", f"The Resource ({name}) could not be found in Stack {stack}.", 404)


def _page(params: Params, name: str, rows: list[dict[str, Any]]) -> Answer:
    number, size = params.integer("PageNumber", 1, 10**6, 1), params.integer("PageSize", 1, 50, 10)
    shown = rows[(number - 1) * size : number * size]
    return {name: shown, "PageNumber": number, "PageSize": size, "TotalCount": len(rows)}
