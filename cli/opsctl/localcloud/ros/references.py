"""What a value refers to, found without computing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from opsctl.localcloud.ros import errors
from opsctl.localcloud.ros.functions import (
    CONDITION_ONLY,
    attribute_parts,
    if_parts,
    placeholders,
    reference_name,
    sub_parts,
)
from opsctl.localcloud.ros.resolve import Literal, function_name
from opsctl.localcloud.ros.yaml import clip, split_attribute


@dataclass(frozen=True, slots=True)
class Reference:
    """A name as written. ``attribute`` is None for the thing itself, "" for an attribute that has to be computed."""

    name: str
    attribute: str | None
    path: str


@dataclass(frozen=True)
class Scanner:
    """How to read what is scanned.

    ``named`` says whether a text as a whole is a name (``${A.B}`` could be one).  With ``decide`` only the branch of
    an Fn::If that is taken counts, else both do, and ``condition`` sees the conditions.  ``call`` sees every function.
    """

    named: Callable[[str], bool]
    decide: Callable[[Any, str], bool] | None = None
    condition: Callable[[Any, str], None] | None = None
    call: Callable[[str, str], None] | None = None
    standalone: bool = False  # whether Fn::Equals and its like may stand outside of a condition

    def scan(self, value: Any, path: str) -> Iterator[Reference]:
        """Every reference in ``value``, in the order they are written."""
        if isinstance(value, list):
            for place, item in enumerate(value):
                if isinstance(item, (dict, list)):
                    yield from self.scan(item, f"{path}[{place}]")
        elif isinstance(value, dict) and not isinstance(value, Literal):
            name = function_name(value)
            if name:
                yield from self._function(name, value[name], f"{path}.{name}")
                return
            for key, item in value.items():
                if isinstance(item, (dict, list)):
                    yield from self.scan(item, f"{path}.{key}")

    def _function(self, name: str, argument: Any, path: str) -> Iterator[Reference]:
        if self.call:
            self.call(name, path)
        if name == "Ref":
            yield Reference(reference_name(argument, path), None, path)
        elif name == "Fn::GetAtt":
            resource, attribute = attribute_parts(argument, path)
            yield Reference(resource, attribute if isinstance(attribute, str) else "", path)
            yield from self.scan(attribute, f"{path}[1]")
        elif name == "Fn::Sub":
            yield from self._sub(argument, path)
        elif name == "Fn::If":
            yield from self._if(argument, path)
        elif name in CONDITION_ONLY and not self.standalone:
            raise errors.invalid_schema(path, f"{name} belongs in Conditions, or in the condition of Fn::If")
        elif name in CONDITION_ONLY and self.condition:
            self.condition({name: argument}, path)
        else:
            yield from self.scan(argument, path)

    def _sub(self, argument: Any, path: str) -> Iterator[Reference]:
        template, variables = sub_parts(argument, path)
        yield from self.scan(template, path)
        yield from self.scan(variables, f"{path}[1]")
        for name in dict.fromkeys(placeholders(template) if isinstance(template, str) else ()):
            if name in variables:
                continue
            parts = [name] if self.named(name) else split_attribute(name)
            if not parts[0]:
                raise errors.invalid_reference(clip(name), path)
            yield Reference(parts[0], parts[1] if len(parts) == 2 else None, path)

    def _if(self, argument: Any, path: str) -> Iterator[Reference]:
        condition, yes, no = if_parts(argument, path)
        if self.decide:
            taken = self.decide(condition, f"{path}[0]")
            yield from self.scan(yes, f"{path}[1]") if taken else self.scan(no, f"{path}[2]")
            return
        if self.condition:
            self.condition(condition, f"{path}[0]")
        yield from self.scan(yes, f"{path}[1]")
        yield from self.scan(no, f"{path}[2]")
