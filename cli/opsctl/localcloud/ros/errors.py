"""The refusals of the template language: the real service's codes and words, with the place in the template."""

from __future__ import annotations

from opsctl.localcloud.errors import ApiError

_MAX_MESSAGE = 1000


def _stop(reason: str) -> str:
    return reason.rstrip(". ")


def _error(code: str, message: str) -> ApiError:
    """One line, whatever names and descriptions a template brings into it."""
    line = " ".join(message.splitlines())
    return ApiError(code, line if len(line) <= _MAX_MESSAGE else line[: _MAX_MESSAGE - 3] + "...")


def invalid_template(reason: str) -> ApiError:
    """The text is no template at all: not YAML, too long, too deep."""
    return _error("InvalidTemplate", f"The template is invalid: {_stop(reason)}.")


def invalid_schema(path: str, reason: str) -> ApiError:
    """A part of the template has the wrong form."""
    return _error("InvalidSchema", f"{path}: {_stop(reason)}.")


def invalid_section(section: str, reason: str = "") -> ApiError:
    tail = f" ({_stop(reason)})" if reason else ""
    return _error("InvalidTemplateSection", f"The template section is invalid: {section}{tail}.")


def invalid_version(reason: str) -> ApiError:
    return _error("InvalidTemplateVersion", f"The template version is invalid: {_stop(reason)}.")


def invalid_type(item: str, section: str, reason: str = "") -> ApiError:
    """``section`` of the resource, parameter or output ``item`` has a value of the wrong type."""
    tail = f" {_stop(reason)}." if reason else ""
    return _error("InvalidTemplatePropertyType", f"The specified value type of ({item} {section}) is incorrect.{tail}")


def invalid_reference(name: str, path: str) -> ApiError:
    return _error("InvalidTemplateReference", f'The specified reference "{name}" (in {path}) is incorrect.')


def invalid_attribute(resource: str, name: str, path: str, known: list[str]) -> ApiError:
    message = f"The Referenced Attribute ({resource} {name}) is incorrect. Found in {path}"
    tail = f"; {resource} has {', '.join(known)}." if known else "."
    return _error("InvalidTemplateAttribute", message + tail)


def circular(cycle: list[str]) -> ApiError:
    return _error("CircularDependency", f"Circular Dependency Found: {' -> '.join(cycle)}.")


def validation_failed(path: str, reason: str) -> ApiError:
    """A value, not the form of the template, is wrong: a parameter's constraint, a rule, a function's argument."""
    return _error("StackValidationFailed", f"{path}: {_stop(reason)}.")


def unknown_parameter(name: str) -> ApiError:
    return _error("UnknownUserParameter", f"The Parameter ({name}) was not defined in template.")


def parameter_missing(name: str) -> ApiError:
    return _error("UserParameterMissing", f"The Parameter {name} was not provided.")


def unsupported(feature: str) -> ApiError:
    return _error("NotSupported", f"{_stop(feature)} is not supported.")


class FunctionError(Exception):
    """Why a function cannot take its argument. Says kinds and places, never values: they may be secret."""
