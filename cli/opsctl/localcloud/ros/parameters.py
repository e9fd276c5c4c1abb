"""Parameters: from the texts a caller passes to typed values that keep every constraint of the template.

Values always travel as text.  A value of a NoEcho parameter never appears in an error.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.ros import errors, patterns
from opsctl.localcloud.ros.template import STORE_TYPES, ParameterSpec, kind
from opsctl.localcloud.ros.yaml import clip

MASK = "******"
_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "off", "n", "no"})
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,64}", re.ASCII)
_MAX_JSON = 524_288


class _InvalidError(Exception):
    """Why a value is not allowed, in words without the value."""


def bind(
    specs: Mapping[str, ParameterSpec],
    passed: Mapping[str, str | None],
    previous: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The typed value of every parameter: what was passed, else the previous one, else the default.

    String gives str, Number int or float, Boolean bool, CommaDelimitedList a list of str, Json the parsed value; a
    parameter whose default is null gives None.  Raises :class:`ApiError`: UnknownUserParameter, UserParameterMissing,
    StackValidationFailed (type or constraint, beginning with ``Parameters.NAME``).
    """
    for name in passed:
        if name not in specs:
            raise errors.unknown_parameter(clip(name))
    return {name: _bound(spec, passed, previous or {}) for name, spec in specs.items()}


def masked(specs: Mapping[str, ParameterSpec], values: Mapping[str, Any]) -> dict[str, str]:
    """The values as GetStack shows them: text, and asterisks for NoEcho."""
    return {name: MASK if specs[name].no_echo else text(value) for name, value in values.items() if name in specs}


def describe(specs: Mapping[str, ParameterSpec]) -> list[dict[str, Any]]:
    """The Parameters of ValidateTemplate: what the template says, with ParameterKey, and NoEcho as text."""
    return [
        {"ParameterKey": spec.name, **spec.attributes, "NoEcho": "true" if spec.no_echo else "false"}
        for spec in specs.values()
    ]


def text(value: Any) -> str:
    """A typed value as it travels."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return json.dumps(value, ensure_ascii=False)


def _bound(spec: ParameterSpec, passed: Mapping[str, str | None], previous: Mapping[str, str]) -> Any:
    given: Any = passed.get(spec.name)
    if given is None:
        given = previous.get(spec.name)
    if given is None:
        if not spec.has_default:
            raise errors.parameter_missing(spec.name)
        given = spec.default
        if given is None:
            return None
    try:
        value = _typed(spec, given)
        _check(spec, value)
    except _InvalidError as error:
        raise _refused(spec, str(error)) from None
    return value


def _refused(spec: ParameterSpec, reason: str) -> ApiError:
    hint = spec.attributes.get("ConstraintDescription")
    if isinstance(hint, dict):
        hint = hint.get("en") or next(iter(hint.values()), None)
    tail = f" ({' '.join(str(hint).split()).rstrip('.')})" if hint else ""
    return errors.validation_failed(f"Parameters.{spec.name}", reason + tail)


def _typed(spec: ParameterSpec, given: Any) -> Any:
    if spec.type == "Number":
        return _number(spec, given)
    if spec.type == "Boolean":
        return _boolean(given)
    if spec.type == "CommaDelimitedList":
        return _items(given)
    if spec.type == "Json":
        return _json(given)
    if isinstance(given, (dict, list)):
        raise _InvalidError(f"must be text, not {kind(given)}")
    return given if isinstance(given, str) else text(given)


def _number(spec: ParameterSpec, given: Any) -> int | float:
    number = to_number(given)
    if number is None:
        raise _InvalidError(f"must be a number{_shown(spec, given)}")
    return number


def to_number(value: Any) -> int | float | None:
    """``10``, ``"10"`` or ``"1.5"`` as a number, None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, str):
        return None
    digits = value.strip()
    if _INTEGER.fullmatch(digits):
        return int(digits)
    if len(digits) <= 64 and _NUMBER.fullmatch(digits):
        number = float(digits)
        return number if math.isfinite(number) else None
    return None


def _boolean(given: Any) -> bool:
    word = str(given).strip().lower() if isinstance(given, (str, int)) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise _InvalidError("must be true or false")


def _items(given: Any) -> list[str]:
    if isinstance(given, list):
        return [text(item) for item in given]
    if isinstance(given, dict):
        raise _InvalidError("must be a list, or text with commas")
    listed = text(given)
    return [item.strip() for item in listed.split(",")] if listed.strip() else []


def _json(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    if len(given) > _MAX_JSON:
        raise _InvalidError(f"has {len(given)} characters, allowed are {_MAX_JSON}")
    try:
        value = json.loads(given, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise _InvalidError(f"must be JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (RecursionError, ValueError):
        raise _InvalidError("must be JSON of sensible depth and numbers") from None
    if _depth_over(value, 50):
        raise _InvalidError("must be JSON of at most 50 levels")
    return value


def _no_constant(word: str) -> Any:
    raise ValueError(word)


def _depth_over(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def _check(spec: ParameterSpec, value: Any) -> None:
    _check_allowed(spec, value)
    _check_length(spec, value)
    _check_range(spec, value)
    _check_pattern(spec, value)


def _check_allowed(spec: ParameterSpec, value: Any) -> None:
    allowed = spec.attributes.get("AllowedValues")
    if allowed is None:
        return
    for item in value if isinstance(value, list) else [value]:
        if not any(_same(spec, item, other) for other in allowed):
            listed = clip(", ".join(text(other) for other in allowed))
            raise _InvalidError(f"must be one of {listed}{_shown(spec, item)}")


def _same(spec: ParameterSpec, value: Any, other: Any) -> bool:
    if spec.type == "Number":
        return bool(to_number(other) == value)
    if spec.type == "Boolean":
        return text(other).lower() == text(value)
    if spec.type == "Json" and value == other:
        return True
    return text(value) == text(other)


def _check_length(spec: ParameterSpec, value: Any) -> None:
    if not isinstance(value, (str, list, dict)):
        return
    low, high = _limit(spec, "MinLength"), _limit(spec, "MaxLength")
    unit = "characters" if isinstance(value, str) else "items"
    if low is not None and len(value) < low:
        raise _InvalidError(f"must have at least {low} {unit}, not {len(value)}")
    if high is not None and len(value) > high:
        raise _InvalidError(f"must have at most {high} {unit}, not {len(value)}")


def _check_range(spec: ParameterSpec, value: Any) -> None:
    if spec.type != "Number":
        return
    low, high = _limit(spec, "MinValue"), _limit(spec, "MaxValue")
    if low is not None and value < low:
        raise _InvalidError(f"must be at least {low}{_shown(spec, value)}")
    if high is not None and value > high:
        raise _InvalidError(f"must be at most {high}{_shown(spec, value)}")


def _limit(spec: ParameterSpec, key: str) -> int | float | None:
    raw = spec.attributes.get(key)
    if raw is None:
        return None
    number = to_number(raw)
    if number is None:
        raise errors.invalid_type(f"Parameters.{spec.name}", key, "It must be a number")
    return number


def _check_pattern(spec: ParameterSpec, value: Any) -> None:
    pattern = spec.attributes.get("AllowedPattern")
    if pattern is None or spec.type in STORE_TYPES or not isinstance(value, str):
        return
    if not isinstance(pattern, str):
        raise errors.invalid_type(f"Parameters.{spec.name}", "AllowedPattern", "It must be text")
    try:
        if not patterns.matches(pattern, value):
            raise _InvalidError(f"must match the pattern {clip(pattern, 200)}{_shown(spec, value)}")
    except patterns.PatternError as error:
        raise errors.validation_failed(f"Parameters.{spec.name}.AllowedPattern", str(error)) from None


def _shown(spec: ParameterSpec, value: Any) -> str:
    return "" if spec.no_echo else f", not {clip(text(value))!r}"
