"""What any sender of JSON tells, as alerts, by a mapping of the settings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opsctl.alerts import config
from opsctl.alerts.alert import Alert, made, moment, severity, text
from opsctl.alerts.sources.path import parse
from opsctl.alerts.sources.told import Told, each

_TEXTS = ("name", "trigger", "host", "address", "url", "stack")


def told(message: Any, source: str, received: str, mapping: config.Mapping) -> Told:
    """The alerts of one message.

    Raises:
        ValueError: the mapping finds no alert in it.
    """
    items = [message]
    if mapping.items is not None:
        items = _at(message, mapping.items)
        if not isinstance(items, list):
            raise ValueError(f"there is no list at {mapping.items}")
    elif isinstance(message, list):
        items = message
    return each(items, lambda item: _one(item, source, received, mapping))


def _one(item: Any, source: str, received: str, mapping: config.Mapping) -> Alert:
    if not isinstance(item, Mapping):
        raise ValueError("it is no JSON object")
    texts = {name: text(_first(item, getattr(mapping, name))) for name in _TEXTS}
    parts = [text(value) for place in mapping.key if (value := _at(item, place)) is not None]
    key = "/".join(filter(None, parts)) or "/".join(filter(None, (texts["host"], texts["name"])))
    if not key:
        raise ValueError("it has no key, name or host: say in the source's mapping where they are")
    state = _first(item, mapping.state)
    over = state is not None and text(state).lower() in {value.lower() for value in mapping.resolved_values}
    return made(
        source,
        "webhook",
        key,
        received=received,
        state="resolved" if over else "firing",
        **texts,
        groups=_groups(_first(item, mapping.groups)),
        tags=dict(_pairs(_first(item, mapping.tags))),
        severity=severity(_first(item, mapping.severity)),
        started=moment(_first(item, mapping.started)),
        resolved=moment(_first(item, mapping.ended)) if over else "",
        data={"via": "webhook", "message": dict(item)},
    )


def _at(document: Any, place: str) -> Any:
    return place[1:] if place.startswith("=") else parse(place).get(document)


def _first(document: Any, places: Iterable[str]) -> Any:
    return next((value for place in places if (value := _at(document, place)) not in (None, "")), None)


def _groups(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return [item for item in value if not isinstance(item, Mapping | list)] if isinstance(value, list) else []


def _pairs(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return ((name, item) for name, item in value.items() if not isinstance(item, Mapping | list))
    if isinstance(value, list):
        objects = (item for item in value if isinstance(item, Mapping))
        return ((item.get("tag") or item.get("name"), item.get("value", "")) for item in objects)
    return ()
