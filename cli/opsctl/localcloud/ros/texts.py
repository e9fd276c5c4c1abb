"""Functions over text: each takes its computed argument and gives a value, or raises ``FunctionError``."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from opsctl.localcloud.ros import patterns
from opsctl.localcloud.ros.errors import FunctionError
from opsctl.localcloud.ros.template import kind

MAX_TEXT = 4 * 1024 * 1024
Argument = Any


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def shown(value: Any) -> str:
    """How Sub and Str write a value: lists and maps as JSON, the rest as Python's ``str``."""
    if value is None:
        return ""
    return dump(value) if isinstance(value, (list, dict)) else str(value)


def pair(argument: Argument, form: str) -> tuple[Any, Any]:
    first, second = several(argument, 2, 2, form)
    return first, second


def several(argument: Argument, least: int, most: int, form: str) -> list[Any]:
    if not isinstance(argument, list) or not least <= len(argument) <= most:
        raise FunctionError(f"write {form}")
    return argument


def text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise FunctionError(f"{what} must be text, not {kind(value)}")
    return value


def items(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise FunctionError(f"{what} must be a list, not {kind(value)}")
    return value


def check_length(characters: int) -> None:
    if characters > MAX_TEXT:
        raise FunctionError(f"the result has more than {MAX_TEXT} characters")


def join(argument: Argument) -> str:
    separator, listed = pair(argument, "[separator, [item, ...]]")
    text(separator, "the separator")
    if listed is None:
        return ""
    words = [_word(item, index) for index, item in enumerate(items(listed, "the second argument"))]
    check_length(sum(map(len, words)) + len(separator) * len(words))
    return str(separator.join(words))


def _word(item: Any, index: int) -> str:
    if item is None:
        return ""
    if isinstance(item, (str, int)):
        return str(item)
    raise FunctionError(f"item {index} must be text, a whole number, true or false, not {_kind(item)}")


def _kind(item: Any) -> str:
    return "a fraction" if isinstance(item, float) else kind(item)


def split(argument: Argument) -> list[str]:
    separator, whole = pair(argument, "[separator, text]")
    if not text(separator, "the separator"):
        raise FunctionError("the separator must not be empty")
    return [] if whole is None else text(whole, "the second argument").split(separator)


def replace(argument: Argument) -> str | None:
    table, whole = pair(argument, "[{old: new, ...}, text]")
    if not isinstance(table, dict):
        raise FunctionError(f"the first argument must be a map, not {kind(table)}")
    if whole is None:
        return None
    result = text(whole, "the second argument")
    for old, new in table.items():
        if isinstance(new, (list, dict)):
            raise FunctionError(f"each replacement must be text, not {kind(new)}")
        if not old:
            raise FunctionError("the text to replace must not be empty")
        written = shown(new)
        check_length(len(result) + result.count(old) * (len(written) - len(old)))
        result = result.replace(old, written)
    return result


def to_text(argument: Argument) -> str | None:
    return None if argument is None else shown(argument)


def encode(argument: Argument) -> str | None:
    if argument is None:
        return None
    if isinstance(argument, (list, dict)):
        raise FunctionError(f"the argument must be text, not {kind(argument)}")
    return base64.b64encode(shown(argument).encode()).decode()


def decode(argument: Argument) -> str | None:
    if argument is None:
        return None
    try:
        whole = "".join(text(argument, "the argument").split())
        return base64.b64decode(whole.encode("ascii"), validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise FunctionError("the argument is no Base64 of UTF-8 text") from None


def json_value(argument: Argument) -> Any:
    key, source = pair(argument, "[key, JSON text]")
    if source is None or source == "":
        return None
    table = parsed(source) if isinstance(source, str) else source
    if not isinstance(table, dict):
        raise FunctionError(f"the second argument must be the JSON of a map, not {kind(table)}")
    value = table.get(shown(key))
    return value if value is None or isinstance(value, str) else dump(value)


def parsed(source: str) -> Any:
    try:
        return json.loads(source)
    except json.JSONDecodeError as error:
        raise FunctionError(f"the text is no JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (RecursionError, ValueError):
        raise FunctionError("the text is no JSON of sensible depth and numbers") from None


def match_pattern(argument: Argument) -> bool:
    pattern, whole = pair(argument, "[pattern, text]")
    try:
        return patterns.matches(text(pattern, "the pattern"), text(whole, "the second argument"))
    except patterns.PatternError as error:
        raise FunctionError(str(error)) from None


def indent(argument: Argument) -> str | None:
    form = "[text, width 0-20, level 0-4, indent the first line: true or false]"
    arguments = several(argument, 2, 4, form)
    whole, width = arguments[:2]
    level = arguments[2] if len(arguments) > 2 else 1
    first = arguments[3] if len(arguments) > 3 else True
    if whole is None:
        return None
    numbers = [number for number in (width, level) if isinstance(number, int) and not isinstance(number, bool)]
    if len(numbers) < 2 or not (0 <= width <= 20 and 0 <= level <= 4 and isinstance(first, bool)):
        raise FunctionError(f"write {form}")
    lines = text(whole, "the text").split("\n")
    margin = " " * (width * level)
    check_length(len(whole) + len(margin) * len(lines))
    head = (margin if first and lines[0] else "") + lines[0]
    return "\n".join([head, *(margin + line if line else line for line in lines[1:])])
