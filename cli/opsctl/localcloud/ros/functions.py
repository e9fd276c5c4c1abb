"""All functions of the template language in one table: a new one is one line here and one small function.

Most are pure: they see their computed argument only (``texts``, ``lists``, ``maths``).  Those below look names up, or
must not compute all of their argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from opsctl.localcloud.ros import errors, lists, maths, texts
from opsctl.localcloud.ros.errors import FunctionError
from opsctl.localcloud.ros.template import kind
from opsctl.localcloud.ros.yaml import clip, split_attribute


class Context(Protocol):
    """What a function may ask for; ``path`` is its place in the template."""

    @property
    def mappings(self) -> Mapping[str, Any]: ...
    def resolve(self, value: Any, path: str) -> Any: ...
    def arguments(self, value: Any, path: str) -> Any: ...
    def ref(self, name: str, path: str) -> Any: ...
    def attribute(self, resource: str, name: str, path: str) -> Any: ...
    def named(self, name: str) -> bool: ...
    def decide(self, condition: Any, path: str) -> bool: ...
    def zones(self, region: str) -> list[str]: ...
    def now(self) -> datetime: ...


Function = Callable[[Context, Any, str], Any]

_LEVELS = ("map", "first key", "second key")
_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")


def placeholders(template: str) -> list[str]:
    """The names in the ``${...}`` of a Sub, without ``${!literal}``."""
    return [name for name in _PLACEHOLDER.findall(template) if not name.startswith("!")]


def _ref(context: Context, argument: Any, path: str) -> Any:
    return context.ref(reference_name(argument, path), path)


def reference_name(argument: Any, path: str) -> str:
    if not isinstance(argument, str) or not argument:
        raise errors.invalid_schema(path, f"the name must be text, not {kind(argument)}")
    return argument


def _get_att(context: Context, argument: Any, path: str) -> Any:
    resource, attribute = attribute_parts(argument, path)
    name = context.resolve(attribute, f"{path}[1]")
    if not isinstance(name, str):
        raise FunctionError(f"the name of the attribute must be text, not {kind(name)}")
    return context.attribute(resource, name, path)


def attribute_parts(argument: Any, path: str) -> tuple[str, Any]:
    """The resource and the attribute, which may be a function."""
    if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str):
        raise errors.invalid_schema(path, "write [resource, attribute]")
    if not isinstance(argument[1], (str, dict)):
        raise errors.invalid_schema(path, f"the attribute must be text, not {kind(argument[1])}")
    return argument[0], argument[1]


def _sub(context: Context, argument: Any, path: str) -> str:
    template, variables = sub_parts(argument, path)
    source = context.resolve(template, path)
    if not isinstance(source, str):
        raise FunctionError(f"the text must be text, not {kind(source)}")
    own = {name: context.arguments(item, f"{path}[1].{name}") for name, item in variables.items()}
    written: dict[str, str] = {}  # a name used a thousand times is computed once
    size = len(source)

    def value(match: re.Match[str]) -> str:
        nonlocal size
        name = match.group(1)
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        if name not in written:
            found = own[name] if name in own else placeholder_value(context, name, path)
            written[name] = texts.shown(found)
        size += len(written[name])
        texts.check_length(size)
        return written[name]

    return _PLACEHOLDER.sub(value, source)


def placeholder_value(context: Context, name: str, path: str) -> Any:
    if context.named(name):
        return context.ref(name, path)
    parts = split_attribute(name)
    if len(parts) != 2:
        raise errors.invalid_reference(clip(name), path)
    return context.attribute(parts[0], parts[1], path)


def sub_parts(argument: Any, path: str) -> tuple[Any, dict[str, Any]]:
    """The text (or a function that gives it) and the variables of a Sub."""
    template: Any = argument
    variables: dict[str, Any] = {}
    if isinstance(argument, list):
        if not 1 <= len(argument) <= 2 or (len(argument) == 2 and not isinstance(argument[1], dict)):
            raise errors.invalid_schema(path, "write text, or [text, {name: value, ...}]")
        template, variables = argument[0], argument[1] if len(argument) == 2 else {}
    if not isinstance(template, (str, dict)):
        raise errors.invalid_schema(path, "write text, or [text, {name: value, ...}]")
    return template, variables


def _if(context: Context, argument: Any, path: str) -> Any:
    condition, yes, no = if_parts(argument, path)
    taken = context.decide(condition, f"{path}[0]")
    return context.resolve(yes, f"{path}[1]") if taken else context.resolve(no, f"{path}[2]")


def if_parts(argument: Any, path: str) -> tuple[Any, Any, Any]:
    if not isinstance(argument, list) or len(argument) != 3:
        raise errors.invalid_schema(path, "write [condition, value if true, value if false]")
    return argument[0], argument[1], argument[2]


def _equals(context: Context, argument: Any, path: str) -> bool:
    one, two = texts.pair(context.arguments(argument, path), "[value, value]")
    return bool(one == two)


def _and(context: Context, argument: Any, path: str) -> bool:
    return all(_decided(context, argument, path))


def _or(context: Context, argument: Any, path: str) -> bool:
    return any(_decided(context, argument, path))


def _not(context: Context, argument: Any, path: str) -> bool:
    if isinstance(argument, list):
        raise errors.invalid_schema(path, "write one condition, not a list")
    return not context.decide(argument, path)


def _decided(context: Context, argument: Any, path: str) -> list[bool]:
    """All of them: a wrong condition is wrong even when the first one settles the matter."""
    if not isinstance(argument, list) or len(argument) < 2:
        raise errors.invalid_schema(path, "write a list of at least two conditions")
    return [context.decide(item, f"{path}[{place}]") for place, item in enumerate(argument)]


def _find_in_map(context: Context, argument: Any, path: str) -> Any:
    if not isinstance(argument, list) or len(argument) != 3:
        raise errors.invalid_schema(path, "write [map, key, key]")
    found: Any = context.mappings
    for place, key in enumerate(context.arguments(argument, path)):
        if isinstance(key, (dict, list)) or str(key) not in found:
            # A key that was computed may be a secret; one that was written is worth showing.
            shown = f" {clip(str(key))!r}" if not isinstance(argument[place], (dict, list)) else ""
            raise errors.validation_failed(f"{path}[{place}]", f"Mappings has no such {_LEVELS[place]}{shown}")
        found = found[str(key)]
    return found


def _get_azs(context: Context, argument: Any, path: str) -> list[str]:
    region = context.arguments(argument, path) or context.ref("ALIYUN::Region", path)
    zones = context.zones(texts.text(region, "the region"))
    if not zones:
        raise FunctionError("no zone is known of this region")
    return zones


def _format_time(context: Context, argument: Any, path: str) -> str:
    return maths.format_time(context.arguments(argument, path), context.now())


def _pure(function: Callable[[Any], Any]) -> Function:
    return lambda context, argument, path: function(context.arguments(argument, path))


FUNCTIONS: dict[str, Function] = {
    "Ref": _ref,
    "Fn::Add": _pure(lists.add),
    "Fn::And": _and,
    "Fn::Any": _pure(lists.any_of),
    "Fn::Avg": _pure(maths.average),
    "Fn::Base64": _pure(lambda argument: argument),
    "Fn::Base64Decode": _pure(texts.decode),
    "Fn::Base64Encode": _pure(texts.encode),
    "Fn::Calculate": _pure(maths.calculate),
    "Fn::Cidr": _pure(maths.cidr),
    "Fn::Contains": _pure(lists.contains),
    "Fn::EachMemberIn": _pure(lists.each_member_in),
    "Fn::Equals": _equals,
    "Fn::FindInMap": _find_in_map,
    "Fn::FormatTime": _format_time,
    "Fn::GetAZs": _get_azs,
    "Fn::GetAtt": _get_att,
    "Fn::GetJsonValue": _pure(texts.json_value),
    "Fn::If": _if,
    "Fn::Indent": _pure(texts.indent),
    "Fn::Index": _pure(lists.index),
    "Fn::Join": _pure(texts.join),
    "Fn::Length": _pure(lists.length),
    "Fn::ListMerge": _pure(lists.list_merge),
    "Fn::MatchPattern": _pure(texts.match_pattern),
    "Fn::Max": _pure(maths.largest),
    "Fn::MergeMap": _pure(lists.merge_map),
    "Fn::MergeMapToList": _pure(lists.merge_map_to_list),
    "Fn::Min": _pure(maths.smallest),
    "Fn::Not": _not,
    "Fn::Or": _or,
    "Fn::Replace": _pure(texts.replace),
    "Fn::Select": _pure(lists.select),
    "Fn::SelectMapList": _pure(lists.select_map_list),
    "Fn::Split": _pure(texts.split),
    "Fn::Str": _pure(texts.to_text),
    "Fn::Sub": _sub,
}

# Known to the service, not here.
UNSUPPORTED = frozenset(
    "Fn::" + name
    for name in ["GetStackOutput", "Jq", "MarketplaceImage", "MemberListToMap", "ResourceFacade", "TransformNamespace"]
)
CONDITION_ONLY = frozenset({"Fn::And", "Fn::Equals", "Fn::Not", "Fn::Or"})
