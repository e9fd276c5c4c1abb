#!/usr/bin/env python3
"""A stack of hosts, from CreateStack until each answers SSH, against a bare parallel `docker run` of the same hosts.

python benchmarks/stack_hosts.py [HOSTS] [ROUNDS]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from alibabacloud_ros20190910 import models
from alibabacloud_ros20190910.client import Client
from alibabacloud_tea_openapi.models import Config
from common import figure, header, key_pair, local_cloud, memory_of, row, timed, wait_for_ssh

from opsctl.localcloud.hosts import image

REGION = "cn-hangzhou"
TEMPLATE = """
ROSTemplateFormatVersion: '2015-09-01'
Parameters: {Key: {Type: String}, Amount: {Type: Number}}
Resources:
  Vpc: {Type: 'ALIYUN::ECS::VPC', Properties: {CidrBlock: 192.168.0.0/16}}
  Switch:
    Type: ALIYUN::ECS::VSwitch
    Properties: {VpcId: !Ref Vpc, ZoneId: cn-hangzhou-h, CidrBlock: 192.168.0.0/20}
  Group:
    Type: ALIYUN::ECS::SecurityGroup
    Properties:
      VpcId: !Ref Vpc
      SecurityGroupIngress: [{IpProtocol: tcp, PortRange: 22/22, SourceCidrIp: 0.0.0.0/0}]
  Pair: {Type: 'ALIYUN::ECS::SSHKeyPair', Properties: {KeyPairName: !Ref 'ALIYUN::StackName', PublicKeyBody: !Ref Key}}
  Hosts:
    Type: ALIYUN::ECS::InstanceGroup
    Properties:
      VpcId: !Ref Vpc
      VSwitchId: !Ref Switch
      SecurityGroupId: !Ref Group
      KeyPairName: !Ref Pair
      ImageId: debian_12
      InstanceType: ecs.g6.large
      MaxAmount: !Ref Amount
      InternetMaxBandwidthOut: 1
      InstanceName: !Sub '${ALIYUN::StackName}-[1,3]'
Outputs:
  Addresses: {Value: !GetAtt Hosts.PublicIps}
  Ids: {Value: !GetAtt Hosts.InstanceIds}
"""
FLAGS = [
    "--cap-add",
    "SYS_ADMIN",
    "--cap-add",
    "NET_ADMIN",
    "--cap-add",
    "SYS_PTRACE",
    "--security-opt",
    "seccomp=unconfined",
    "--security-opt",
    "apparmor=unconfined",
    "--cgroupns=host",
    "-v",
    "/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--tmpfs",
    "/run:exec",
    "--tmpfs",
    "/run/lock",
    "--tmpfs",
    "/tmp",
]


class Ours:
    """CreateStack by the official SDK."""

    def __init__(self, env: dict[str, str], public: str, key: Path) -> None:
        self._client = Client(
            Config(
                access_key_id=env["ALIBABA_CLOUD_ACCESS_KEY_ID"],
                access_key_secret=env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
                region_id=REGION,
                endpoint=env["OPSCTL_CLOUD_ENDPOINT"],
            )
        )
        self._public, self._key = public, key
        self.stack = ""

    def create(self, hosts: int) -> list[str]:
        pairs = {"Key": self._public, "Amount": str(hosts)}
        request = models.CreateStackRequest(
            region_id=REGION,
            stack_name="bench",
            template_body=TEMPLATE,
            parameters=[models.CreateStackRequestParameters(name, value) for name, value in pairs.items()],
        )
        self.stack = self._client.create_stack(request).body.stack_id
        outputs = {each["OutputKey"]: each["OutputValue"] for each in self._end("CREATE_COMPLETE").outputs}
        wait_for_ssh(outputs["Addresses"], self._key)
        return [f"opsctl-{each}" for each in outputs["Ids"]]

    def delete(self) -> None:
        self._client.delete_stack(models.DeleteStackRequest(region_id=REGION, stack_id=self.stack))
        self._end("DELETE_COMPLETE")

    def _end(self, wanted: str) -> Any:
        while True:
            stack = self._client.get_stack(models.GetStackRequest(region_id=REGION, stack_id=self.stack)).body
            if stack.status == wanted:
                return stack
            if not stack.status.endswith("IN_PROGRESS"):
                raise SystemExit(f"{stack.status}: {stack.status_reason}")
            time.sleep(0.1)


class Bare:
    """`docker run` of each host in parallel, no cloud around it."""

    NETWORK = "opsctl-bench-bare"

    def __init__(self, folder: Path, key: Path) -> None:
        self._key = key
        self._keys = folder / "authorized_keys"
        self._keys.write_text(key.with_suffix(".pub").read_text())
        self._names: list[str] = []

    def create(self, hosts: int) -> None:
        docker("network", "create", "--subnet", "198.18.192.0/20", self.NETWORK)
        self._names = [f"opsctl-bench-bare-{number}" for number in range(hosts)]
        with ThreadPoolExecutor(8) as pool:
            addresses = list(pool.map(self._run, self._names))
        wait_for_ssh(addresses, self._key)

    def _run(self, name: str) -> str:
        mount = f"{self._keys}:/root/.ssh/authorized_keys.d:ro"
        start = "mkdir -p /root/.ssh; cp /root/.ssh/authorized_keys.d /root/.ssh/authorized_keys; "
        start += "ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; exec /sbin/init"
        argv = ["run", "-d", "--name", name, "--hostname", name, "--network", self.NETWORK, *FLAGS, "-v", mount]
        docker(*argv, image.name(), "/bin/sh", "-c", start)
        shown = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
        return shown.strip()

    def delete(self) -> None:
        if self._names:
            docker("rm", "-f", *self._names)
        docker("network", "rm", self.NETWORK)


def docker(*argv: str) -> str:
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=True).stdout


def main() -> None:
    hosts = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as name, local_cloud() as env:
        key, public = key_pair(Path(name))
        ours, bare = Ours(env, public, key), Bare(Path(name), key)
        seconds: tuple[list[float], list[float]] = ([], [])
        memory = 0.0
        for _ in range(rounds):
            spent, containers = timed(lambda: ours.create(hosts))
            seconds[0].append(spent)
            memory = memory_of(containers) / hosts
            ours.delete()
            seconds[1].append(timed(lambda: bare.create(hosts))[0])
            bare.delete()
        header("opsctl", "docker run")
        row(f"{hosts} hosts, until SSH works on all", seconds[0], seconds[1], "<= 1.5 x")
        figure("memory a host", f"{memory:.1f} MB", "< 15 MB")


if __name__ == "__main__":
    main()
