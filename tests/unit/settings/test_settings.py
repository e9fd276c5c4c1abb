"""Settings: what may be said, where, and what wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from opsctl.clouds import access, secrets
from opsctl.errors import CloudError, ConfigError, UsageError
from opsctl.settings import Cloud, load

VARIABLES = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("OPSCTL_", "ALIBABA_CLOUD_")):
            monkeypatch.delenv(name)


def config(home: Path, text: str) -> Path:
    (home / "config.toml").write_text(text)
    return home


def test_flags_over_environment_over_file_over_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(tmp_path).forks == 20
    assert load(config(tmp_path, "forks = 3")).forks == 3
    monkeypatch.setenv("OPSCTL_FORKS", "4")
    assert load(tmp_path).forks == 4
    assert load(tmp_path, forks=5).forks == 5
    assert load(tmp_path, forks=None).forks == 4


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        load(tmp_path).forks = 1  # type: ignore[misc]


def test_paths_are_separated_by_colons_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSCTL_SCENARIO_PATH", "/a:/b")
    assert load(tmp_path).scenario_path == [Path("/a"), Path("/b")]
    monkeypatch.delenv("OPSCTL_SCENARIO_PATH")
    assert load(config(tmp_path, 'scenario_path = ["/c"]')).scenario_path == [Path("/c")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cluod = 'x'", r"config\.toml: cluod: unknown key \(did you mean cloud\?\)"),
        ("[clouds.p]\nendpiont = 'x'", r"clouds\.p\.endpiont: unknown key \(did you mean endpoint\?\)"),
        ("[clouds.p]\nkind = 'x'", r"clouds\.p\.kind: input should be"),
        ("forks = 0", r"forks: input should be greater"),
        ("[clouds.local]", r"clouds\.local: the name belongs"),
        ("forks", r"config\.toml: "),
    ],
)
def test_an_error_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(config(tmp_path, text))


def test_an_error_of_the_environment_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSCTL_FORKS", "many")
    with pytest.raises(ConfigError, match="OPSCTL_FORKS: forks: input should be a valid integer"):
        load(tmp_path)


def test_an_unknown_cloud_is_suggested(tmp_path: Path) -> None:
    chosen = load(config(tmp_path, "[clouds.prod]\nregion = 'cn-hangzhou'"))
    assert chosen.chosen("prod")[1].region == "cn-hangzhou"
    assert chosen.chosen()[0] == "local"
    with pytest.raises(UsageError, match=r"Unknown cloud pord \(did you mean prod\?\); known: local, prod"):
        chosen.chosen("pord")


def test_a_profile_s_credentials_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud(region="cn-hangzhou", endpoint="http://127.0.0.1:1")
    with pytest.raises(CloudError, match="Cloud p has no credentials"):
        access("p", cloud, tmp_path)
    for name in VARIABLES[:2]:
        monkeypatch.setenv(name, f"value of {name}")
    monkeypatch.setenv("OPSCTL_CLOUD_ENDPOINT", "http://another")
    environment = access("p", cloud, tmp_path).environment
    assert environment["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] == "value of ALIBABA_CLOUD_ACCESS_KEY_SECRET"
    assert environment["OPSCTL_CLOUD_ENDPOINT"] == "http://127.0.0.1:1"
    assert environment["ALIBABA_CLOUD_SECURITY_TOKEN"] == ""


def test_what_is_exported_for_another_cloud_does_not_leak_into_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*VARIABLES, "OPSCTL_CLOUD_ENDPOINT"):
        monkeypatch.setenv(name, "of another cloud")
    environment = access("p", Cloud(profile="mine"), tmp_path).environment
    assert environment["ALIBABA_CLOUD_PROFILE"] == "mine"
    assert "of another cloud" not in environment.values()


def test_an_inventory_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES[:2]:
        monkeypatch.setenv(name, "canary-4711")
    (tmp_path / "inventory").mkdir()
    way = access("p", Cloud(), tmp_path)
    (folder,) = way.inventories(tmp_path)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert (folder / "clouds.opsctl.yml") in files
    assert not any("canary-4711" in path.read_text() for path in files)
    assert "canary-4711" not in repr(way)


def test_a_list_of_machines_must_exist(tmp_path: Path) -> None:
    with pytest.raises(CloudError, match=r"set clouds\.p\.inventory"):
        access("p", Cloud(kind="hosts", inventory=tmp_path / "none"), tmp_path)


def test_secrets_of_the_environment_are_known_by_name() -> None:
    environment = {"MY_TOKEN": "abcdefgh", "DB_PASSWORD": "short", "HOME": "/home/ann-long", "X_API_KEY": "keykeykey"}
    assert secrets(environment) == {"abcdefgh", "keykeykey"}
