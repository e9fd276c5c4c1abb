# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates and their parameters: read, compare, and turn values into what the service takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid

try:
    import yaml
except ImportError:  # only the comparison of YAML templates needs it; without it they are compared as text
    HAS_YAML = False
else:
    HAS_YAML = True

LARGEST = 524_288  # bytes, the service's limit
MASK = "******"  # what GetStack shows for a NoEcho parameter
PSEUDO = "ALIYUN::"


@dataclass(frozen=True)
class Template:
    """Where the service finds the template: the text itself or a URL. ``name`` is what to call it in a message."""

    body: str | None = None
    url: str | None = None
    name: str = "of the stack"

    def query(self) -> dict[str, str]:
        return {"TemplateURL": self.url} if self.url else {}

    def form(self) -> dict[str, str]:
        return {"TemplateBody": self.body} if self.body else {}


def load(path: str | None = None, body: Any = None, url: str | None = None) -> Template | None:
    """The template from the one option that is set, or nothing. A body may be text or an already parsed mapping."""
    if path:
        try:
            text = Path(path).expanduser().read_text(encoding="utf-8")
        except OSError as error:
            raise Invalid(f"Cannot read template {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise Invalid(f"Template {path} is not UTF-8 text") from None
        return Template(_checked(text, f"Template {path}"), name=path)
    if url:
        return Template(url=url, name=url)
    if body is not None:
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        return Template(_checked(text, "The template body"), name="body")
    return None


def _checked(text: str, name: str) -> str:
    size = len(text.encode())
    if not text.strip():
        raise Invalid(f"{name} is empty")
    if size > LARGEST:
        raise Invalid(f"{name} has {size} bytes; the service takes {LARGEST} at most")
    return text


def same(left: str, right: str) -> bool:
    """Whether two template texts mean the same: JSON or YAML, whatever the layout, comments and short tags."""
    if left.strip() == right.strip():
        return True
    parsed = _parse(left), _parse(right)
    return None not in parsed and parsed[0] == parsed[1]


def outline(text: str) -> Any:
    """The template parsed, for a diff that shows what it means; the text itself where it cannot be parsed."""
    return _parse(text) or text


def _parse(text: str) -> Any:
    try:
        return _plain(json.loads(text))
    except ValueError:
        pass
    if not HAS_YAML:
        return None
    try:
        return _plain(_yaml(text))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None


def _yaml(text: str) -> Any:
    loader = _loader()(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _plain(value: Any) -> Any:
    # JSON has numbers and booleans where YAML, read without types, has text: the service treats both alike
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return "" if value is None else text_of(value)


def _loader() -> Any:
    class Loader(yaml.BaseLoader):
        """Everything is text, so that 2015-09-01 is no date; short tags become the long form."""

    def tag(loader: Any, suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            value: Any = loader.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)
        if suffix == "GetAtt" and isinstance(value, str):
            value = value.rsplit(".", 1)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}

    Loader.add_multi_constructor("!", tag)
    return Loader


@dataclass(frozen=True)
class Parameter:
    """What the template says about one of its parameters."""

    type: str
    secret: bool = False


def described(parameters: Iterable[Mapping[str, Any]]) -> dict[str, Parameter]:
    """The parameters of a ValidateTemplate answer by name. NoEcho travels as text there."""
    return {
        str(one["ParameterKey"]): Parameter(str(one.get("Type", "String")), _true(one.get("NoEcho")))
        for one in parameters
        if one.get("ParameterKey")
    }


def _true(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "yes")


def values(given: Mapping[str, Any], known: Mapping[str, Parameter]) -> dict[str, str]:
    """The given parameters as the service takes them; ``None`` means not given. Unknown names are an error."""
    strange = sorted(set(given) - set(known))
    if strange:
        has = ", ".join(sorted(known)) or "none"
        raise Invalid(f"The template has no parameter {', '.join(strange)}; it has: {has}")
    return {name: _value(name, value, known[name].type) for name, value in given.items() if value is not None}


def _value(name: str, value: Any, kind: str) -> str:
    if isinstance(value, (list, tuple)) and kind == "CommaDelimitedList":
        bad = next((item for item in value if isinstance(item, (list, dict))), None)
        if bad is not None:
            raise Invalid(f"Parameter {name} is a list of plain values: it cannot hold a {type(bad).__name__}")
        return ",".join(text_of(item) for item in value)
    if isinstance(value, (list, tuple, dict)):
        if kind not in ("Json", "String"):
            raise Invalid(f"Parameter {name} has type {kind}: it cannot be a {type(value).__name__}")
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text_of(value)


def text_of(value: Any) -> str:
    """A scalar as text: booleans lower-case, whole numbers without a decimal point."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def texts(value: Any) -> list[str]:
    """Every text that a value may show up as: the whole of it, and each part of a list or a mapping."""
    if isinstance(value, (list, tuple, dict)):
        parts = list(value.values()) if isinstance(value, dict) else list(value)
        whole = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return [whole, *(text for part in parts for text in texts(part))]
    return [] if value is None or isinstance(value, bool) else [text_of(value)]


def alike(left: str, right: str, kind: str) -> bool:
    """Whether two values of a parameter mean the same to the service."""
    if left == right:
        return True
    try:
        return kind in READ and bool(READ[kind](left) == READ[kind](right))
    except ValueError:
        return False


READ: Mapping[str, Callable[[str], Any]] = {
    "Number": float,
    "Json": json.loads,
    "Boolean": str.lower,
    "CommaDelimitedList": lambda text: [item.strip() for item in text.split(",")],
}
