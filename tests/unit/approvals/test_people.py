"""Who acts is what the kernel says, not what a variable says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opsctl.approvals import people
from opsctl.approvals.people import Person, present

CHAIN = """
import json, os, subprocess, sys
users = json.loads(sys.argv[1])
if users:
    done = subprocess.run(
        [sys.executable, "-c", sys.argv[2], json.dumps(users[1:]), sys.argv[2]],
        preexec_fn=lambda: os.setresuid(users[0], 0, 0),
        check=True,
    )
else:
    from opsctl.approvals.people import present
    print(json.dumps(present().plain()))
"""


def through(*users: int) -> dict[str, object]:
    """Who the last of a chain of processes of these users is."""
    done = subprocess.run(
        [sys.executable, "-c", CHAIN, json.dumps(users), CHAIN],
        env={**os.environ, "SUDO_USER": "sync", "SUDO_UID": "4", "LOGNAME": "sync", "USER": "sync"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(os.getuid() != 0, reason="becomes other users: needs root")
@pytest.mark.skipif(people._number(Path("/proc/self/loginuid")) not in (None, people._UNSET), reason="logged in")
def test_the_user_behind_a_shared_account_is_found_among_the_parents() -> None:
    assert through(1) == {"name": "daemon", "uid": 1}
    assert through(1, 0, 2) == {"name": "bin", "uid": 2, "login": "daemon"}
    assert through(1, 0) == {"name": "root", "uid": 0, "login": "daemon"}
    assert through(1, 1) == {"name": "daemon", "uid": 1}


@pytest.mark.parametrize(("logged", "login"), [("4294967295", ""), ("2", "bin"), (str(os.getuid()), "")])
def test_the_session_knows_who_logged_in(
    logged: str, login: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loginuid").write_text(logged)
    monkeypatch.setattr(people, "_LOGGED", tmp_path / "loginuid")
    monkeypatch.setenv("SUDO_USER", "sync")
    found = present()
    assert (found.uid, found.login) == (os.getuid(), login if logged != "4294967295" else found.login)
    assert found.login != "sync"


def test_a_person_has_the_rights_of_both_accounts() -> None:
    assert [identity.name for identity in Person("bin", 2, "daemon").identities] == ["bin", "daemon"]
    assert (Person("bin", 2, "daemon").text, Person("bin", 2).text) == ("daemon as bin", "bin")
    assert Person.of(Person("bin", 2, "daemon").plain()) == Person("bin", 2, "daemon")
