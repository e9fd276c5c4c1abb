"""The commands around runs: help, completion, settings, hosts, doctor."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from .conftest import HELLO, Cli

HEAVY = ("sqlalchemy", "alembic", "pydantic", "ansible_runner", "rich", "yaml", "opsctl.commands", "opsctl.localcloud")


def loaded(cli: Cli, *arguments: str) -> set[str]:
    """Modules in memory after a command."""
    program = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('LOADED', *sys.modules, file=sys.stderr))\n"
        f"sys.argv = ['opsctl', *{list(arguments)!r}]\n"
        "from opsctl.app import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=cli.environ(), capture_output=True, text=True, check=False
    )
    return set(done.stderr.split("LOADED")[1].split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ()])
def test_help_imports_nothing_heavy(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert not loaded(cli, *arguments) & set(HEAVY)


def test_help_of_a_command_imports_nothing_heavy(cli: Cli) -> None:
    assert not loaded(cli, "run", "scenario", "--help") & {
        "sqlalchemy",
        "alembic",
        "ansible_runner",
        "pydantic_settings",
        "opsctl.settings",
    }


def test_help_names_every_command(cli: Cli) -> None:
    shown = cli("--help")
    assert shown.code == 0
    for name in ("run", "scenario", "stack", "inventory", "ssh", "cloud", "runs", "audit", "doctor", "config"):
        assert re.search(rf"^  {name} ", shown.out, re.MULTILINE)
        assert cli(name, "--help").code == 0


def test_the_version_is_the_package_s(cli: Cli) -> None:
    assert cli("--version").out == f"opsctl {version('opsctl')}\n"


def complete(cli: Cli, line: str) -> list[str]:
    environment = {"_OPSCTL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    program = "import sys; sys.argv = ['opsctl']; from opsctl.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=cli.environ(environment), capture_output=True, text=True, check=False
    )
    return done.stdout.split()


def test_completion_knows_commands_scenarios_actions_runs_and_clouds(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO, inspect=HELLO)
    assert complete(cli, "opsctl sc") == ["scenario"]
    assert complete(cli, "opsctl run scenario he") == ["hello"]
    assert complete(cli, "opsctl run scenario hello --action in") == ["inspect"]
    assert complete(cli, "opsctl run scenario hello --cloud he") == ["here"]
    assert complete(cli, "opsctl runs show 0") == []
    cli("run", "scenario", "hello")
    assert complete(cli, "opsctl runs show 0") == [cli.run_id()]


def test_a_run_is_found_by_part_of_its_id(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    cli("run", "scenario", "hello")
    run_id = cli.run_id()
    assert cli("runs", "show", run_id[-6:], "-o", "json").json["id"] == run_id
    assert cli("runs", "show", run_id[:8], "-o", "json").json["id"] == run_id


def test_settings_flags_over_environment_over_file_over_defaults(cli: Cli) -> None:
    def forks(**env: str) -> int:
        return int(cli("config", "show", "-o", "json", env=env).json["settings"]["forks"])

    assert forks() == 20
    with (cli.home / "config.toml").open("r+") as file:
        text = file.read()
        file.seek(0)
        file.write("forks = 7\noutput = 'yaml'\n" + text)
    assert forks() == 7
    assert forks(OPSCTL_FORKS="9") == 9
    assert cli("config", "show").out.startswith("home: ")
    assert cli("config", "show", env={"OPSCTL_OUTPUT": "json"}).json
    assert cli("config", "show", "-o", "json", env={"OPSCTL_OUTPUT": "table"}).json


def test_config_show_masks_credentials_in_urls(cli: Cli) -> None:
    (cli.home / "config.toml").write_text('[clouds.prod]\nendpoint = "http://ann:canary-77@127.0.0.1:1"\n')
    shown = cli("config", "show")
    assert "canary-77" not in shown.out
    assert "http://******@127.0.0.1:1" in shown.out


def hosts(cli: Cli, text: str) -> None:
    (cli.home.parent / "hosts").write_text(text)


def test_inventory_as_tree_and_as_data(cli: Cli) -> None:
    hosts(cli, "[cache_redis]\ncache-1 ansible_host=192.0.2.1\n")
    assert cli("inventory").out == "@all:\n  |--@ungrouped:\n  |--@cache_redis:\n  |  |--cache-1\n"
    listed = cli("inventory", "--list").json
    assert listed["cache_redis"]["hosts"] == ["cache-1"]
    assert listed["_meta"]["hostvars"]["cache-1"]["ansible_host"] == "192.0.2.1"
    assert cli("inventory", "-o", "json").json == listed


def test_an_inventory_that_cannot_be_read_is_one_line(cli: Cli) -> None:
    hosts(cli, "[cache\n")
    done = cli("inventory")
    assert done.code == 1
    assert "Cannot read the inventory of cloud here" in done.line


def test_ssh_becomes_the_client_with_the_host_s_variables(cli: Cli, tmp_path: Path) -> None:
    hosts(
        cli,
        "[cache]\ncache-1 ansible_host=192.0.2.1 ansible_port=2222 "
        "ansible_user=root ansible_ssh_private_key_file=/keys/k "
        "ansible_ssh_common_args='-o HostKeyAlias=i-1 -o \"ProxyCommand=nc %h\"'\n",
    )
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ssh").write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\nexit 9\n')
    (tools / "ssh").chmod(0o755)
    done = cli("ssh", "cache-1", "--", "echo", "two words", env={"PATH": f"{tools}:{os.environ['PATH']}"})
    assert done.code == 9
    assert done.out.splitlines() == [
        "-l", "root", "-p", "2222", "-i", "/keys/k", "-o", "IdentitiesOnly=yes",
        "-o", "HostKeyAlias=i-1", "-o", "ProxyCommand=nc %h", "192.0.2.1", "--", "echo 'two words'",
    ]  # fmt: skip
    assert not list((cli.home.parent / "runtime" / "opsctl").iterdir())


def test_ssh_suggests_a_host(cli: Cli) -> None:
    hosts(cli, "[cache]\ncache-1\n")
    assert "Unknown host cache-2 (did you mean cache-1?)" in cli("ssh", "cache-2").line


def test_doctor_says_what_it_found(cli: Cli) -> None:
    found = {check["name"]: check for check in cli("doctor", "-o", "json").json}
    assert found["python"]["state"] == "ok"
    assert found["ansible-core"]["state"] == "ok"
    assert found["home"]["found"] == str(cli.home)
    assert set(found) >= {"collection", "disk space", "ledger", "clock", "docker", "local cloud", "config", "ssh"}


def test_doctor_sees_a_copy_of_the_collection(cli: Cli, tmp_path: Path) -> None:
    copy = tmp_path / ".ansible" / "collections" / "ansible_collections" / "opsctl" / "cloud"
    copy.mkdir(parents=True)
    check = next(check for check in cli("doctor", "-o", "json").json if check["name"] == "collection")
    assert check["state"] == "warn"
    assert str(copy) in check["found"]


def test_doctor_fails_on_a_bad_configuration(cli: Cli) -> None:
    (cli.home / "config.toml").write_text("nonsense = 1\n")
    done = cli("doctor", "-o", "json")
    assert done.code == 1
    check = next(check for check in done.json if check["name"] == "config")
    assert check["state"] == "fail"
    assert "nonsense" in check["found"]


def test_doctor_says_what_stops_docker(cli: Cli, tmp_path: Path) -> None:
    def docker(script: str) -> dict[str, str]:
        (tmp_path / "docker").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "docker").chmod(0o755)
        done = cli("doctor", "-o", "json", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
        return next(check for check in done.json if check["name"] == "docker")

    assert docker("echo 20.10")["state"] == "ok"
    denied = docker("echo 'permission denied while trying to connect' >&2; exit 1")
    assert (denied["state"], "docker" in denied["advice"]) == ("fail", True)
    assert docker("echo 'Cannot connect to the Docker daemon' >&2; exit 1")["state"] == "warn"


def test_audit_verify_fails_on_a_changed_record(cli: Cli) -> None:
    import sqlite3

    cli.scenario("hello", deploy=HELLO)
    cli("run", "scenario", "hello")
    assert cli("audit", "verify").code == 0
    with sqlite3.connect(cli.home / "opsctl.db") as connection:
        connection.execute("UPDATE ledger SET body = replace(body, 'allow', 'ALLOW') WHERE seq = 2")
    done = cli("audit", "verify", "-o", "json")
    assert done.code == 1
    assert done.json["sound"] is False
    assert done.json["findings"] == [
        {"seq": 2, "what": "changed", "text": "record 2 was changed: its hash does not fit", "grave": True}
    ]
    assert "record 2 was changed" in cli("audit", "verify").out


def test_audit_list_of_one_run(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    cli("run", "scenario", "hello")
    cli("run", "scenario", "hello")
    records = cli("audit", "list", "--run", "last", "-o", "json").json
    assert [record["seq"] for record in records] == [5, 6, 7, 8]
    assert records[0].keys() == {
        "version", "seq", "time", "kind", "run_id", "requester", "host", "data", "previous", "hash",
    }  # fmt: skip
    assert [row["seq"] for row in cli("audit", "list", "--last", "3", "-o", "json").json] == [6, 7, 8]
