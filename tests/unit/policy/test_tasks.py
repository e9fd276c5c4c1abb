"""Tasks are judged on their module and final arguments."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.policy.finding import worst
from opsctl.policy.tasks import command_text, task_risk

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("low", "ansible.builtin.debug", {"msg": "rm -rf /"}),
    ("low", "ansible.builtin.shell", {"_raw_params": "echo 'rm -rf /'"}),
    ("critical", "ansible.builtin.shell", {"cmd": "cd /x && rm -rf /"}),
    ("critical", "raw", {"_raw_params": "rm -rf /"}),
    ("critical", "ansible.builtin.command", {"argv": ["rm", "-rf", "/"]}),
    ("low", "ansible.builtin.command", {"cmd": "echo a; reboot"}),
    ("critical", "opsctl.cloud.fanout", {"argv": ["rm", "-rf", "/"]}),
    ("high", "opsctl.cloud.fanout", {"cmd": "reboot"}),
    ("low", "opsctl.cloud.fanout", {"cmd": "echo a; reboot"}),
    ("high", "opsctl.cloud.fanout", {"cmd": "sh", "stdin": "reboot"}),
    ("medium", "opsctl.cloud.fanout", {"script": "x.sh", "cmd": "reboot"}),
    ("low", "ansible.builtin.command", {"cmd": "echo $(reboot)"}),
    ("high", "ansible.builtin.shell", {"cmd": "echo a; reboot"}),
    ("medium", "ansible.builtin.script", {"_raw_params": "x.sh"}),
    ("critical", "ansible.builtin.file", {"path": "/", "state": "absent"}),
    ("high", "ansible.builtin.file", {"path": "/etc/nginx", "state": "absent"}),
    ("medium", "file", {"path": "/srv/app/old", "state": "absent"}),
    ("low", "file", {"path": "/srv/app", "state": "directory"}),
    ("high", "file", {"path": "/usr/lib", "recurse": True, "mode": "0777"}),
    ("high", "ansible.builtin.copy", {"dest": "/etc/sudoers", "content": "x"}),
    ("medium", "ansible.builtin.template", {"dest": "/etc/motd"}),
    ("medium", "ansible.builtin.user", {"name": "bob"}),
    ("high", "ansible.builtin.user", {"name": "bob", "groups": "dev,sudo"}),
    ("high", "ansible.builtin.user", {"name": "bob", "state": "absent"}),
    ("high", "ansible.builtin.group", {"name": "dev", "state": "absent"}),
    ("medium", "ansible.builtin.apt", {"name": ["nginx"], "state": "present"}),
    ("high", "ansible.builtin.dnf", {"name": "nginx", "state": "absent"}),
    ("medium", "ansible.builtin.systemd", {"name": "nginx", "state": "restarted"}),
    ("high", "ansible.builtin.service", {"name": "sshd", "state": "stopped"}),
    ("critical", "community.general.filesystem", {"dev": "/dev/vdb", "fstype": "ext4"}),
    ("critical", "community.general.parted", {"device": "/dev/vdb", "state": "present"}),
    ("low", "community.general.parted", {"device": "/dev/vdb", "state": "info"}),
    ("medium", "ansible.posix.mount", {"path": "/data", "state": "mounted"}),
    ("high", "ansible.builtin.iptables", {"flush": True}),
    ("medium", "ansible.builtin.iptables", {"chain": "INPUT"}),
    ("high", "ansible.builtin.reboot", {}),
    ("high", "ansible.posix.sysctl", {"name": "vm.swappiness", "value": "1"}),
    ("critical", "community.mysql.mysql_db", {"name": "shop", "state": "absent"}),
    ("high", "community.mysql.mysql_query", {"query": ["select 1", "drop table t"]}),
    ("low", "community.postgresql.postgresql_query", {"query": "select 1"}),
    ("low", "some.other.module", {"anything": 1}),
    ("high", "ansible.builtin.command", {"cmd": "rm -rf $TARGET"}),
    ("high", "ansible.builtin.command", {"argv": ["rm", "-rf", "${TARGET}/x"]}),
    ("high", "ansible.builtin.command", {"cmd": "$COMMAND now"}),
    ("medium", "ansible.builtin.command", {"cmd": "rm -rf $TARGET", "expand_argument_vars": False}),
    ("high", "ansible.builtin.command", {"_raw_params": "true; reboot", "_uses_shell": True}),
    ("high", "ansible.builtin.command", {"cmd": "sh", "stdin": "reboot"}),
    ("medium", "ansible.builtin.shell", {"cmd": "import os", "executable": "/usr/bin/python3"}),
    ("high", "ansible.builtin.shell", {"cmd": "reboot", "executable": "/bin/bash"}),
    ("high", "ansible.builtin.cron", {"name": "x", "job": "reboot"}),
    ("medium", "ansible.builtin.cron", {"name": "x", "job": "reboot", "state": "absent"}),
    ("high", "opsctl.cloud.ros_stack", {"name": "x", "state": "absent"}),
    ("medium", "opsctl.cloud.ros_stack", {"name": "x", "state": "present"}),
    ("high", "amazon.aws.ec2_instance", {"name": "x", "state": "terminated"}),
]


@pytest.mark.parametrize(("level", "module", "arguments"), CASES)
def test_a_task_has_its_level(level: str, module: str, arguments: dict[str, Any]) -> None:
    found = task_risk(module, arguments)
    assert worst(found) == level, found


def test_command_has_no_shell() -> None:
    assert command_text("command", {"cmd": "echo a; reboot"}) == "echo 'a;' reboot"


def test_an_excerpt_holds_no_password() -> None:
    found = task_risk("mysql_user", {"name": "app", "password": "S3CRET", "login_password": "S3CRET"})
    assert found
    assert "S3CRET" not in repr(found)
