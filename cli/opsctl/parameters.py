"""Parameters of scenarios: what roles and templates say about them, and values checked against it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from opsctl.errors import UsageError, suggest
from opsctl.secrets.reference import LOCKED, encrypted

Source = Literal["role", "template"]

_TRUE = frozenset({"true", "yes", "on", "y", "t", "1"})
_FALSE = frozenset({"false", "no", "off", "n", "f", "0"})
_TEMPLATE_TYPES = {"String": "str", "Number": "float", "Boolean": "bool", "Json": "json", "CommaDelimitedList": "list"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `type` is one of Ansible's (str, int, float, bool, list, dict, path, json, raw, ...)."""

    name: str
    type: str
    source: Source
    origin: str
    """The role or the template file it comes from."""
    required: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    elements: str = ""
    secret: bool = False
    help: Mapping[str, str] = field(default_factory=dict)
    """By language: en, zh."""
    least: float | None = None
    most: float | None = None
    shortest: int | None = None
    longest: int | None = None
    pattern: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON: the shape of `opsctl scenario show -o json`."""
        shown = {
            "name": self.name,
            "type": f"{self.type} of {self.elements}" if self.elements else self.type,
            "required": self.required,
            "default": None if self.secret else self.default,
            "choices": list(self.choices),
            "secret": self.secret,
            "source": self.source,
            "origin": self.origin,
            "help": dict(self.help),
        }
        limits = {
            "min": self.least,
            "max": self.most,
            "min_length": self.shortest,
            "max_length": self.longest,
            "pattern": self.pattern or None,
        }
        return shown | {"limits": {name: value for name, value in limits.items() if value is not None}}


def from_role(role: str, options: Mapping[str, Any]) -> list[Parameter]:
    """Parameters of a role's entry point, from `options` of its argument_specs."""
    found = []
    for name, said in options.items():
        spec = said or {}
        found.append(
            Parameter(
                name=name,
                type=str(spec.get("type", "str")),
                source="role",
                origin=role,
                required=bool(spec.get("required", False)),
                default=spec.get("default"),
                choices=tuple(spec.get("choices") or ()),
                elements=str(spec.get("elements", "")),
                secret=bool(spec.get("no_log", False)),
                help=_help(spec.get("description")),
            )
        )
    return found


def from_template(file: str, parameters: Mapping[str, Any]) -> list[Parameter]:
    """Parameters of a ROS template."""
    found = []
    for name, said in parameters.items():
        # A template under work, or one whose parameters a tool replaces, may say anything here.
        spec: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
        kind = str(spec.get("Type", "String"))
        label, text = _help(spec.get("Label")), _help(spec.get("Description"))
        found.append(
            Parameter(
                name=name,
                type=_TEMPLATE_TYPES.get(kind, "str"),
                source="template",
                origin=file,
                required="Default" not in spec,
                default=spec.get("Default"),
                choices=tuple(spec.get("AllowedValues") or ()),
                secret=_flag(spec.get("NoEcho", False)),
                help=label | text,
                least=_number(spec.get("MinValue")),
                most=_number(spec.get("MaxValue")),
                shortest=_whole(spec.get("MinLength")),
                longest=_whole(spec.get("MaxLength")),
                pattern=str(spec.get("AllowedPattern") or ""),
            )
        )
    return found


def given(texts: Iterable[str], read: Callable[[str], str]) -> dict[str, Any]:
    """What `-e` says, later over earlier: `name=value`, `@file` (YAML or JSON; `@-` is standard input), `{"a": 1}`.

    Values of `name=value` stay text until `checked` gives them their types.

    Raises:
        UsageError: one of them is none of these.
    """
    values: dict[str, Any] = {}
    for text in texts:
        if text.startswith("@"):
            content = read(text[1:])
            values |= _encrypted(content, text) if encrypted(content) else mapping(content, text)
        elif text.lstrip().startswith("{"):
            values |= mapping(text, "-e {...}")
        else:
            name, equals, value = text.partition("=")
            if not equals or not name.strip():
                raise UsageError(f"-e {name or text}: want name=value, @file or a JSON object")
            values[name.strip()] = _Text(value)
    return values


class _Text(str):
    """A value typed on the command line: its type is still to be found."""

    __slots__ = ()


def checked(values: Mapping[str, Any], known: Mapping[str, Parameter]) -> dict[str, Any]:
    """The values in the types their parameters want. Names that begin with `ansible_` are Ansible's own and pass.

    Raises:
        UsageError: a name is unknown, a value does not fit, or a secret stands on the command line.
    """
    result: dict[str, Any] = {}
    for name, value in values.items():
        parameter = known.get(name)
        if parameter is None:
            if not name.startswith("ansible_"):
                raise UsageError(f"Unknown parameter {name}{suggest(name, known)}; `opsctl scenario show` lists them")
            result[name] = convert(value, "raw", name)
            continue
        if parameter.secret and isinstance(value, _Text):
            raise UsageError(
                f"Parameter {name} is secret and a command line can be seen by everybody on this machine: "
                "put it in a YAML file and give -e @file, or pipe it into -e @-"
            )
        result[name] = _fitted(parameter, value)
    return result


def _fitted(parameter: Parameter, value: Any) -> Any:
    typed = convert(value, parameter.type, parameter.name, secret=parameter.secret)
    items = typed if isinstance(typed, list) else [typed]
    if parameter.elements and isinstance(typed, list):
        typed = items = [convert(item, parameter.elements, parameter.name, secret=parameter.secret) for item in typed]
    for item in items:
        shown = "the value" if parameter.secret else json.dumps(item, ensure_ascii=False, default=str)
        if parameter.choices and item not in parameter.choices and str(item) not in map(str, parameter.choices):
            allowed = ", ".join(map(str, parameter.choices))
            raise UsageError(f"Parameter {parameter.name}: {shown} is not one of {allowed}")
        _limits(parameter, item, shown)
    return typed


def _limits(parameter: Parameter, item: Any, shown: str) -> None:
    name = parameter.name
    if isinstance(item, int | float) and not isinstance(item, bool):
        if parameter.least is not None and item < parameter.least:
            raise UsageError(f"Parameter {name}: {shown} is less than {parameter.least:g}")
        if parameter.most is not None and item > parameter.most:
            raise UsageError(f"Parameter {name}: {shown} is more than {parameter.most:g}")
    if isinstance(item, str):
        if parameter.shortest is not None and len(item) < parameter.shortest:
            raise UsageError(f"Parameter {name}: {shown} is shorter than {parameter.shortest} characters")
        if parameter.longest is not None and len(item) > parameter.longest:
            raise UsageError(f"Parameter {name}: {shown} is longer than {parameter.longest} characters")
        if parameter.pattern and not _matches(parameter.pattern, item):
            raise UsageError(f"Parameter {name}: {shown} does not match {parameter.pattern}")


def convert(value: Any, kind: str, name: str, *, secret: bool = False) -> Any:
    """A value in the type a parameter wants, as Ansible itself would take it.

    Raises:
        UsageError: it cannot be.
    """
    try:
        return _CONVERTERS.get(kind, _any)(value)
    except (ValueError, TypeError, yaml.YAMLError):
        shown = "" if secret else f", not {json.dumps(value, ensure_ascii=False, default=str)}"
        raise UsageError(f"Parameter {name}: want {_WORDS.get(kind, kind)}{shown}") from None


_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
    "str": "a text",
    "raw": "YAML",
}


def _str(value: Any) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError


def _int(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise TypeError
    return int(value)


def _float(value: Any) -> int | float:
    if isinstance(value, bool):
        raise TypeError
    number = float(value)
    return int(number) if number.is_integer() else number


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError


def _list(value: Any) -> list[Any]:
    if isinstance(value, _Text):
        if value.lstrip().startswith("["):
            value = yaml.safe_load(value)
        else:
            value = [part.strip() for part in value.split(",")] if value else []
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")] if value else []
    raise TypeError


def _dict(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = yaml.safe_load(value)
    if isinstance(value, dict):
        return value
    raise TypeError


def _json(value: Any) -> Any:
    return yaml.safe_load(value) if isinstance(value, str) else value


def _any(value: Any) -> Any:
    return _guess(value) if isinstance(value, _Text) else value


def _guess(value: str) -> Any:
    return yaml.safe_load(value) if value else ""


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "str": _str,
    "path": _str,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "list": _list,
    "dict": _dict,
    "json": _json,
}


class _Loader(yaml.SafeLoader):
    """Takes what Ansible has encrypted (`!vault`) as it is."""


def _scalar(loader: Any, node: Any) -> Any:
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else loader.construct_object(node)


_Loader.add_constructor("!vault", lambda loader, node: {LOCKED: _scalar(loader, node)})
_Loader.add_constructor("!unsafe", _scalar)


def _encrypted(content: str, where: str) -> dict[str, Any]:
    """The name of a whole encrypted file of variables, which is opened when the run is built."""
    if where == "@-":
        return {where: {LOCKED: content}}
    path = Path(where[1:]).expanduser().absolute()
    return {f"@{path}": {"secret": f"ansible-vault:{path}"}}


def mapping(text: str, where: str) -> dict[str, Any]:
    """A YAML or JSON mapping.

    Raises:
        UsageError: it is none; the message does not quote it.
    """
    try:
        loaded = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader that knows two more tags
    except yaml.YAMLError as error:
        # The error's own text quotes the line, which may hold a secret.
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{where}{place}: not YAML or JSON") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
        raise UsageError(f"{where}: want a mapping of parameters")
    return loaded


def _help(said: Any) -> dict[str, str]:
    """Text, list of texts, or a mapping of languages."""
    if isinstance(said, Mapping):
        texts = {str(language)[:2].lower(): _joined(text) for language, text in said.items()}
        return {language: text for language, text in texts.items() if text}
    text = _joined(said)
    return {"en": text} if text else {}


def _joined(said: Any) -> str:
    return " ".join(str(part).strip() for part in said) if isinstance(said, list) else str(said or "").strip()


def _flag(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error:
        # Written for another engine; the cloud itself checks it.
        return True
