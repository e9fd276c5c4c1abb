"""ROS's own resources: wait conditions and pauses."""

from __future__ import annotations

import json
import time
from typing import Any, ClassVar

from opsctl.localcloud.resources.base import Context, Properties, Property, Resource, ResourceError
from opsctl.localcloud.ros import signals


class WaitConditionHandle(Resource):
    type: ClassVar[str] = "ALIYUN::ROS::WaitConditionHandle"
    properties = {
        "Mode": Property(allowed=("Full", "Increment"), update=True),
        "Count": Property("number", low=-1, update=True),
    }
    attributes = frozenset({"CurlCli", "WindowsCurlCli", "PowerShellCurlCli", "URL", "Headers"})

    def ref(self, context: Context) -> str:
        """A condition finds its signals by this."""
        return signals.handle_key(context.stack_id, context.logical_id)

    def create(self, context: Context, properties: Properties) -> None:
        context.remember(url=signals.url(context.cloud, context.stack_id, context.stack_name, context.logical_id))

    def update(self, context: Context, old: Properties, new: Properties) -> None:
        handle = self.ref(context)
        if new.get("Mode") == "Increment":
            signals.forget(context.cloud, handle)

    def delete(self, context: Context) -> None:
        signals.forget(context.cloud, self.ref(context))

    def attribute(self, context: Context, name: str) -> Any:
        url = context.data["url"]
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        quoted = " ".join(f'-H "{key}: {value}"' for key, value in headers.items())
        table = "; ".join(f'"{key}"="{value}"' for key, value in headers.items())
        return {
            "URL": url,
            "Headers": headers,
            "CurlCli": signals.curl(url),
            "WindowsCurlCli": f'curl -i -X POST {quoted} "{url}"',
            "PowerShellCurlCli": f'curl -Uri "{url}" -Method Post -Headers @{{{table}}}',
        }[name]


class WaitCondition(Resource):
    type: ClassVar[str] = "ALIYUN::ROS::WaitCondition"
    properties = {
        "Handle": Property(required=True, update=True),
        "Timeout": Property("number", required=True, low=1, high=43200),
        "Count": Property("number", low=1),
        "ShowProgressEvent": Property(),
    }
    attributes = frozenset({"Data", "ErrorData", "JoinedErrorData", "LastData", "LastErrorData", "JoinedLastErrorData"})

    def create(self, context: Context, properties: Properties) -> None:
        if "deadline" not in context.data:
            context.remember(deadline=time.time() + properties["Timeout"], handle=properties["Handle"])
        count = int(properties.get("Count", 1))
        cloud, handle = context.cloud, properties["Handle"]
        while True:
            with cloud.signalled:
                known = signals.of(cloud, handle)
                failed = [each.reason for each in known if each.status == "FAILURE"]
                good = sum(each.status == "SUCCESS" for each in known)
                if failed:
                    raise ResourceError(";".join(failed), "WaitConditionFailure")
                if good >= count or context.canceled():
                    return
                left = context.data["deadline"] - time.time()
                if left <= 0:
                    raise ResourceError(f"{good} of {count} received", "WaitConditionTimeout")
                cloud.signalled.wait(min(left, 1))

    def update(self, context: Context, old: Properties, new: Properties) -> None:
        context.remember(last=self._data(context, "SUCCESS"), last_error=self._data(context, "FAILURE"))
        context.remember(deadline=time.time() + new["Timeout"], handle=new["Handle"])
        self.create(context, new)

    def delete(self, context: Context) -> None:
        """Nothing but the record."""

    def _data(self, context: Context, status: str) -> dict[str, Any]:
        known = signals.of(context.cloud, context.data.get("handle", ""))
        return {each.id: each.data for each in known if each.status == status}

    def attribute(self, context: Context, name: str) -> Any:
        good, bad = self._data(context, "SUCCESS"), self._data(context, "FAILURE")
        last, last_bad = context.data.get("last", {}), context.data.get("last_error", {})
        return {
            "Data": json.dumps(good, ensure_ascii=False),
            "ErrorData": json.dumps(bad, ensure_ascii=False),
            "JoinedErrorData": ";".join(map(str, bad.values())),
            "LastData": json.dumps(last, ensure_ascii=False),
            "LastErrorData": json.dumps(last_bad, ensure_ascii=False),
            "JoinedLastErrorData": ";".join(map(str, last_bad.values())),
        }[name]


def _duration(**options: Any) -> Property:
    return Property("number", low=0, high=1800, **options)


class Sleep(Resource):
    type: ClassVar[str] = "ALIYUN::ROS::Sleep"
    properties = {
        "CreateDuration": _duration(),
        "UpdateDuration": _duration(update=True),
        "UpdateRollbackDuration": _duration(update=True),
        "DeleteDuration": _duration(update=True),
        "Triggers": Property("map", update=True),
    }

    def create(self, context: Context, properties: Properties) -> None:
        context.remember(delete=properties.get("DeleteDuration", 0))
        context.pause(properties.get("CreateDuration", 0))

    def update(self, context: Context, old: Properties, new: Properties) -> None:
        context.remember(delete=new.get("DeleteDuration", 0))
        if old.get("Triggers") != new.get("Triggers"):
            context.pause(new.get("UpdateDuration", 0))

    def delete(self, context: Context) -> None:
        context.pause(context.data.get("delete", 0))


ROS = (WaitConditionHandle, WaitCondition, Sleep)
