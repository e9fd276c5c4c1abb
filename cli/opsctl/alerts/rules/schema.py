"""The JSON schema of files of rules, for editors; `python -m opsctl.alerts.rules.schema` prints it.

It says what the models say, with what stands below each of their fields as its description.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from typing import Any

from pydantic import BaseModel, TypeAdapter

from opsctl.alerts.rules import rule as module
from opsctl.alerts.rules.read import File
from opsctl.alerts.rules.rule import Rule
from opsctl.alerts.rules.units import length
from opsctl.policy import times

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema: a list of rules, or rules with what is switched on and off."""
    made = TypeAdapter(list[Rule] | File).json_schema(by_alias=True, mode="validation")
    told = {**_descriptions(module), **_descriptions(times), **_descriptions(sys.modules[File.__module__])}
    for name, part in made["$defs"].items():
        for key, value in part.get("properties", {}).items():
            value.pop("title", None)
            if "pattern" in value and isinstance(value.get("default"), int):
                value["default"] = length(value["default"])
            if text := told.get((name, key)):
                value["description"] = text
    for key, value in made["$defs"]["When"]["properties"].items():
        made["$defs"]["When"]["properties"][key] = _loose(value)
    return {"$schema": _DIALECT, "title": "Rules of opsctl: which alert is healed how", **made}


def _loose(value: dict[str, Any]) -> dict[str, Any]:
    """As it may be written: one instead of a list of one, and times that YAML or we understand."""
    about = {name: value[name] for name in ("description",) if name in value}
    if value.get("type") == "array":
        return {**about, "anyOf": [value["items"], {"type": "array", "items": value["items"]}]}
    if any(part.get("format") == "date-time" for part in value.get("anyOf", ())):
        return {**about, "type": "string"}
    return value


def _descriptions(of: Any) -> dict[tuple[str, str], str]:
    """Class and field, by the name that is written -> the text below it in the source."""
    found: dict[tuple[str, str], str] = {}
    for node in ast.parse(inspect.getsource(of)).body:
        model = getattr(of, node.name, None) if isinstance(node, ast.ClassDef) else None
        if not (isinstance(node, ast.ClassDef) and isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        for field, below in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = below.value if isinstance(below, ast.Expr) else None
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    name = model.model_fields[field.target.id].alias or field.target.id
                    found[node.name, name] = " ".join(text.value.split())
    return found


def text() -> str:
    """As it is kept beside this file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
