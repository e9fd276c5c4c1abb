"""The parameters of one call: query and form merged, lists and objects rebuilt, values typed.

On the wire everything is text: ``Tags.1.Key=a`` is the Key of the first item of the list Tags, a boolean is ``True``,
and names count from 1. Source: the flattening the official SDKs do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from opsctl.localcloud.errors import ApiError, invalid_parameter, missing_parameter

MAX_FIELDS = 10_000
MAX_DEPTH = 12
_INDEX = re.compile(r"[1-9][0-9]{0,5}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
# "&" and "=" in a name, or a line break, could make two different calls have one canonical form, hence one signature.
_BAD_NAME = re.compile(r"[&=\x00-\x20\x7f]")

Pairs = list[tuple[str, str]]


def decode(raw: str) -> Pairs:
    """The pairs of a query or a form body; anything that is not exact is refused, because it is signed."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise ApiError("InvalidParameter", "The request is invalid, its parameters are not UTF-8.") from None
    except ValueError:
        raise ApiError("InvalidParameter", f"The request is invalid, it has over {MAX_FIELDS} parameters.") from None
    for name, _ in pairs:
        if not name or _BAD_NAME.search(name):
            raise invalid_parameter(_short(repr(name)), "this is not a parameter name")
    return pairs


def merge(*parts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """One flat map of all parts; a name that occurs twice is refused, as its value would be anybody's guess."""
    flat: dict[str, str] = {}
    for name, value in (pair for part in parts for pair in part):
        if name in flat:
            raise invalid_parameter(_short(name), "it is given more than once")
        flat[name] = value
    return flat


def unflatten(flat: Mapping[str, str]) -> dict[str, Any]:
    """Nested dicts and lists of ``flat``: numbered children (from 1, holes tolerated) become a list in their order."""
    root: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, last = name.split(".", MAX_DEPTH)
        node = root
        for part in parents:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                raise invalid_parameter(_short(name), "it is both a value and a group of values")
            node = child
        if "." in last:
            raise invalid_parameter(_short(name), "it is nested too deeply")
        if isinstance(node.setdefault(last, value), dict):
            raise invalid_parameter(_short(name), "it is both a value and a group of values")
    return {name: _listed(value) for name, value in root.items()}


def _listed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    children = {name: _listed(child) for name, child in node.items()}
    if all(_INDEX.fullmatch(name) for name in children):
        return [children[name] for name in sorted(children, key=int)]
    return children


class Params(Mapping[str, str]):
    """The flat map (``params["Tags.1.Key"]``) and typed views of it; errors are the real API's."""

    def __init__(self, flat: Mapping[str, str]) -> None:
        self._flat = dict(flat)

    def __getitem__(self, name: str) -> str:
        return self._flat[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._flat)

    def __len__(self) -> int:
        return len(self._flat)

    def __repr__(self) -> str:
        # Values may be secrets and may end in a log.
        return f"Params({sorted(self._flat)})"

    @cached_property
    def tree(self) -> dict[str, Any]:
        """All parameters as nested lists and dicts of text."""
        return unflatten(self._flat)

    def text(self, name: str, default: str = "") -> str:
        """The value, or ``default`` when it is not given or empty."""
        return self._flat.get(name) or default

    def required(self, name: str) -> str:
        """The value; MissingParameter when it is not given or empty."""
        value = self._flat.get(name)
        if not value:
            raise missing_parameter(name)
        return value

    def integer(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number from ``low`` to ``high``; MissingParameter when absent without default."""
        text = self._flat.get(name, "").strip()
        if not text:
            if default is None:
                raise missing_parameter(name)
            return default
        if not _INTEGER.fullmatch(text):
            raise invalid_parameter(name, "it should be an integer")
        value = int(text)
        if not low <= value <= high:
            raise invalid_parameter(name, f"it should be from {low} to {high}")
        return value

    def boolean(self, name: str, default: bool = False) -> bool:
        """``True`` or ``False`` in any case, as SDKs of different languages write it."""
        text = self._flat.get(name, "").strip().lower()
        if text not in ("", "true", "false"):
            raise invalid_parameter(name, "it should be true or false")
        return text == "true" if text else default

    def choice(self, name: str, values: Collection[str], default: str | None = None) -> str:
        """One of ``values``, exactly."""
        text = self.required(name) if default is None else self.text(name, default)
        if text not in values:
            raise invalid_parameter(name, f"it should be one of {', '.join(values)}")
        return text

    def names(self, name: str) -> list[str]:
        """The list of text ``name.1``, ``name.2`` ...; empty when absent."""
        return [self._item(name, item, str) for item in self._items(name)]

    def objects(self, name: str) -> list[dict[str, Any]]:
        """The list of objects ``name.1.Key`` ...; empty when absent."""
        return [self._item(name, item, dict) for item in self._items(name)]

    def object(self, name: str) -> dict[str, Any]:
        """The object ``name.Key`` ...; empty when absent."""
        value: dict[str, Any] = self._item(name, self.tree.get(name, {}), dict)
        return value

    def parsed(self, name: str, kind: type[Any], default: Any = None) -> Any:
        """A parameter that is one JSON text (``InstanceIds=["i-1"]``) of type ``kind``; ``default`` when absent."""
        text = self._flat.get(name, "")
        if not text.strip():
            return default
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise invalid_parameter(name, "it should be JSON") from None
        return self._item(name, value, kind)

    def _items(self, name: str) -> list[Any]:
        value = self.tree.get(name, [])
        # ``Names=`` is how an SDK sends an empty list that it was given as an empty text.
        if value == "":
            return []
        items: list[Any] = self._item(name, value, list)
        return items

    @staticmethod
    def _item(name: str, value: Any, kind: type[Any]) -> Any:
        if not isinstance(value, kind):
            words = {"str": "text", "list": f"a list ({name}.1, {name}.2, ...)", "dict": "an object"}
            raise invalid_parameter(name, f"it should be {words.get(kind.__name__, kind.__name__)}")
        return value


def _short(text: str) -> str:
    return text if len(text) <= 64 else text[:61] + "..."
