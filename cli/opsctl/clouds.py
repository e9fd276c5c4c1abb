"""From a cloud profile to what Ansible needs of it: environment and inventory."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opsctl.errors import CloudError
from opsctl.output import say
from opsctl.runs.workspace import write
from opsctl.scenarios import collections_path
from opsctl.settings import LOCAL, Cloud

_SECRET = re.compile(r"PASSWORD|PASSPHRASE|SECRET|TOKEN|PRIVATE_KEY|API_KEY", re.IGNORECASE)

_VARIABLES = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
    "ALIBABA_CLOUD_REGION_ID",
    "ALIBABA_CLOUD_PROFILE",
    "OPSCTL_CLOUD_ENDPOINT",
)


@dataclass(frozen=True, slots=True)
class Access:
    """How Ansible reaches a cloud. The environment may hold credentials; the rest does not."""

    name: str
    cloud: Cloud
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def plain(self) -> tuple[Path, ...]:
        """The user's own inventories, when there are no others."""
        return (self.cloud.inventory,) if self.cloud.kind == "hosts" and self.cloud.inventory else ()

    def inventories(self, space: Path) -> list[Path]:
        """The inventories of a run, written into its private directory where they are ours."""
        folder = space / "inventory"
        variables = folder / "host_vars"
        variables.mkdir(mode=0o700)
        # What a module on localhost leaves behind when it is killed must go with the private directory.
        write(variables / "localhost.yml", json.dumps({"ansible_remote_tmp": str(space / "tmp")}))
        if self.cloud.kind == "hosts" and self.cloud.inventory:
            write(folder / "none.yml", json.dumps({"all": {}}))
            return [folder, self.cloud.inventory]
        write(folder / "clouds.opsctl.yml", json.dumps({"plugin": "opsctl.cloud.stacks"}))
        return [folder]


def access(name: str, cloud: Cloud, home: Path) -> Access:
    """The way to a cloud. The local one is started when it does not run.

    Raises:
        CloudError: the profile lacks something, or the local cloud cannot be started.
    """
    common = {"OPSCTL_HOME": str(home), "ANSIBLE_COLLECTIONS_PATH": collections_path()}
    if cloud.kind == "hosts":
        if cloud.inventory is None or not cloud.inventory.expanduser().exists():
            raise CloudError(
                f"Cloud {name}: inventory {cloud.inventory or 'is not set'} does not exist; set clouds.{name}.inventory"
            )
        return Access(name, cloud.model_copy(update={"inventory": cloud.inventory.expanduser().absolute()}), common)
    own = _local(home) if name == LOCAL else _profile(name, cloud)
    # Empty means unset to the modules: what the caller has exported for another cloud must not leak into this one.
    return Access(name, cloud, common | dict.fromkeys(_VARIABLES, "") | own)


def secrets(environment: Mapping[str, str]) -> set[str]:
    """Values of environment variables that are secret by their name."""
    return {value for name, value in environment.items() if _SECRET.search(name) and len(value) >= 6}


def _local(home: Path) -> dict[str, str]:
    try:
        from opsctl.localcloud import service
    except ImportError as error:
        raise CloudError(
            f"Cannot start the local cloud: {error}; install opsctl again or name another --cloud"
        ) from error
    try:
        endpoint = service.ensure(home, say)
    except service.ServiceError as error:
        raise CloudError(str(error)) from error
    return endpoint.environment()


def _profile(name: str, cloud: Cloud) -> dict[str, str]:
    own = {}
    if cloud.region:
        own["ALIBABA_CLOUD_REGION_ID"] = cloud.region
    if cloud.endpoint:
        own["OPSCTL_CLOUD_ENDPOINT"] = cloud.endpoint
    if cloud.profile:
        return own | {"ALIBABA_CLOUD_PROFILE": cloud.profile}
    for variable in _VARIABLES[:3]:
        if os.environ.get(variable):
            own[variable] = os.environ[variable]
    if not own.get("ALIBABA_CLOUD_ACCESS_KEY_SECRET"):
        raise CloudError(
            f"Cloud {name} has no credentials: set clouds.{name}.profile, or export ALIBABA_CLOUD_ACCESS_KEY_ID and "
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
        )
    return own
