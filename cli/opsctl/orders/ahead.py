"""Where a spec's hosts are, and Ansible asked about them while all the rest of opsctl is still being loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from opsctl.clouds import access
from opsctl.errors import OpsctlError
from opsctl.orders.spec import Spec
from opsctl.settings import Cloud, Settings
from opsctl.targets import Places, begin, files


@dataclass(frozen=True)
class Chosen(Places):
    """Places, and the profile that was asked for: empty when files are all."""

    asked: str = ""


def places(spec: Spec, home: Path, settings: Settings) -> Chosen:
    """The inventories: the chosen cloud's and the files; the default cloud only when there are no files."""
    extra = files([Path(name) for name in spec.files])
    if extra and not spec.cloud:
        way = access("files", Cloud(kind="hosts", inventory=extra[0]), home)
        return Chosen(way.name, way.cloud, way.environment, extra[1:])
    name, profile = settings.chosen(spec.cloud or None)
    way = access(name, profile, home)
    return Chosen(way.name, way.cloud, way.environment, extra, name)


def ahead(spec: Spec, home: Path, settings: Settings) -> None:
    """Begin to find the hosts of a command or script; whoever needs them soon finds them then. Never fails."""
    if spec.kind not in ("command", "script") or not spec.files or spec.cloud:
        return
    try:
        begin(spec.pattern, places(spec, home, settings))
    except OpsctlError:
        # It will be said where it is really asked for.
        return
