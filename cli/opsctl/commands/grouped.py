"""Options that go together: a parameter whose type is a dataclass becomes the options that its fields describe."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints


def grouped(function: Callable[..., None]) -> Callable[..., None]:
    """The same function as Typer must see it. Fields are `Annotated[type, typer.Option(...)]` with a default."""
    hints = get_type_hints(function, include_extras=True)
    plain: list[inspect.Parameter] = []
    groups: dict[str, tuple[Any, list[str]]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints[name]
        if not is_dataclass(kind):
            plain.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        known = get_type_hints(kind, include_extras=True)
        for part in fields(kind):
            plain.append(
                inspect.Parameter(
                    part.name, inspect.Parameter.KEYWORD_ONLY, default=part.default, annotation=known[part.name]
                )
            )
        groups[name] = (kind, [part.name for part in fields(kind)])

    @functools.wraps(function)
    def called(**values: Any) -> None:
        for name, (kind, names) in groups.items():
            values[name] = kind(**{part: values.pop(part) for part in names})
        function(**values)

    called.__signature__ = inspect.Signature(plain)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in plain}
    # Typer would look through to the function itself.
    del called.__wrapped__
    return called
