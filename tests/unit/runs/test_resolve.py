"""Names of secrets become values, and what is kept has the names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsctl.errors import UsageError
from opsctl.secrets.reference import named, whole
from opsctl.secrets.resolve import resolved


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "value-of-one")
    monkeypatch.setenv("NO", "")


def test_names_at_any_depth_and_values_beside_them() -> None:
    given = {"a": "secret:env:ONE", "b": {"c": [{"secret": "env:ONE"}, 5]}, "d": "plain", "e": {"secret": "of mine"}}
    found = resolved(given)
    assert found.values == {
        "a": "value-of-one",
        "b": {"c": ["value-of-one", 5]},
        "d": "plain",
        "e": {"secret": "of mine"},
    }
    assert found.kept == {"a": "secret:env:ONE", "b": {"c": [{"secret": "env:ONE"}, 5]}}
    assert found.hidden == {"value-of-one"}
    assert resolved(found.values).kept == {}


def test_what_is_secret_as_a_whole_is_kept_only_where_it_is_names_alone() -> None:
    given = {"db_password": {"old": "secret:env:ONE", "new": "typed in"}, "token": ["secret:env:ONE"]}
    found = resolved(given).less(frozenset(given))
    assert found.kept == {"token": ["secret:env:ONE"]}
    masked = {"parameters": {"db_password": "******", "token": "******"}}
    assert found.kept_in(masked, resolved({}))["parameters"] == {"db_password": "******", "token": ["secret:env:ONE"]}


@pytest.mark.parametrize(
    ("content", "value"), [(b"x\n", "x"), (b"x", "x"), (b"a\nb\n", "a\nb\n"), ("\u00e4".encode(), "\u00e4")]
)
def test_of_a_file(tmp_path: Path, content: bytes, value: str) -> None:
    (tmp_path / "file").write_bytes(content)
    assert resolved({"a": f"secret:file:{tmp_path}/file"}).values == {"a": value}


def test_paths_are_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    assert resolved({"a": "secret:file:file", "b": [{"secret": "file:./file"}]}).kept == {
        "a": f"secret:file:{tmp_path}/file",
        "b": [{"secret": f"file:{tmp_path}/file"}],
    }
    assert whole({"a": "plain:text", "b": "file:x"}) == {"a": "plain:text", "b": "file:x"}
    assert whole("secret:file:a:b") == f"secret:file:{tmp_path}/a:b"


@pytest.mark.parametrize(
    "text",
    [
        "secret:",
        "secret:env:",
        "secret:env:A-B",
        "secret:other:x",
        "secret:vault:x",
        "secret:vault:a/b",
        "secret:env:NONE",
    ],
)
def test_what_is_no_name_or_has_nothing_behind_it(text: str) -> None:
    with pytest.raises(UsageError, match="given"):
        resolved({"given": text})


def test_a_path_out_of_vaults_store_is_refused() -> None:
    with pytest.raises(UsageError):
        named("secret:vault:secret/../sys/mounts#x", "given")
