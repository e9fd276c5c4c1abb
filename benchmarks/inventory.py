#!/usr/bin/env python3
"""Inventory of 1,000 hosts in 10 stacks over loopback, cold and cached, against the same hosts in a file.

    python benchmarks/inventory.py [STACKS] [HOSTS_A_STACK]

The records are real and the API is the real gateway; no containers stand behind these hosts. What is timed is
`ansible-inventory --graph`: `--list` would mostly time Ansible's own JSON encoder over every host's variables.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, cast

from common import figure, header, row, timed

from opsctl.localcloud.cloud import REGION, Cloud, Options
from opsctl.localcloud.ecs.instances import InstanceApi
from opsctl.localcloud.gateway.app import create_app
from opsctl.localcloud.gateway.serve import Server
from opsctl.localcloud.gateway.signature import Key
from opsctl.localcloud.hosts.assistant import Assistant
from opsctl.localcloud.hosts.firewall import Wiring
from opsctl.localcloud.hosts.fleet import Fleet
from opsctl.localcloud.ids import new_id, new_stack_id
from opsctl.localcloud.models import Instance, Stack, StackResource
from opsctl.localcloud.ros.api import RosApi
from opsctl.localcloud.ros.engine import Engine
from opsctl.localcloud.store import Store

ROUNDS = 5
TEMPLATE = """{"ROSTemplateFormatVersion": "2015-09-01", "Resources":
 {"Web": {"Type": "ALIYUN::ECS::InstanceGroup", "Properties":
  {"ImageId": "debian_12", "InstanceType": "ecs.g6.large", "MaxAmount": 1, "VSwitchId": "vsw-1"}}}}"""


def seed(cloud: Cloud, stacks: int, hosts: int) -> None:
    """Records as CreateStack would have written them."""
    now = cloud.timestamp()
    with cloud.store.transaction():
        for number in range(stacks):
            stack_id, name = new_stack_id(), f"bench{number}"
            cloud.stacks.put(Stack(stack_id, name, REGION, "CREATE_COMPLETE", "", TEMPLATE, {}, {}, now))
            ids = [new_id("i") for _ in range(hosts)]
            resource = StackResource(
                stack_id, "Web", "ALIYUN::ECS::InstanceGroup", ids[0], "CREATE_COMPLETE", "", {}, [], now
            )
            cloud.resources.put(StackResource(**{**vars(resource), "data": {"instance_ids": ids}}))
            for index, each in enumerate(ids):
                cloud.instances.put(
                    Instance(
                        instance_id=each,
                        name=f"{name}-web-{index:03}",
                        host_name=f"{name}-web-{index:03}",
                        region_id=REGION,
                        zone_id="cn-hangzhou-h",
                        vpc_id="vpc-1",
                        vswitch_id="vsw-1",
                        security_group_ids=["sg-1"],
                        private_ip=f"192.168.{number}.{index % 250 + 1}",
                        address=f"100.80.{number}.{index % 250 + 1}",
                        image_id="debian_12",
                        instance_type="ecs.g6.large",
                        status="Running",
                        create_time=now,
                        tags={"opsctl:group": "web"},
                    )
                )


def serve(folder: Path, stacks: int, hosts: int) -> tuple[Server, str]:
    options = Options(folder, 0)
    cloud = Cloud(Store(folder / "state.db"), cast(Any, None), options, Wiring("100.80.0.0/20", "100.80.0.1", 0), "")
    seed(cloud, stacks, hosts)
    fleet, assistant = Fleet(cloud), Assistant(cloud)
    actions = {**RosApi(cloud, Engine(cloud, fleet, assistant)).actions(), **InstanceApi(cloud, fleet).actions()}
    sock = socket.create_server(("127.0.0.1", 0))
    server = Server(create_app(actions, lambda key: Key("bench", "bench") if key == "bench" else None))
    threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True).start()
    return server, f"http://127.0.0.1:{sock.getsockname()[1]}"


def main() -> None:
    stacks = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    hosts = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server, url = serve(folder, stacks, hosts)
        env = {
            **os.environ,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "bench",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "bench",
            "ALIBABA_CLOUD_REGION_ID": REGION,
            "OPSCTL_CLOUD_ENDPOINT": url,
        }
        cold, warm, empty = folder / "cold.opsctl.yml", folder / "warm.opsctl.yml", folder / "empty.ini"
        cold.write_text("plugin: opsctl.cloud.stacks\n")
        warm.write_text(
            f"plugin: opsctl.cloud.stacks\ncache: true\ncache_plugin: jsonfile\ncache_connection: {folder}/cache\n"
        )
        # The peer is Ansible itself with the same hosts, as a file it need not fetch.
        static(json.loads(inventory("--list", cold, env)), empty)
        inventory("--graph", warm, env)
        figures: dict[str, list[float]] = {"cold": [], "warm": [], "own": []}
        for _ in range(ROUNDS):
            for kind, source in (("cold", cold), ("warm", warm), ("own", empty)):
                figures[kind].append(timed(lambda source=source: inventory("--graph", source, env))[0])
        server.stop()
        header("opsctl", "ansible")
        total = f"{stacks * hosts} hosts in {stacks} stacks"
        row(f"{total}, cold", figures["cold"], figures["own"], "own start + 1 s")
        row(f"{total}, cached", figures["warm"], figures["own"], "own start + 0.3 s")
        own = sorted(figures["own"])[ROUNDS // 2]
        for kind, target in (("cold", "< 1 s"), ("warm", "< 0.3 s")):
            figure(f"{kind}, beyond Ansible's own start", f"{sorted(figures[kind])[ROUNDS // 2] - own:.2f} s", target)


def inventory(verb: str, source: Path, env: dict[str, str]) -> str:
    argv = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(source), verb]
    return subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout


def static(listed: dict[str, Any], target: Path) -> None:
    """The same hosts as an INI file, which Ansible reads itself."""
    hosts = listed["_meta"]["hostvars"]
    assert len(hosts) > 1, "the plugin listed no hosts"
    target.write_text("\n".join(["[all]", *(f"{name} ansible_host={v['ansible_host']}" for name, v in hosts.items())]))


if __name__ == "__main__":
    main()
