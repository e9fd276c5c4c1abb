"""Secrets that are named instead of given: the run has them, nothing that is kept or said has them. Real processes.

HashiCorp Vault is a small server that speaks the key-value store of its API, version 2 and 1, since no real one can be
installed here; https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 says what it answers.
"""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from .conftest import Cli, Result

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Use it
      shell: test "$GIVEN" = "{{ wanted }}"
      environment: {GIVEN: "{{ given }}"}
    - name: Show it
      debug: msg="it is {{ given }} {{ vaulted | default('') }}"
"""
CANARY = "c4n4ry-of-a-named-secret"
TOKEN = "hvs.c4n4rytokenc4n4rytokenc4n4ry"


SECRETS = {
    "/v1/secret/data/db": {"data": {"data": {"password": CANARY}, "metadata": {"version": 3}}},
    "/v1/old/db": {"data": {"password": CANARY}, "auth": None, "lease_id": "", "lease_duration": 0, "renewable": False},
    "/v1/secret/data/deleted": {"data": {"data": None, "metadata": {"deletion_time": "2026-01-01T00:00:00Z"}}},
}


class _Vault(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.headers["X-Vault-Token"] != TOKEN:
            return self._answer(403, {"errors": ["permission denied"]})
        found = SECRETS.get(self.path)
        return self._answer(200 if found else 404, found or {"errors": []})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = self.path == "/v1/auth/approle/login" and body == {"role_id": "role", "secret_id": "sesame-sesame"}
        self._answer(200 if good else 400, {"auth": {"client_token": TOKEN}} if good else {"errors": ["invalid"]})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        return


@pytest.fixture
def vault() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Vault) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def place(cli: Cli) -> Path:
    """Where a play, an inventory of this machine and a vault's password are."""
    folder = cli.home.parent
    (folder / "play.yml").write_text(PLAY)
    (folder / "hosts").write_text(f"here ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    (folder / "password").write_text("open sesame\n")
    return folder


def run(cli: Cli, place: Path, *arguments: str, env: dict[str, str] | None = None) -> Result:
    words = ("run", "playbook", str(place / "play.yml"), "-i", str(place / "hosts"), "--yes-all", "-o", "json")
    return cli(*words, "-e", "@-", *arguments, env=env, stdin=json.dumps({"wanted": {"secret": "env:WANTED"}}))


def encrypted(place: Path, *arguments: str) -> str:
    program = str(Path(sys.executable).with_name("ansible-vault"))
    command = [program, *arguments, "--vault-password-file", str(place / "password")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def clean(cli: Cli, done: Result) -> None:
    """Nothing of it is left or was said."""
    assert CANARY not in done.out + done.err
    for folder in (cli.home, cli.home.parent / "runtime"):
        for path in folder.rglob("*"):
            assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_of_the_environment_and_again_on_retry(cli: Cli, place: Path) -> None:
    env = {"WANTED": CANARY, "SECRET_ONE": CANARY}
    done = run(cli, place, "-e", "given=secret:env:SECRET_ONE", env=env)
    assert done.code == 0, done.err
    clean(cli, done)
    assert done.json["parameters"] == {"wanted": {"secret": "env:WANTED"}, "given": "secret:env:SECRET_ONE"}
    assert "it is ******" in cli("runs", "logs", "last").out
    again = cli("runs", "retry", "last", "-o", "json", env=env)
    assert again.code == 0, again.err
    assert "Secrets are not kept" not in again.err
    clean(cli, again)


def test_of_a_file_and_in_the_middle_of_a_value(cli: Cli, place: Path) -> None:
    (place / "secret").write_text(f"{CANARY}\n")
    (place / "play.yml").write_text(PLAY.replace("{{ given }}", "{{ given.list[0].deep }}"))
    (place / "more.yml").write_text("given: {list: [{deep: {secret: 'file:secret'}}], port: 5432}\n")
    done = run(cli, place, "-e", f"@{place / 'more.yml'}", env={"WANTED": CANARY, "PWD": str(place)})
    assert done.code in {1, 2}, "it is looked for where opsctl runs"
    (place / "more.yml").write_text(f"given: {{list: [{{deep: {{secret: 'file:{place}/secret'}}}}], port: 5432}}\n")
    done = run(cli, place, "-e", f"@{place / 'more.yml'}", env={"WANTED": CANARY})
    assert done.code == 0, done.err
    assert done.json["parameters"]["given"]["list"] == [{"deep": {"secret": f"file:{place}/secret"}}]
    assert done.json["parameters"]["given"]["port"] == 5432
    assert b"5432" in (cli.home / "journal" / f"{done.json['id']}.ndjson").read_bytes()


def test_of_hashicorp_vault(cli: Cli, place: Path, vault: str) -> None:
    env = {"WANTED": CANARY, "VAULT_ADDR": vault, "VAULT_TOKEN": TOKEN}
    given = ("one=secret:vault:secret/db#password", "two=secret:vault:secret/data/db#password")
    options = [part for text in (*given, "three=secret:vault:old/db#password") for part in ("-e", text)]
    (place / "play.yml").write_text(PLAY.replace('"{{ given }}"', '"{{ [one, two, three] | unique | join }}"'))
    done = run(cli, place, *options, "-e", "given=", env=env)
    assert done.code == 0, done.err
    clean(cli, done)
    assert TOKEN not in "".join(path.read_text("latin-1") for path in cli.home.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "lookup",
    [
        "'community.hashi_vault.vault_kv2_get', 'db', engine_mount_point='secret').secret.password",
        "'community.hashi_vault.vault_kv1_get', 'db', engine_mount_point='old').secret.password",
        "'community.hashi_vault.hashi_vault', 'secret/data/db').password",
    ],
)
def test_of_the_lookups_that_playbooks_have(cli: Cli, place: Path, vault: str, lookup: str) -> None:
    env = {"WANTED": CANARY, "ANSIBLE_HASHI_VAULT_ADDR": vault, "ANSIBLE_HASHI_VAULT_TOKEN": TOKEN}
    (place / "play.yml").write_text(PLAY.replace("{{ given }}", f"{{{{ lookup({lookup} }}}}"))
    done = run(cli, place, env=env)
    assert done.code == 0, done.err + done.out
    clean(cli, done)
    assert "it is ******" in cli("runs", "logs", "last").out
    assert TOKEN not in "".join(path.read_text("latin-1") for path in cli.home.rglob("*") if path.is_file())


def test_of_hashicorp_vault_by_a_role(cli: Cli, place: Path, vault: str) -> None:
    env = {"WANTED": CANARY, "VAULT_ADDR": vault, "VAULT_ROLE_ID": "role", "VAULT_SECRET_ID": "sesame-sesame"}
    done = run(cli, place, "-e", "given=secret:vault:secret/db#password", env=env)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("text", "env", "said"),
    [
        ("secret:env:NOT_THERE", {}, "no such variable"),
        ("secret:env:no-name", {}, "name of a variable"),
        ("secret:file:/nowhere/at/all", {}, "No such file"),
        ("secret:vault:secret/db", {}, "MOUNT/PATH#KEY"),
        ("secret:vault:secret/db#password", {}, "VAULT_ADDR"),
        ("secret:vault:secret/db#password", {"VAULT_ADDR": "URL"}, "VAULT_TOKEN"),
        ("secret:vault:secret/db#password", {"VAULT_ADDR": "URL", "VAULT_TOKEN": "wrong-one"}, "403"),
        ("secret:vault:secret/none#password", {"VAULT_ADDR": "URL", "VAULT_TOKEN": TOKEN}, "no such secret"),
        ("secret:vault:secret/deleted#password", {"VAULT_ADDR": "URL", "VAULT_TOKEN": TOKEN}, "no such secret"),
        ("secret:vault:secret/db#pin", {"VAULT_ADDR": "URL", "VAULT_TOKEN": TOKEN}, "it has password"),
        ("secret:vault:secret/db#x", {"VAULT_ADDR": "http://127.0.0.1:9", "VAULT_TOKEN": TOKEN}, "no answer"),
        ("secret:purse:x", {}, "want secret:env:NAME"),
    ],
)
def test_one_that_cannot_be_had(  # noqa: PLR0917 - fixtures and a table
    cli: Cli, place: Path, vault: str, text: str, env: dict[str, str], said: str
) -> None:
    given = {name: value.replace("URL", vault) for name, value in env.items()}
    done = run(cli, place, "-e", f"given={text}", env={"WANTED": CANARY, **given})
    assert done.code in (1, 2)
    assert said in done.line
    assert "given" in done.line or "Vault" in done.line
    assert TOKEN not in done.err


def test_values_and_files_of_ansible_vault(cli: Cli, place: Path) -> None:
    value = encrypted(place, "encrypt_string", CANARY)
    (place / "group_vars").mkdir()
    (place / "group_vars" / "all.yml").write_text(
        f"vaulted: {encrypted(place, 'encrypt_string', 'in-the-inventory')}\n"
    )
    (place / "one.yml").write_text(f"given: {value}\n")
    (place / "whole.yml").write_text(f"given: {CANARY}\nport: 5432\n")
    encrypted(place, "encrypt", str(place / "whole.yml"))
    password = ("--vault-password-file", str(place / "password"))
    for file in ("one.yml", "whole.yml"):
        done = run(cli, place, "-e", f"@{place / file}", *password, env={"WANTED": CANARY})
        assert done.code == 0, done.err
        clean(cli, done)
        log = cli("runs", "logs", "last").out
        assert "it is ****** ******" in log
        assert "in-the-inventory" not in log
    assert done.json["parameters"]["given"].startswith(f"secret:{place}/whole.yml sha256:")
    wrong = run(cli, place, "-e", f"@{place / 'one.yml'}", env={"WANTED": CANARY})
    assert (wrong.code, "--vault-password-file" in wrong.line) == (2, True)


def test_a_vault_password_of_the_environment_is_on_no_disk(cli: Cli, place: Path) -> None:
    (place / "one.yml").write_text(f"given: {encrypted(place, 'encrypt_string', CANARY)}\n")
    done = run(
        cli, place, "-e", f"@{place / 'one.yml'}", env={"WANTED": CANARY, "OPSCTL_VAULT_PASSWORD": "open sesame"}
    )
    assert done.code == 0, done.err
    clean(cli, done)


def test_a_vault_password_is_asked_for_on_a_terminal(cli: Cli, place: Path) -> None:
    (place / "one.yml").write_text(f"given: {encrypted(place, 'encrypt_string', CANARY)}\n")
    words = ("run", "playbook", str(place / "play.yml"), "-i", str(place / "hosts"), "--yes-all", "-J")
    words += ("-e", f"@{place / 'one.yml'}", "-e", "wanted=secret:env:WANTED")
    child, terminal = pty.fork()
    if not child:
        command = cli.command(*words)
        os.execvpe(command[0], command, cli.environ({"WANTED": CANARY}))  # noqa: S606
    said, limit = b"", time.monotonic() + 60
    while time.monotonic() < limit and select.select([terminal], [], [], 30)[0]:
        try:
            said += os.read(terminal, 4096)
        except OSError:
            break
        if b"Vault password: " in said and b"open" not in said:
            os.write(terminal, b"open sesame\n")
            said += b"(open)"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, said
    assert CANARY.encode() not in said
    assert b"open sesame" not in said


def test_a_variable_of_a_command(cli: Cli, place: Path) -> None:
    done = cli(
        *(
            "run",
            "command",
            "-i",
            str(place / "hosts"),
            "--yes-all",
            "--env",
            "GIVEN=secret:env:SECRET_ONE",
            "-o",
            "json",
        ),
        *("--", "sh", "-c", 'echo "it is $GIVEN"'),
        env={"SECRET_ONE": CANARY},
    )
    assert done.code == 0, done.err
    clean(cli, done)
    assert done.json["parameters"]["env.GIVEN"] == "secret:env:SECRET_ONE"
    assert "it is ******" in cli("runs", "logs", "last", "--events").out
