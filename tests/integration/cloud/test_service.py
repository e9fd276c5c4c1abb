"""The service as a process: one to a home, clear words when it cannot start, everything back after down and up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opsctl.localcloud import service
from tests.integration.cloud.conftest import Key, Town
from tests.integration.cloud.lab import Lab, docker, free_port, ssh, until
from tests.integration.cloud.parts import host, network, ref, template
from tests.integration.cloud.test_hosts import outside

pytestmark = pytest.mark.docker


@pytest.fixture
def other_home(lab_home: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A second installation on this machine."""
    home = lab_home / request.node.name[:40]
    home.mkdir(mode=0o700)
    yield home
    service.reset(home)


def quiet(text: str) -> None:
    """Nobody listens to the progress."""


def test_a_second_service_on_one_home_is_refused_in_one_line(cloud: Lab) -> None:
    command = [sys.executable, "-m", "opsctl.localcloud", "--home", str(cloud.home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert "Another local cloud already uses" in line
    assert cloud.ros("DescribeRegions")["Regions"]


def test_a_taken_port_is_said_in_one_line(cloud: Lab, other_home: Path) -> None:
    with pytest.raises(service.ServiceError) as caught:
        service.up(other_home, service.Choice(port=cloud.choice.port, host_image=cloud.choice.host_image), quiet)
    assert str(caught.value) == f"Port {cloud.choice.port} is taken: start with another one (opsctl cloud up --port N)"
    assert service.status(other_home).pid is None


def test_many_that_need_it_at_once_start_one(cloud: Lab, other_home: Path) -> None:
    choice = service.Choice(port=free_port(), host_image=cloud.choice.host_image)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: service.up(other_home, choice, quiet), range(3)))
    assert len({endpoint.url for endpoint in found}) == 1
    assert service.status(other_home).pid is not None


def test_stopping_what_has_just_ended_is_no_error(cloud: Lab, other_home: Path) -> None:
    lab = Lab(other_home, service.Choice(port=free_port(), host_image=cloud.choice.host_image))
    lab.up()
    pid = service.status(other_home).pid
    assert pid is not None
    lab.kill()
    service._end(pid)
    assert service.down(other_home) is False


def test_down_stops_the_hosts_and_up_brings_them_back(cloud: Lab, town: Town, key: Key) -> None:
    cloud.ecs("StopInstance", InstanceId=town.web[1])
    until("the stop", lambda: cloud.instance(town.web[1])["Status"] == "Stopped")
    address = outside(cloud, town.web[0])
    assert service.down(cloud.home) is True
    states = docker("inspect", "--format", "{{.State.Running}}", *cloud.containers()).split()
    assert set(states) == {"false"}
    cloud.up()
    until("the host", lambda: cloud.instance(town.web[0])["Status"] == "Running")
    assert ssh(address, "hostname", keys=[key.path]) == "web-01\n"
    assert cloud.connects(town.mail, (address_of(cloud, town.web[0]), 22)) == [True]
    assert cloud.instance(town.web[1])["Status"] == "Stopped"
    cloud.ecs("StartInstance", InstanceId=town.web[1])
    until("the start", lambda: cloud.instance(town.web[1])["Status"] == "Running")


def address_of(cloud: Lab, instance_id: str) -> str:
    (address,) = cloud.instance(instance_id)["VpcAttributes"]["PrivateIpAddress"]["IpAddress"]
    return str(address)


def test_reset_leaves_nothing_in_docker_and_forgets_all(cloud: Lab, other_home: Path) -> None:
    lab = Lab(other_home, service.Choice(port=free_port(), host_image=cloud.choice.host_image))
    lab.up()
    stack = lab.create(template({**network(), "Host": host()}, {"Id": ref("Host")}))
    assert stack.status == "CREATE_COMPLETE", stack.reason
    mine = f"label=opsctl.cloud={service.cloud_id(other_home)}"
    assert docker("network", "ls", "--quiet", "--filter", mine).split()
    service.reset(other_home)
    assert docker("ps", "--all", "--quiet", "--filter", mine) == ""
    assert docker("network", "ls", "--quiet", "--filter", mine) == ""
    lab.up()
    assert lab.ros("ListStacks")["TotalCount"] == 0
    assert lab.instances() == []


def test_state_and_keys_are_for_the_owner_only(cloud: Lab) -> None:
    folder = service.folder(cloud.home)
    assert folder.stat().st_mode & 0o077 == 0
    for name in ("state.db", "credentials.json", "service.json", "id"):
        assert (folder / name).stat().st_mode & 0o077 == 0, name
