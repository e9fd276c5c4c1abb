"""What Ansible said of inventory files is said again only while nothing it read has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from opsctl.runs.memory import remembered

QUESTION = ("--list",)


class Asked:
    """Counts how often Ansible would be asked."""

    def __init__(self, answer: str = '{"_meta": {}}') -> None:
        self.times = 0
        self.answer = answer

    def __call__(self) -> str:
        self.times += 1
        return self.answer


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an inventory, and a user who has nothing else."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    (folder / "hosts.ini").write_text("[web]\nw1 ansible_host=192.0.2.1\n")
    return folder


def ask(place: Path, asked: Asked, question: tuple[str, ...] = QUESTION, **environment: str) -> str:
    """One question about the inventory."""
    given = {"HOME": os.environ["HOME"], **environment}
    return remembered(place.parent / "home", [place / "hosts.ini"], question, given, asked)


def test_the_same_question_is_asked_once(place: Path) -> None:
    """And the answer is the same, in a file that only the user can read."""
    asked = Asked()
    assert ask(place, asked) == ask(place, asked) == asked.answer
    assert asked.times == 1
    (kept,) = (place.parent / "home" / "cache" / "inventory").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


def _append(name: str, text: str = "x: 1\n") -> Callable[[Path], None]:
    def change(place: Path) -> None:
        path = place / name
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as file:
            file.write(text)

    return change


CHANGES = {
    "the inventory itself": _append("hosts.ini", "w2\n"),
    "variables of a group": _append("group_vars/web.yml"),
    "variables of a host, deeper": _append("host_vars/w1.yml"),
    "the configuration": _append("ansible.cfg", "[defaults]\nforks=9\n"),
    "the user's configuration": _append("../.ansible.cfg", "[defaults]\nforks=9\n"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_what_ansible_reads_asks_again(place: Path, change: Callable[[Path], None]) -> None:
    """Whatever it is."""
    asked = Asked()
    ask(place, asked)
    change(place)
    ask(place, asked)
    assert asked.times == 2


def test_another_question_or_surrounding_asks_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern, a variable of Ansible's, another directory."""
    asked = Asked()
    ask(place, asked)
    ask(place, asked, ("--list", "--limit=web"))
    ask(place, asked, ANSIBLE_HASH_BEHAVIOUR="merge")
    monkeypatch.chdir(place.parent)
    ask(place, asked)
    assert asked.times == 4


def _script(place: Path) -> None:
    (place / "hosts.ini").chmod(0o755)


def _code(place: Path) -> None:
    (place.parent / ".ansible" / "plugins" / "vars").mkdir(parents=True)


UNSURE = {
    "a script": _script,
    "a plug-in's source": _append("hosts.ini", "plugin: amazon.aws.aws_ec2\n"),
    "a vaulted file": _append("group_vars/all.yml", "$ANSIBLE_VAULT;1.1;AES256\n3132\n"),
    "plug-ins of the configuration": _append("ansible.cfg", "[defaults]\nvars_plugins = mine\n"),
    "plug-ins that the configuration enables": _append("ansible.cfg", "[defaults]\nvars_plugins_enabled = mine\n"),
    "plug-ins of the user": _code,
}


@pytest.mark.parametrize("unsure", UNSURE.values(), ids=UNSURE)
def test_what_is_more_than_files_is_always_asked(place: Path, unsure: Callable[[Path], None]) -> None:
    """Its answer may change with no file."""
    unsure(place)
    asked = Asked()
    ask(place, asked)
    ask(place, asked)
    assert asked.times == 2
    assert not (place.parent / "home").exists()


@pytest.mark.parametrize("name", ["ANSIBLE_INVENTORY_PLUGINS", "ANSIBLE_VARS_ENABLED", "ANSIBLE_VAULT_PASSWORD_FILE"])
def test_an_environment_that_adds_code_or_keys_is_always_asked(place: Path, name: str) -> None:
    """What they do is in no file of the inventory."""
    asked = Asked()
    ask(place, asked, **{name: "/somewhere"})
    ask(place, asked, **{name: "/somewhere"})
    assert asked.times == 2


@pytest.mark.parametrize("name", ["ansible_password", "ansible_become_pass", "db_token", "ansible_ssh_private_key"])
def test_secrets_are_not_kept(place: Path, name: str) -> None:
    """They stay in the one file their owner put them into."""
    asked = Asked(f'{{"_meta": {{"hostvars": {{"w1": {{"{name}": "canary-4711"}}}}}}}}')
    ask(place, asked)
    ask(place, asked)
    assert asked.times == 2
    assert not (place.parent / "home").exists()


def test_only_some_are_kept(place: Path) -> None:
    """The oldest go."""
    for number in range(40):
        ask(place, Asked(), ("--list", f"--limit=w{number}"))
    assert len(list((place.parent / "home" / "cache" / "inventory").iterdir())) == 32


def test_a_directory_of_no_use_only_costs_time(place: Path) -> None:
    """Where nothing can be written, Ansible is asked each time."""
    (place.parent / "home").write_text("in the way")
    asked = Asked()
    assert ask(place, asked) == ask(place, asked) == asked.answer
    assert asked.times == 2
