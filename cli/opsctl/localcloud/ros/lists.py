"""Functions over lists and maps: each takes its computed argument and gives a value, or raises ``FunctionError``."""

from __future__ import annotations

import re
from typing import Any

from opsctl.localcloud.ros.errors import FunctionError
from opsctl.localcloud.ros.template import kind
from opsctl.localcloud.ros.texts import Argument, items, pair, parsed, several, text

_INDEX = re.compile(r"\s*-?\d{1,9}\s*", re.ASCII)
_SLICE = re.compile(r"\s*(-?\d{1,9})?\s*:\s*(-?\d{1,9})?\s*(?::\s*(-?\d{1,9})?\s*)?", re.ASCII)
_MAX_MEMBERS = 10_000
_MAX_CELLS = 100_000


def select(argument: Argument) -> Any:
    """``[index or key, collection, default, error text]``; what is missing is the default, or ""."""
    arguments = several(argument, 2, 4, "[index or key, collection, default]")
    key, collection = arguments[0], arguments[1]
    missing = arguments[2] if len(arguments) > 2 and arguments[2] is not None else ""
    if isinstance(collection, str):
        collection = _from_text(collection)
    found: Any = None
    if isinstance(collection, dict):
        found = collection.get(str(key))
    elif isinstance(collection, list):
        found = _element(key, collection)
    elif collection is not None:
        raise FunctionError(f"the collection must be a list or a map, not {kind(collection)}")
    if found is None and len(arguments) == 4 and arguments[3] is not None:
        raise FunctionError(text(arguments[3], "the error text"))
    return missing if found is None else found


def _from_text(collection: str) -> Any:
    stripped = collection.strip()
    if stripped[:1] in ("[", "{"):
        return parsed(stripped)
    return collection.split(",") if collection else []


def _element(key: Any, collection: list[Any]) -> Any:
    word = str(key) if not isinstance(key, (bool, float)) else ""
    if _INDEX.fullmatch(word):
        index = int(word)
        return collection[index] if -len(collection) <= index < len(collection) else None
    cut = _SLICE.fullmatch(word)
    if not cut:
        raise FunctionError("the index into a list must be a whole number or a slice such as 1:3")
    start, stop, step = (int(part) if part else None for part in cut.groups())
    if step == 0:
        raise FunctionError("the step of a slice must not be 0")
    return collection[start:stop:step]


def list_merge(argument: Argument) -> list[Any]:
    merged: list[Any] = []
    for part in items(argument, "the argument"):
        if part is not None:
            merged.extend(items(part, "each part"))
    return merged


def length(argument: Argument) -> int:
    if argument is None:
        return 0
    if isinstance(argument, (str, list, dict)):
        return len(argument)
    raise FunctionError(f"the argument must be text, a list or a map, not {kind(argument)}")


def contains(argument: Argument) -> bool:
    collection, item = pair(argument, "[list, item]")
    return item in items(collection, "the first argument")


def any_of(argument: Argument) -> bool:
    """``[true, false]``, also wrapped once more: ``[[true, false]]``."""
    listed = items(argument, "the argument")
    if len(listed) == 1 and isinstance(listed[0], list):
        listed = listed[0]
    if not all(isinstance(item, bool) for item in listed):
        raise FunctionError("each item must be true or false")
    return any(listed)


def each_member_in(argument: Argument) -> bool:
    members, allowed = pair(argument, "[list, list]")
    listed, known = items(members, "the first argument"), items(allowed, "the second argument")
    if max(len(listed), len(known)) > _MAX_MEMBERS:
        raise FunctionError(f"a list has more than {_MAX_MEMBERS} items")
    if all(isinstance(item, str) for item in known):
        names = set(known)
        return all(isinstance(item, str) and item in names for item in listed)
    if len(listed) * len(known) > 100 * _MAX_MEMBERS:
        raise FunctionError("the lists are too long to compare")
    return all(item in known for item in listed)


def index(argument: Argument) -> int | None:
    item, collection = pair(argument, "[item, list]")
    if collection is None:
        return None
    listed = items(collection, "the second argument")
    return listed.index(item) if item in listed else None


def add(argument: Argument) -> Any:
    parts = items(argument, "the argument")
    if len(parts) < 2:
        raise FunctionError("write at least two numbers, lists or maps")
    if all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in parts):
        return sum(parts)
    if all(isinstance(part, list) for part in parts):
        return [item for part in parts for item in part]
    if all(isinstance(part, dict) for part in parts):
        return {key: item for part in parts for key, item in part.items()}
    raise FunctionError("all parts must be numbers, or all lists, or all maps")


def select_map_list(argument: Argument) -> list[Any]:
    key, maps = pair(argument, "[key, [map, ...]]")
    name = text(key, "the key")
    return [row[name] for row in _maps(maps, "the second argument") if name in row]


def merge_map(argument: Argument) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in items(argument, "the argument"):
        if part is not None:
            merged = _deep(merged, _a_map(part, "each part"))
    return merged


def _deep(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    merged = dict(one)
    for key, item in two.items():
        old = merged.get(key)
        merged[key] = _deep(old, item) if isinstance(old, dict) and isinstance(item, dict) else item
    return merged


def merge_map_to_list(argument: Argument) -> list[dict[str, Any]]:
    """``[{"A": [1, 2]}, {"B": [3, 4]}]`` -> ``[{"A": 1, "B": 3}, {"A": 2, "B": 4}]``

    The last item of a short list repeats.
    """
    columns: dict[str, list[Any]] = {}
    for part in _maps(argument, "the argument"):
        for key, column in part.items():
            columns[key] = [""] if column is None else items(column, "the value of each key")
    rows = max((len(column) for column in columns.values()), default=0)
    if rows * len(columns) > _MAX_CELLS:
        raise FunctionError(f"the result has more than {_MAX_CELLS} values")
    return [
        {key: column[min(row, len(column) - 1)] for key, column in columns.items() if column} for row in range(rows)
    ]


def _maps(value: Any, what: str) -> list[dict[str, Any]]:
    return [_a_map(item, f"each item of {what}") for item in items(value, what) if item is not None]


def _a_map(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FunctionError(f"{what} must be a map, not {kind(value)}")
    return value
