"""A template as written: its sections checked for form, not yet for meaning.

Shapes after facts of the service's own documentation; keys that official templates misspell (``DepensOn``) become
``Template.warnings`` and have no effect, as on the real service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.localcloud.ros import errors, yaml

VERSION = "2015-09-01"
PSEUDO = frozenset(
    "ALIYUN::" + name
    for name in ("StackId", "StackName", "Region", "TenantId", "AccountId", "ResourceGroupId", "NoValue", "Index")
)
PARAMETER_TYPES = frozenset({"String", "Number", "Boolean", "Json", "CommaDelimitedList"})
STORE_TYPES = frozenset({"ALIYUN::OOS::Parameter::Value", "ALIYUN::OOS::SecretParameter::Value"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SECTIONS = _words(
    """ROSTemplateFormatVersion Transform Description Metadata Parameters Mappings Conditions Locals Rules Resources
    Outputs"""
)
_PARAMETER_KEYS = _words(
    """Type Default AllowedValues AllowedPattern MinLength MaxLength MinValue MaxValue NoEcho Confirm Label Description
    ConstraintDescription Placeholder TextArea ReadOnly Required AssociationProperty AssociationPropertyMetadata"""
)
_RESOURCE_KEYS = _words(
    "Type Properties DependsOn Condition DeletionPolicy UpdatePolicy Metadata Count Version Description"
)
_OUTPUT_KEYS = _words("Value Description Condition Label NoEcho")
_LOCAL_KEYS = _words("Type Value Properties Description")
_MAX_PARAMETERS = 200
_MAX_RESOURCES = 300


@dataclass(frozen=True)
class ParameterSpec:
    """One entry of Parameters; ``attributes`` holds all of it as written."""

    name: str
    type: str
    attributes: Mapping[str, Any]

    @property
    def no_echo(self) -> bool:
        return str(self.attributes.get("NoEcho", False)).lower() == "true"

    @property
    def has_default(self) -> bool:
        return "Default" in self.attributes

    @property
    def default(self) -> Any:
        return self.attributes.get("Default")


@dataclass(frozen=True)
class ResourceSpec:
    """One entry of Resources. ``depends_on`` holds names, or functions that give names; ``count`` is raw."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    depends_on: tuple[Any, ...] = ()
    condition: str | None = None
    deletion_policy: Any = None
    update_policy: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    count: Any = None


@dataclass(frozen=True)
class OutputSpec:
    name: str
    value: Any
    description: Any = None
    condition: str | None = None
    label: Any = None
    no_echo: bool = False


@dataclass(frozen=True)
class LocalSpec:
    """``type`` is ``Macro``, ``Eval`` or a ``DATASOURCE::`` type; ``value`` is raw."""

    name: str
    type: str
    value: Any


@dataclass(frozen=True)
class Template:
    body: Mapping[str, Any]
    description: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    locals: Mapping[str, LocalSpec] = field(default_factory=dict)
    resources: Mapping[str, ResourceSpec] = field(default_factory=dict)
    outputs: Mapping[str, OutputSpec] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def parse(text: str) -> Template:
    """Read a template of 1 to 524,288 bytes of JSON or YAML.

    Raises :class:`ApiError`: InvalidTemplate (not readable), InvalidTemplateVersion, InvalidTemplateSection,
    InvalidSchema and InvalidTemplatePropertyType (form), NotSupported (Transform).
    """
    body = yaml.load(text)
    if not isinstance(body, dict):
        raise errors.invalid_template("it is not a map of sections")
    _check_head(body)
    warnings: list[str] = []
    parameters = {name: _parameter(name, raw, warnings) for name, raw in _section(body, "Parameters").items()}
    resources = {name: _resource(name, raw, warnings) for name, raw in _section(body, "Resources").items()}
    locals_ = {name: _local(name, raw, warnings) for name, raw in _section(body, "Locals").items()}
    outputs = {name: _output(name, raw, warnings) for name, raw in _section(body, "Outputs").items()}
    _check_names(parameters, resources, locals_, outputs)
    return Template(
        body=body,
        description=body.get("Description"),
        metadata=_section(body, "Metadata"),
        parameters=parameters,
        mappings=_mappings(_section(body, "Mappings")),
        conditions=_section(body, "Conditions"),
        rules=_section(body, "Rules"),
        locals=locals_,
        resources=resources,
        outputs=outputs,
        warnings=tuple(warnings),
    )


def _check_head(body: dict[str, Any]) -> None:
    # A transformed template is another language, with sections of its own: say that first.
    if body.get("Transform"):
        names = body["Transform"] if isinstance(body["Transform"], list) else [body["Transform"]]
        listed = yaml.clip(", ".join(str(name) for name in names))
        raise errors.unsupported(f"Transform: {listed} (only plain ROS resources can be created here)")
    if "ROSTemplateFormatVersion" not in body:
        raise errors.invalid_version(f"ROSTemplateFormatVersion is missing, write {VERSION}")
    if body["ROSTemplateFormatVersion"] != VERSION:
        shown = yaml.clip(str(body["ROSTemplateFormatVersion"]))
        raise errors.invalid_version(f"ROSTemplateFormatVersion is {shown}, the only one is {VERSION}")
    for name in body:
        if name not in _SECTIONS:
            raise errors.invalid_section(yaml.clip(name))
    if body.get("Resources") is None:
        raise errors.invalid_section("Resources", "it is missing")
    description = body.get("Description")
    if not isinstance(description, (str, dict, int, float, type(None))):
        raise errors.invalid_section("Description", "it must be text, or a map of texts")


def _section(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A section that may be absent or empty (``Outputs:`` with nothing below)."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.invalid_section(name, f"it must be a map, not {kind(value)}")
    return value


def _check_names(
    parameters: Mapping[str, Any], resources: Mapping[str, Any], locals_: Mapping[str, Any], outputs: Mapping[str, Any]
) -> None:
    if len(parameters) > _MAX_PARAMETERS:
        raise errors.invalid_section("Parameters", f"{len(parameters)} parameters, allowed are {_MAX_PARAMETERS}")
    if len(resources) > _MAX_RESOURCES:
        raise errors.invalid_section("Resources", f"{len(resources)} resources, allowed are {_MAX_RESOURCES}")
    for section, names in (("Resources", resources), ("Outputs", outputs)):
        for name in names:
            if not name or "/" in name:
                raise errors.invalid_schema(f"{section}.{yaml.clip(name)}", "the name must not be empty or contain /")
    seen: dict[str, str] = {}
    for section, names in (("Parameters", parameters), ("Resources", resources), ("Locals", locals_)):
        for name in names:
            if name in seen:
                raise errors.invalid_schema(f"{section}.{name}", f"the name is already used in {seen[name]}")
            seen[name] = section


def _parameter(name: str, raw: Any, warnings: list[str]) -> ParameterSpec:
    path = f"Parameters.{name}"
    attributes = _map(raw, path)
    _warn_unknown(attributes, _PARAMETER_KEYS, path, warnings)
    if name.startswith("ALIYUN::"):
        raise errors.invalid_schema(path, "names that begin with ALIYUN:: belong to the service")
    type_ = attributes.get("Type")
    if not isinstance(type_, str) or (type_ not in PARAMETER_TYPES and type_ not in STORE_TYPES):
        allowed = ", ".join(sorted(PARAMETER_TYPES | STORE_TYPES))
        raise errors.invalid_schema(f"{path}.Type", f"{_shown(type_)}; write one of {allowed}")
    allowed_values = attributes.get("AllowedValues")
    if allowed_values is not None and not isinstance(allowed_values, list):
        raise errors.invalid_type(path, "AllowedValues", "It must be a list")
    return ParameterSpec(name, type_, attributes)


def _resource(name: str, raw: Any, warnings: list[str]) -> ResourceSpec:
    path = f"Resources.{name}"
    body = _map(raw, path)
    _warn_unknown(body, _RESOURCE_KEYS, path, warnings)
    type_ = body.get("Type")
    if not isinstance(type_, str) or not type_:
        raise errors.invalid_schema(f"{path}.Type", _shown(type_))
    depends_on = body.get("DependsOn")
    if depends_on is None:
        depends_on = []
    names = tuple(depends_on) if isinstance(depends_on, list) else (depends_on,)
    if not all(isinstance(item, (str, dict)) for item in names):
        raise errors.invalid_type(path, "DependsOn", "It must be the name of a resource or a list of names")
    return ResourceSpec(
        logical_id=name,
        type=type_,
        properties=_optional_map(body, "Properties", path),
        depends_on=names,
        condition=_condition(body, path),
        deletion_policy=body.get("DeletionPolicy"),
        update_policy=_optional_map(body, "UpdatePolicy", path),
        metadata=_optional_map(body, "Metadata", path),
        count=body.get("Count"),
    )


def _output(name: str, raw: Any, warnings: list[str]) -> OutputSpec:
    path = f"Outputs.{name}"
    body = _map(raw, path)
    _warn_unknown(body, _OUTPUT_KEYS, path, warnings)
    if "Value" not in body:
        raise errors.invalid_schema(path, "Value is missing")
    no_echo = str(body.get("NoEcho", False)).lower() == "true"
    return OutputSpec(
        name, body["Value"], body.get("Description"), _condition(body, path), body.get("Label"), no_echo=no_echo
    )


def _local(name: str, raw: Any, warnings: list[str]) -> LocalSpec:
    path = f"Locals.{name}"
    body = _map(raw, path)
    _warn_unknown(body, _LOCAL_KEYS, path, warnings)
    type_ = body.get("Type", "Macro")
    if type_ not in ("Macro", "Eval") and not str(type_).startswith("DATASOURCE::"):
        raise errors.invalid_schema(f"{path}.Type", f"{_shown(type_)}; write Macro, Eval or DATASOURCE::...")
    if type_ in ("Macro", "Eval") and "Value" not in body:
        raise errors.invalid_schema(path, "Value is missing")
    return LocalSpec(name, str(type_), body.get("Value"))


def _mappings(section: dict[str, Any]) -> dict[str, Any]:
    for name, table in section.items():
        for key, row in _map(table, f"Mappings.{name}").items():
            _map(row, f"Mappings.{name}.{key}")
    return section


def _condition(body: dict[str, Any], path: str) -> str | None:
    name = body.get("Condition")
    if name is not None and not isinstance(name, str):
        raise errors.invalid_type(path, "Condition", "It must be the name of a condition")
    return name


def _optional_map(body: dict[str, Any], key: str, path: str) -> dict[str, Any]:
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.invalid_type(path, key, f"It must be a map, not {kind(value)}")
    return value


def _map(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise errors.invalid_schema(path, f"it must be a map, not {kind(value)}")
    return value


def _warn_unknown(body: dict[str, Any], known: frozenset[str], path: str, warnings: list[str]) -> None:
    warnings.extend(f"{path}.{yaml.clip(key)}: unknown key, ignored" for key in body if key not in known)


def _shown(value: Any) -> str:
    if value is None:
        return "it is missing"
    return f"{yaml.clip(value)!r} is not a type" if isinstance(value, str) else f"it must be text, not {kind(value)}"


def kind(value: Any) -> str:
    """What a value is, in the template's words; used where showing the value itself could show a secret."""
    names = {dict: "a map", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), "a value")
