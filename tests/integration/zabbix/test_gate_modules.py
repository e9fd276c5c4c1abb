"""The modules in a real play against the real service: check, do, check again, do again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import push

from .server import Server, until

Play = Callable[..., dict[str, Any]]
_STACK = "gate-play"
_TOLD = """
import json
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "stdout", "told"

    def tell(self, result, **_):
        self._display.display(json.dumps([result._task.get_name(), dict(result._result)]))

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_skipped = tell
"""
_TAG = {"tag": "opsctl_stack", "value": _STACK, "operator": 1}
_ITEM = {"name": "Value", "key_": "play.value", "type": 2, "value_type": 3}


@pytest.fixture
def play(root: Path, zabbix: Server, tmp_path: Path) -> Play:
    """Run the example of the documents; what each task returned."""

    def run(*modes: str, **variables: Any) -> dict[str, Any]:
        (tmp_path / "told.py").write_text(_TOLD)
        known = {"ANSIBLE_CALLBACK_PLUGINS": str(tmp_path), "ANSIBLE_STDOUT_CALLBACK": "told"}
        login = {"ZABBIX_URL": zabbix.url, "ZABBIX_TOKEN": zabbix.token, "OPSCTL_HOME": str(tmp_path)}
        given = {"stack": _STACK, "server": "{}:{}".format(*zabbix.trapper), **variables}
        words = [root / "docs/examples/zabbix.yml", "-e", json.dumps(given), *modes]
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), *words],
            env={**os.environ, **known, **login},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert zabbix.token not in done.stdout + done.stderr
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))

    return run


@pytest.fixture
def template(zabbix: Server) -> Iterator[str]:
    """A template with a trapper item and a trigger."""
    name = "Gate play"
    (group,) = zabbix.call("hostgroup.create", {"name": "Templates/Gate play"})["groupids"]
    (made,) = zabbix.call("template.create", {"host": name, "groups": [{"groupid": group}]})["templateids"]
    zabbix.call("item.create", {**_ITEM, "hostid": made})
    trigger = {"description": "The play has begun", "expression": f"last(/{name}/play.value)>0", "priority": 3}
    zabbix.call("trigger.create", trigger)
    yield name
    zabbix.call("template.delete", [made])
    zabbix.call("hostgroup.delete", [group])


def test_the_example_watches_a_host_and_sees_a_problem_through(play: Play, zabbix: Server, template: str) -> None:
    host, watched = f"{_STACK}-1", "Make the host known"
    assert play("--check", templates=[template])[watched]["created"] == [host]
    assert zabbix.call("host.get", {"filter": {"host": [host]}}) == []
    try:
        assert play(templates=[template])[watched]["created"] == [host]
        for modes in (("--check", "--diff"), ()):
            again = play(*modes, templates=[template])[watched]
            assert (again["changed"], again["unchanged"], again["duplicates"]) == (False, [host], {})
        zabbix.reload()
        server = "{}:{}".format(*zabbix.trapper)

        def send(value: int) -> bool:
            return push.push(server, [push.Value(host, "play.value", str(value))]).processed == 1

        until("a value to be taken", lambda: send(1), zabbix)
        until("a problem", lambda: zabbix.call("problem.get", {"tags": [_TAG]}), zabbix)
        (problem,) = zabbix.call("problem.get", {"tags": [_TAG]})
        with ThreadPoolExecutor() as pool:
            playing = pool.submit(play, templates=[template])
            asked = {"eventids": problem["eventid"], "acknowledged": True}
            until("somebody to take care", lambda: playing.done() or zabbix.call("problem.get", asked), zabbix)
            assert send(0)
            told = playing.result(180)
        assert told["See what is wrong with the stack"]["problems"][0]["event_id"] == problem["eventid"]
        assert told["Say who takes care of it"]["changed"]
        assert told["Tell how it went"]["msg"] == "1 problems, 1 ended"
    finally:
        for found in zabbix.call("host.get", {"filter": {"host": [host]}, "output": ["hostid"]}):
            zabbix.call("host.delete", [found["hostid"]])
