"""Bad input: one line that says what, where, what to do; a documented exit code; nothing started, nothing recorded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import HELLO, Cli

OPTIONS = """
argument_specs:
  main:
    options:
      worker_count:
        description:
          en: How many workers.
          zh: 工作进程数量。
        type: int
        default: 3
      worker_mode:
        description: How they work.
        type: str
        choices: [fast, safe]
      worker_name:
        description: What they are called.
        required: true
"""

TEMPLATE = """
ROSTemplateFormatVersion: '2015-09-01'
Parameters:
  InstanceType:
    Type: String
    Label: {en: Instance type, zh-cn: 实例规格}
    Default: ecs.small
  Nodes:
    Type: Number
    MinValue: 1
    MaxValue: 9
    Default: 3
  Password:
    Type: String
    NoEcho: true
    Default: null
Resources:
  Vpc: {Type: ALIYUN::ECS::VPC, Properties: {Name: !Sub '${ALIYUN::StackName}'}}
"""


@pytest.fixture
def worker(cli: Cli) -> Cli:
    folder = cli.scenario(
        "big-worker",
        deploy=HELLO + "- name: Work\n  hosts: localhost\n  gather_facts: false\n  roles: [worker]\n",
        inspect=HELLO,
    )
    (folder / "stack.ros.yml").write_text(TEMPLATE)
    cli.role("worker", OPTIONS, "[]\n")
    return cli


RUN = ("run", "scenario", "big-worker")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "scenario", "big-wroker"), "Unknown scenario big-wroker (did you mean big-worker?)"),
        ((*RUN, "-a", "inspct"), "Unknown action inspct of big-worker (did you mean inspect?)"),
        ((*RUN, "-e", "worker_cuont=2"), "Unknown parameter worker_cuont (did you mean worker_count?)"),
        ((*RUN, "-e", "worker_count=many"), 'Parameter worker_count: want a whole number, not "many"'),
        ((*RUN, "-e", "worker_count=2.5"), 'Parameter worker_count: want a whole number, not "2.5"'),
        ((*RUN, "-e", "worker_mode=slow"), 'Parameter worker_mode: "slow" is not one of fast, safe'),
        ((*RUN, "-e", "Nodes=12"), "Parameter Nodes: 12 is more than 9"),
        ((*RUN, "-e", "Nodes=x"), 'Parameter Nodes: want a number, not "x"'),
        (RUN, "Scenario big-worker needs worker_name; give -e worker_name=VALUE"),
        ((*RUN, "-e", "worker_name"), "-e worker_name: want name=value, @file or a JSON object"),
        ((*RUN, "-e", "@/does/not/exist"), "Cannot read /does/not/exist: No such file or directory"),
        ((*RUN, "-e", "{not json"), "-e {...}, line 1: not YAML or JSON"),
        ((*RUN, "--cloud", "heer"), "Unknown cloud heer (did you mean here?)"),
        ((*RUN, "--tiemout", "3"), "No such option: --tiemout"),
        ((*RUN, "--timeout", "0"), "timeout"),
        ((*RUN, "-o", "xml"), "xml"),
        (("rnu",), "No such command 'rnu'"),
        (("runs", "show", "01a1fe00"), "Unknown run 01a1fe00"),
        (("runs", "show", "last"), "There are no runs yet"),
        (("runs", "list", "--status", "runing"), "Unknown state runing (did you mean running?)"),
        (("scenario", "show", "nothing"), "Unknown scenario nothing"),
        (("stack", "list"), "Cloud here is a list of machines: it has no stacks"),
        (("stack", "delete", "cache"), "Deleting stack cache needs --yes where nobody can be asked"),
        (("inventory", "--graph", "--list"), "--graph and --list exclude each other"),
        (("ssh", "nowhere"), "Unknown host nowhere"),
    ],
)
def test_bad_input_is_one_line_and_2(worker: Cli, arguments: tuple[str, ...], said: str) -> None:
    done = worker(*arguments)
    assert done.code == 2
    assert said in done.line
    assert done.line.startswith("opsctl: ")
    assert done.out == ""
    assert worker("runs", "list", "-o", "json").json == []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("cluod = 'x'", "config.toml: cluod: unknown key (did you mean cloud?)"),
        ("[clouds.prod]\nregoin = 'x'", "clouds.prod.regoin: unknown key (did you mean region?)"),
        ("[clouds.prod]\naccess_key_secret = 'x'", "clouds.prod.access_key_secret: unknown key"),
        ("[clouds.local]\nregion = 'x'", "clouds.local: the name belongs to the built-in local cloud"),
        ("forks = 'many'", "forks: "),
        ("output = 'xml'", "output: "),
        ("a = = b", "config.toml: "),
    ],
)
def test_a_bad_configuration_is_one_line_with_the_key(cli: Cli, config: str, said: str) -> None:
    (cli.home / "config.toml").write_text(config)
    done = cli("config", "show")
    assert done.code == 2
    assert said in done.line


def test_parameters_arrive_in_their_types(worker: Cli) -> None:
    done = worker(*RUN, "-e", "worker_name=7", "-e", "worker_count=5", "-e", "Nodes=4", "-o", "json")
    assert done.json["parameters"] == {"worker_name": "7", "worker_count": 5, "Nodes": 4, "stack_name": "big-worker"}


def test_a_file_of_parameters_serves_all_actions(worker: Cli, tmp_path: Path) -> None:
    (tmp_path / "my.yml").write_text("worker_name: a\nworker_count: 2\nstack_name: mine\n")
    done = worker(*RUN, "-a", "inspect", "-e", f"@{tmp_path / 'my.yml'}", "-e", "stack_name=yours", "-o", "json")
    assert done.json["parameters"]["stack_name"] == "yours"


def test_scenario_show_tells_types_defaults_and_help_in_two_languages(worker: Cli) -> None:
    shown = worker("scenario", "show", "big-worker", "-o", "json").json
    assert [action["name"] for action in shown["actions"]] == ["deploy", "inspect"]
    parameters = {parameter["name"]: parameter for parameter in shown["parameters"]}
    assert list(parameters) == [
        "stack_name",
        "worker_count",
        "worker_mode",
        "worker_name",
        "InstanceType",
        "Nodes",
        "Password",
    ]
    assert parameters["worker_count"] == {
        "name": "worker_count",
        "type": "int",
        "required": False,
        "default": 3,
        "choices": [],
        "secret": False,
        "source": "role",
        "origin": "worker",
        "help": {"en": "How many workers.", "zh": "工作进程数量。"},
        "limits": {},
    }
    assert parameters["Nodes"]["limits"] == {"min": 1, "max": 9}
    assert parameters["InstanceType"]["help"] == {"en": "Instance type", "zh": "实例规格"}
    assert parameters["Password"]["secret"]
    table = worker("scenario", "show", "big-worker").out
    assert "工作进程数量。" in table
    assert "How many workers." in table
    assert worker("scenario", "list", "-o", "json").json[0] == {
        "name": "big-worker",
        "summary": "Says hello on this machine.",
        "actions": ["deploy", "inspect"],
        "path": str(worker.scenarios / "big_worker"),
    }


def test_a_broken_playbook_is_one_line(cli: Cli) -> None:
    cli.scenario("broken", deploy="- hosts: [\n")
    done = cli("run", "scenario", "broken")
    assert done.code == 1
    assert "deploy.yml" in done.line
    assert "not YAML" in done.line


def test_a_cloud_without_credentials_is_one_line(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    (cli.home / "config.toml").write_text('[clouds.prod]\nregion = "cn-hangzhou"\n')
    empty = dict.fromkeys((name for name in os.environ if name.startswith("ALIBABA_CLOUD_")), "")
    done = cli("run", "scenario", "hello", "--cloud", "prod", env=empty)
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(
        "opsctl: Cloud prod has no credentials: set clouds.prod.profile, or export"
    )
    assert cli("runs", "show", "last", "-o", "json").json["status"] == "error"


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is forbidden to root")
def test_a_home_without_permission_is_one_line(cli: Cli) -> None:
    cli.home.chmod(0o500)
    done = cli("runs", "list")
    assert done.code == 1
    assert "no permission" in done.line


def test_a_home_that_is_a_file_is_one_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = cli("runs", "list", env={"OPSCTL_HOME": str(tmp_path / "file")})
    assert done.code in (1, 2)
    assert str(tmp_path / "file") in done.line


def test_a_database_that_is_none_is_one_line(cli: Cli) -> None:
    (cli.home / "opsctl.db").write_bytes(b"this is no database" * 100)
    done = cli("runs", "list")
    assert done.code == 1
    assert "opsctl.db: file is not a database" in done.line


def test_a_database_of_a_newer_opsctl_is_left_alone(cli: Cli) -> None:
    import sqlite3

    cli("runs", "list")
    with sqlite3.connect(cli.home / "opsctl.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    done = cli("runs", "list")
    assert done.code == 1
    assert "a newer opsctl wrote it" in done.line
