"""`opsctl scenario`: what can be run, and with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.commands.common import Output, complete_scenarios, group, settings

if TYPE_CHECKING:
    from rich.console import RenderableType

app = group("Show scenarios, their actions and parameters.")


@app.command("list")
def list_(output: Output = None) -> None:
    """All scenarios with their actions."""
    from opsctl.output import emit, grid
    from opsctl.scenarios import find

    chosen = settings(output=output)
    found = [
        {"name": s.name, "summary": s.summary(), "actions": list(s.actions), "path": str(s.path)}
        for s in find(chosen.scenario_path).values()
    ]
    emit(
        found,
        chosen.output,
        lambda rows: grid(
            ("scenario", "actions", "summary"), [(r["name"], ", ".join(r["actions"]), r["summary"]) for r in rows]
        ),
    )


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The scenario.", autocompletion=complete_scenarios)],
    action: Annotated[
        str | None, typer.Option("--action", "-a", help="Only what this action takes.", show_default=False)
    ] = None,
    output: Output = None,
) -> None:
    """A scenario's actions and parameters: types, defaults, choices, help in English and Chinese."""
    from opsctl.output import emit
    from opsctl.scenarios import get

    chosen = settings(output=output)
    scenario = get(name, chosen.scenario_path)
    if action is not None:
        scenario.playbook(action)
    result = {
        "name": scenario.name,
        "summary": scenario.summary(),
        "path": str(scenario.path),
        "actions": [{"name": key, "playbook": scenario.playbook(key)} for key in scenario.actions],
        "parameters": [p.plain() for p in scenario.parameters(action).values()],
    }
    emit(result, chosen.output, _table)


def _table(result: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from opsctl.output import fields, grid

    rows = [
        (Text(p["name"], style="bold"), p["type"], _default(p), Text(_help(p)), p["origin"])
        for p in result["parameters"]
    ]
    head = fields(
        [
            ("scenario", result["name"]),
            ("summary", result["summary"]),
            ("path", result["path"]),
            ("actions", ", ".join(action["name"] for action in result["actions"])),
        ]
    )
    if not rows:
        return Group(head, Text(""), Text("It takes no parameters."))
    return Group(head, Text(""), grid(("parameter", "type", "default", "help", "from"), rows))


def _default(parameter: dict[str, Any]) -> str:
    import json

    if parameter["secret"]:
        return "(secret)"
    if parameter["required"]:
        # A template's may well be set by the playbook: only a role's is known to be the user's to give.
        return "(required)" if parameter["source"] == "role" else "(no default)"
    value = parameter["default"]
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _help(parameter: dict[str, Any]) -> str:
    parts = [text for text in parameter["help"].values() if text]
    if parameter["choices"]:
        parts.append("One of: " + ", ".join(map(str, parameter["choices"])))
    limits = parameter["limits"]
    if "min" in limits or "max" in limits:
        parts.append(f"{_number(limits.get('min'))} to {_number(limits.get('max'))}")
    return "\n".join(parts)


def _number(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
