"""Playbooks against a Zabbix that somebody else made."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .server import Server

BIN = Path(sys.executable).parent


def _content(zabbix: Server, home: Path, token: str, *more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "ZABBIX_"))}
    environment = {**kept, "HOME": str(home), "ZABBIX_URL": zabbix.url, "ZABBIX_TOKEN": token}
    # Names of sockets have 107 bytes at most, and a home of tests may have as many.
    with tempfile.TemporaryDirectory(prefix="pc-") as sockets:
        return subprocess.run(
            [str(BIN / "ansible-playbook"), "opsctl.cloud.zabbix.content", *more],
            env={**environment, "ANSIBLE_PERSISTENT_CONTROL_PATH_DIR": sockets},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


def test_the_templates_come_to_any_zabbix_and_the_second_time_nothing_changes(zabbix: Server, tmp_path: Path) -> None:
    first = _content(zabbix, tmp_path, zabbix.token)
    assert first.returncode == 0, first.stdout
    found = zabbix.call("template.get", {"filter": {"host": ["opsctl Linux", "opsctl Redis"]}, "output": ["host"]})
    assert len(found) == 2
    for more in ((), ("--check",)):
        again = _content(zabbix, tmp_path, zabbix.token, *more)
        assert "changed=0" in again.stdout, again.stdout
    assert zabbix.token not in first.stdout + first.stderr


def test_a_token_that_is_refused_is_said_in_one_line_and_not_shown(zabbix: Server, tmp_path: Path) -> None:
    token = "0123456789abcdef" * 4
    done = _content(zabbix, tmp_path, token, "-vvv")
    assert done.returncode != 0
    assert "See whether Zabbix lets us in" in done.stdout
    assert "Not authorized" in done.stdout
    assert token not in done.stdout + done.stderr


def test_without_an_address_it_is_said_what_is_missing(zabbix: Server, tmp_path: Path) -> None:
    done = _content(zabbix, tmp_path, zabbix.token, "-e", "zabbix_url=")
    assert done.returncode != 0
    assert "Set zabbix_stack, zabbix_url or ZABBIX_URL" in done.stdout + done.stderr
