"""Helpers to test templates as a whole."""

from __future__ import annotations

import textwrap
from collections.abc import Collection
from typing import Any

import pytest

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.ros.parameters import bind
from opsctl.localcloud.ros.program import ZONES, Program, compile
from opsctl.localcloud.ros.template import parse

PSEUDO = {
    "ALIYUN::Region": "cn-hangzhou",
    "ALIYUN::StackId": "stack-1",
    "ALIYUN::StackName": "web",
    ZONES: {"cn-hangzhou": ["cn-hangzhou-h", "cn-hangzhou-i"]},
}
ATTRIBUTES = {"ALIYUN::ECS::VPC": ["VpcId", "RouterId"], "ALIYUN::ECS::Instance": ["InstanceId", "PrivateIp"]}


class Resources:
    """Ids and attributes that show where they come from."""

    def ref(self, name: str) -> Any:
        return f"id-{name}"

    def attribute(self, resource: str, name: str) -> Any:
        return f"{resource}.{name}"


def known(type_: str) -> Collection[str] | None:
    return ATTRIBUTES.get(type_)


def program(text: str, **passed: str) -> Program:
    template = parse("ROSTemplateFormatVersion: '2015-09-01'\n" + textwrap.dedent(text))
    return compile(template, bind(template.parameters, passed), PSEUDO, known)


def refused(text: str, **passed: str) -> tuple[str, str]:
    with pytest.raises(ApiError) as caught:
        program(text, **passed)
    assert "\n" not in str(caught.value)
    return caught.value.code, str(caught.value)


def properties(ready: Program, name: str) -> Any:
    return ready.resolve(ready.resources[name].properties, Resources(), f"Resources.{name}.Properties")
