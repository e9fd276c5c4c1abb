"""`opsctl cloud`: the local cloud on this machine."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from opsctl.commands.common import Output, group, settings
from opsctl.errors import CloudError
from opsctl.localcloud import service
from opsctl.output import emit, fields, say

if TYPE_CHECKING:
    from rich.console import RenderableType

app = group("The local cloud: the Alibaba Cloud API on this machine, with real hosts behind it.")
T = TypeVar("T")


def _home() -> Path:
    from opsctl.home import home

    return home()


def _try(work: Callable[[], T]) -> T:
    try:
        return work()
    except service.ServiceError as error:
        raise CloudError(str(error)) from error


@app.command()
def up(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port on loopback.", show_default="8460")] = None,
    host_image: Annotated[
        str | None, typer.Option(envvar="OPSCTL_HOST_IMAGE", help="Pull this image for hosts instead of building one.")
    ] = None,
    any_image: Annotated[
        bool | None, typer.Option("--any-image/--debian-only", help="Debian 12 stands in for every ImageId.")
    ] = None,
    apt_cache: Annotated[
        bool | None, typer.Option("--apt-cache/--no-apt-cache", help="Hosts share a cache of packages.")
    ] = None,
    output: Output = None,
) -> None:
    """Start it; what is not given stays as at the last start."""
    home = _home()
    given = {"port": port, "host_image": host_image, "any_image": any_image, "apt_cache": apt_cache}
    before = service.choice(home)
    wanted = service.Choice(**{**vars(before), **{key: value for key, value in given.items() if value is not None}})
    endpoint = _try(lambda: service.up(home, wanted, say))
    result = {"running": True, "endpoint": endpoint.url, "region_id": endpoint.region_id, "home": str(home)}
    emit(result, settings(output=output).output, lambda row: f"The local cloud answers on {row['endpoint']}")


@app.command()
def down(
    keep_hosts: Annotated[bool, typer.Option("--keep-hosts", help="Let the hosts run on.")] = False,
) -> None:
    """Stop it and its hosts; nothing is lost, `up` brings all back."""
    home = _home()
    ran = _try(lambda: service.down(home, keep_hosts=keep_hosts))
    say("The local cloud is stopped" if ran else "The local cloud was not running")


@app.command()
def status(output: Output = None) -> None:
    """Say whether it runs, where, and what it holds."""
    home = _home()
    found = service.status(home)
    result: dict[str, Any] = {
        "running": found.pid is not None,
        "pid": found.pid,
        "endpoint": found.endpoint.url if found.endpoint else None,
        "started": found.started or None,
        "home": str(home),
        "log": str(service.folder(home) / "service.log"),
        "hosts": service.hosts(home),
    }
    emit(result, settings(output=output).output, _status)


def _status(row: dict[str, Any]) -> RenderableType:
    hosts = row["hosts"]
    shown = {**row, "hosts": "Docker does not answer" if hosts is None else f"{hosts}"}
    shown["running"] = "yes" if row["running"] else "no (opsctl cloud up)"
    return fields(shown.items())


@app.command()
def reset(
    everything: Annotated[
        bool, typer.Option("--all", help="Also the host image, the package cache, the keys and the log.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove every stack, host and network of it. This cannot be undone."""
    home = _home()
    if not yes:
        import sys

        if not sys.stdin.isatty():
            from opsctl.errors import UsageError

            raise UsageError("cloud reset removes every host of the local cloud: say --yes")
        typer.confirm("Remove every stack and host of the local cloud?", abort=True, err=True)
    _try(lambda: service.reset(home, everything=everything))
    say("The local cloud is empty")


@app.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
) -> None:
    """Print the service's log."""
    path = service.folder(_home()) / "service.log"
    if not path.exists():
        raise CloudError(f"There is no log yet at {path}: the local cloud was never started here (opsctl cloud up)")
    with path.open(errors="replace") as log:
        for line in log.readlines()[-lines or None :] if lines else []:
            print(line, end="")
        log.seek(0, os.SEEK_END)
        while follow:
            line = log.readline()
            if line:
                print(line, end="", flush=True)
            else:
                time.sleep(0.2)


@app.command()
def env() -> None:
    """Print `export` lines that point any official tool at it: eval "$(opsctl cloud env)"."""
    home = _home()
    endpoint = service.status(home).endpoint
    if endpoint is None:
        raise CloudError("The local cloud does not run: opsctl cloud up")
    for name, value in endpoint.environment().items():
        print(f"export {name}={shlex.quote(value)}")
