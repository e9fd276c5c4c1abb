"""Template text to plain values: JSON or YAML with short tags, without recursion and within fixed bounds.

PyYAML's own constructor recurses, lets the last of two equal keys win and expands aliases without end, so values are
built here from the parser's events.  Plain scalars mean what YAML 1.1 says (the service is written in Python too),
except that dates, infinities and binary stay text.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.ros import errors

MAX_BYTES = 524_288
MAX_DEPTH = 100
MAX_WEIGHT = 8 * 1024 * 1024  # characters after alias expansion; what a natural text of MAX_BYTES never reaches
_MAX_NUMBER = 64  # longer runs of digits are text: sexagesimals of any length would cost quadratic time
_NODE = 8  # weight of a value beside its characters

_PREFIX = "tag:yaml.org,2002:"
_SCALAR_TAGS = {_PREFIX + name for name in ("null", "bool", "int", "float", "timestamp", "merge", "value", "str")}
_COLLECTION_TAGS = {None, "!", _PREFIX + "map", _PREFIX + "seq"}

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_resolver: Any = Resolver()
_constructor: Any = SafeConstructor()


def load(text: str) -> Any:
    """The value of a JSON or YAML text; keys of maps are always strings. Raises ``InvalidTemplate``."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise errors.invalid_template("it is not valid UTF-8 text") from None
    if not 1 <= size <= MAX_BYTES:
        raise errors.invalid_template(f"it has {size} bytes, allowed are 1 to {MAX_BYTES}")
    if text.lstrip()[:1] == "{":
        # A flow map may still be YAML ({a: 1}); only what JSON cannot read goes on to the slower parser.
        try:
            return _json(text)
        except json.JSONDecodeError:
            pass
    try:
        return _Builder().build(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise errors.invalid_template(f"it is not valid YAML{where}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise errors.invalid_template(f"it is not valid YAML: {' '.join(str(error).split())}") from None


def _json(text: str) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in items:
            if key in found:
                raise errors.invalid_template(f"the key {clip(key)!r} appears twice in one map")
            found[key] = value
        return found

    def number(digits: str) -> Any:
        return _finite(float(digits), digits)

    def integer(digits: str) -> Any:
        return digits if len(digits) > _MAX_NUMBER else int(digits)

    def constant(word: str) -> Any:
        raise errors.invalid_template(f"{word} is not a JSON value")

    try:
        value = json.loads(
            text, object_pairs_hook=pairs, parse_float=number, parse_int=integer, parse_constant=constant
        )
    except RecursionError:
        raise _too_deep() from None
    _check(value)
    return value


def _check(value: Any) -> None:
    """What the YAML side checks while it builds: depth, and text that can be encoded again."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                for key in item:
                    _encodable(key)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, str):
                _encodable(item)
        level = below
    raise _too_deep()


def _encodable(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise errors.invalid_template("it contains half of a surrogate pair") from None


def _finite(value: float, text: str) -> float | str:
    return value if math.isfinite(value) else text


def _too_deep() -> ApiError:
    return errors.invalid_template(f"values are nested deeper than {MAX_DEPTH} levels")


@dataclass(slots=True)
class _Frame:
    """A list or map that is being read."""

    container: Any
    anchor: str | None
    function: str | None  # the long name of a short tag before it
    line: int
    key: str | None = None
    merging: bool = False  # the key before was <<
    weight: int = _NODE
    merged: list[dict[str, Any]] = field(default_factory=list)

    @property
    def wants_key(self) -> bool:
        return isinstance(self.container, dict) and self.key is None and not self.merging


class _Builder:
    """One document, event by event."""

    def __init__(self) -> None:
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._weight = 0
        self._documents = 0
        self._result: Any = None

    def build(self, text: str) -> Any:
        parser = _Parser(text)
        try:
            while parser.check_event():
                self._event(parser.get_event())
        finally:
            parser.dispose()
        return self._result

    def _event(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            self._start(event)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise errors.invalid_template("it holds more than one YAML document")

    def _scalar(self, event: Any) -> None:
        weight = _NODE + len(event.value)
        self._grow(weight)
        if self._stack and self._stack[-1].wants_key:
            self._key(self._stack[-1], event)
            return
        value = _scalar_value(event)
        if event.anchor:
            self._anchors[event.anchor] = (value, weight)
        self._add(value, weight, event.start_mark.line + 1)

    def _start(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if len(self._stack) >= MAX_DEPTH:
            raise _too_deep()
        if self._stack and self._stack[-1].wants_key:
            raise _bad(line, "the key of a map must be plain text")
        self._grow(_NODE)
        function = None if event.tag in _COLLECTION_TAGS else _function(event.tag, line)
        container: Any = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        if event.anchor:
            self._anchors.pop(event.anchor, None)  # until its end an alias to it would be endless
        self._stack.append(_Frame(container, event.anchor, function, line))

    def _end(self) -> None:
        frame = self._stack.pop()
        value = frame.container
        if frame.merged:
            # Own keys win over merged ones, and of those the first map wins.
            value = {key: item for other in reversed(frame.merged) for key, item in other.items()} | value
        if frame.function:
            value = {frame.function: value}
        if frame.anchor:
            self._anchors[frame.anchor] = (value, frame.weight)
        self._add(value, frame.weight, frame.line)

    def _alias(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if event.anchor not in self._anchors:
            raise _bad(line, f"the alias *{clip(event.anchor)} has no anchor before it")
        if self._stack and self._stack[-1].wants_key:
            raise _bad(line, "the key of a map must be plain text")
        value, weight = self._anchors[event.anchor]
        self._grow(weight)
        self._add(value, weight, line)

    def _key(self, frame: _Frame, event: Any) -> None:
        line = event.start_mark.line + 1
        if event.tag not in (None, "!", _PREFIX + "str"):
            raise _bad(line, "a tag cannot stand before the key of a map")
        if event.value == "<<" and event.implicit[0]:
            frame.merging = True
        elif event.value in frame.container:
            raise _bad(line, f"the key {clip(event.value)!r} appears twice in one map")
        else:
            frame.key = event.value

    def _add(self, value: Any, weight: int, line: int) -> None:
        if not self._stack:
            self._result = value
            return
        frame = self._stack[-1]
        frame.weight += weight
        if isinstance(frame.container, list):
            frame.container.append(value)
        elif frame.key is not None:
            frame.container[frame.key] = value
            frame.key = None
        else:
            maps = value if isinstance(value, list) else [value]
            if not all(isinstance(item, dict) for item in maps):
                raise _bad(line, "<< can only merge maps")
            frame.merged.extend(maps)
            frame.merging = False

    def _grow(self, weight: int) -> None:
        self._weight += weight
        if self._weight > MAX_WEIGHT:
            raise errors.invalid_template("its aliases expand to more than a template can hold")


def clip(text: str, most: int = 64) -> str:
    """A text short enough for an error message."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _bad(line: int, reason: str) -> ApiError:
    return errors.invalid_template(f"line {line}: {reason}")


def _function(tag: str, line: int) -> str:
    """``!Join`` -> ``Fn::Join``; other tags (``!!binary``, ``!!python/object``) are refused."""
    name = tag.removeprefix("!")
    if name == tag or not name.isalnum():
        raise _bad(line, f"the tag {clip(tag.replace(_PREFIX, '!!'))} is not allowed")
    return name if name in ("Ref", "Condition") else f"Fn::{name}"


def _scalar_value(event: Any) -> Any:
    tag, text, line = event.tag, event.value, event.start_mark.line + 1
    if tag is None or tag == "!":
        tag = _resolver.resolve(yaml.ScalarNode, text, event.implicit) if len(text) <= _MAX_NUMBER else _PREFIX + "str"
        if tag == "!" or tag not in _SCALAR_TAGS:
            tag = _PREFIX + "str"
    elif tag not in _SCALAR_TAGS:
        return _short(_function(tag, line), text)
    kind = tag.removeprefix(_PREFIX)
    if kind in ("str", "timestamp", "merge", "value"):
        return text
    if kind == "null":
        return None
    try:
        return _typed(kind, text)
    except (ValueError, KeyError, IndexError):
        raise _bad(line, f"the text is no {kind}") from None


def _typed(kind: str, text: str) -> Any:
    if len(text) > _MAX_NUMBER:
        raise ValueError(kind)
    node = yaml.ScalarNode(_PREFIX + kind, text)
    if kind == "bool":
        return _constructor.construct_yaml_bool(node)
    if kind == "int":
        return _constructor.construct_yaml_int(node)
    value = _constructor.construct_yaml_float(node)
    return value if math.isfinite(value) else text


def _short(function: str, text: str) -> Any:
    """``!GetAtt A.B`` -> ``{"Fn::GetAtt": ["A", "B"]}``; other functions take the text as it stands."""
    if function == "Fn::GetAtt":
        return {function: split_attribute(text)}
    return {function: text}


def split_attribute(text: str) -> list[str]:
    """``Web.PrivateIp`` -> resource and attribute, at the last dot, or before ``Outputs.`` of a nested stack."""
    resource, dot, output = text.partition(".Outputs.")
    if dot:
        return [resource, f"Outputs.{output}"]
    resource, dot, attribute = text.rpartition(".")
    return [resource, attribute] if dot else [text]
