"""The end of scripts/demo: what the drill and the inspection found, from their results as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def _result(path: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))["result"]
    return result


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _nodes(nodes: list[dict[str, Any]]) -> None:
    rows = [("NODE", "ADDRESS", "ZONE", "ROLE", "SLOTS", "REPLICA OF", "LAG")]
    for node in nodes:
        lag = "" if node["lag_bytes"] is None else f"{node['lag_bytes']} B"
        rows.append(
            (node["name"], node["address"], node["zone"], node["role"], node["slots"], node["of"] or "", lag),
        )
    _table(rows)


def main() -> None:
    drill, inspect = _result(sys.argv[1]), _result(sys.argv[2])
    print("The cluster")
    _nodes(inspect["nodes"])
    health = "healthy" if inspect["healthy"] else "NOT healthy"
    masters, replicas = inspect["masters"], inspect["replicas"]
    print(f"    {health}: {inspect['slots']} of 16384 slots, {masters} masters, {replicas} replicas")
    for finding in inspect["findings"]:
        print(f"    {finding}")
    print("\nThe drill")
    print(f"    killed {drill['killed']} while a client wrote; {drill['promoted']} took over")
    print(f"    {drill['seconds_without_service']} s without service for the slots of the killed master")
    print(f"    {drill['written']} writes, {drill['acknowledged']} of them acknowledged by a replica too")
    print(f"    lost: {drill['lost_acknowledged']} of the acknowledged, {drill['lost_other']} others")


if __name__ == "__main__":
    main()
