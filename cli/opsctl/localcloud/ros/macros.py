"""Macros of Locals: their text is put in wherever they are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsctl.localcloud.ros import errors
from opsctl.localcloud.ros.functions import placeholders, sub_parts
from opsctl.localcloud.ros.resolve import Literal, function_name, weigh

_MAX_WEIGHT = 8 * 1024 * 1024


def expand(value: Any, macros: Mapping[str, Any], path: str) -> Any:
    """``value`` with every ``Ref`` to a macro replaced by the macro's own value."""
    if not macros:
        return value
    expanded = _expand(value, macros, path)
    if weigh(expanded, _MAX_WEIGHT) is None:
        raise errors.invalid_schema(path, "its macros expand to more than a template can hold")
    return expanded


def _expand(value: Any, macros: Mapping[str, Any], path: str) -> Any:
    if isinstance(value, list):
        return [_expand(item, macros, f"{path}[{place}]") for place, item in enumerate(value)]
    if not isinstance(value, dict) or isinstance(value, Literal):
        return value
    name = function_name(value)
    if name == "Ref" and isinstance(value[name], str) and value[name] in macros:
        return macros[value[name]]
    if name == "Fn::Sub":
        template, variables = sub_parts(value[name], f"{path}.{name}")
        own = {key: _expand(item, macros, f"{path}.{name}[1].{key}") for key, item in variables.items()}
        if isinstance(template, str):
            own |= {key: macros[key] for key in placeholders(template) if key in macros and key not in own}
        return {name: [_expand(template, macros, path), own]}
    return {key: _expand(item, macros, f"{path}.{key}") for key, item in value.items()}
