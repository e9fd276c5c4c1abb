"""`opsctl config`: the settings in force."""

from __future__ import annotations

from typing import Any

from opsctl.commands.common import Output, group, settings

app = group("Show the settings.")


@app.command()
def show(output: Output = None) -> None:
    """All settings with their values, after flags, environment and config.toml. There are no secrets in them."""
    from opsctl.home import locate
    from opsctl.output import emit, fields
    from opsctl.settings import described

    chosen = settings(output=output)
    result = {"home": str(locate()), "config": str(locate() / "config.toml"), "settings": described(chosen)}

    def table(shown: dict[str, Any]) -> Any:
        return fields([("home", shown["home"]), ("config", shown["config"]), *_flat(shown["settings"])])

    emit(result, chosen.output, table)


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", ", ".join(value) if isinstance(value, list) else value))
    return rows
