"""The section `monitor`: what may be said there, and where secrets come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsctl.errors import ConfigError
from opsctl.monitor.config import token_file
from opsctl.settings import described, load


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZABBIX_URL", "ZABBIX_TOKEN", "OPSCTL_MONITOR"):
        monkeypatch.delenv(name, raising=False)


def section(home: Path, text: str) -> Path:
    (home / "config.toml").write_text(f"[monitor.zabbix]\n{text}\n")
    return home


def test_nothing_said_is_no_zabbix(tmp_path: Path) -> None:
    zabbix = load(tmp_path).monitor.zabbix
    assert not zabbix.on
    with pytest.raises(ConfigError, match=r"set monitor\.zabbix\.url"):
        _ = zabbix.place


def test_the_environment_of_the_modules_counts_where_nothing_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZABBIX_URL", "http://z.example/")
    monkeypatch.setenv("ZABBIX_TOKEN", "t0ken")
    zabbix = load(tmp_path).monitor.zabbix
    assert (zabbix.on, zabbix.place, zabbix.token(tmp_path)) == (True, "http://z.example", "t0ken")
    assert load(section(tmp_path, "url = 'https://other.example/zabbix'")).monitor.zabbix.place == (
        "https://other.example/zabbix"
    )
    monkeypatch.setenv("ZABBIX_URL", "ftp://z")
    with pytest.raises(ConfigError, match=r"^ZABBIX_URL: must be like https"):
        _ = load(tmp_path / "none").monitor.zabbix.place


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("url = 'https://a:b@z'", "must hold no user or password"),
        ("url = 'z.example'", "must be like https"),
        ("token_env = 'A'\ntoken_file = 'b'", "give token_env or token_file, not both"),
        ("user = 'u'", "belong together"),
        ("password_file = 'u'", "belong together"),
        ("user = 'u'\npassword_env = 'P'\ntoken_env = 'T'", "give token_env or user, not both"),
        ("server = 'host:0'", "must be HOST or HOST:PORT"),
        ("server = 'a b'", "must be HOST or HOST:PORT"),
        ("timeout = 0", r"monitor\.zabbix\.timeout"),
        ("tokn_file = 'x'", r"monitor\.zabbix\.tokn_file: unknown key \(did you mean token_file\?\)"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load(section(tmp_path, text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("url = 'https://z.example/zabbix'", ("z.example", 10051)),
        ("url = 'https://z.example'\nserver = 'trap.example'", ("trap.example", 10051)),
        ("server = '10.0.0.1:11051'", ("10.0.0.1", 11051)),
        ("server = '[fd00::1]:11051'", ("fd00::1", 11051)),
    ],
)
def test_values_go_to_the_server(tmp_path: Path, text: str, place: tuple[str, int]) -> None:
    assert load(section(tmp_path, text)).monitor.zabbix.trapper == place


def test_the_token_comes_from_where_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("of-file\n")
    monkeypatch.setenv("HERE", "of-variable")
    monkeypatch.setenv("ZABBIX_TOKEN", "of-modules")
    named = load(section(tmp_path, f"token_file = '{tmp_path}/token'")).monitor.zabbix
    assert named.token(tmp_path) == "of-file"
    assert load(section(tmp_path, "token_env = 'HERE'")).monitor.zabbix.token(tmp_path) == "of-variable"
    token_file(tmp_path).parent.mkdir()
    token_file(tmp_path).write_text("of-setup")
    assert load(section(tmp_path, "")).monitor.zabbix.token(tmp_path) == "of-setup"


def test_a_user_with_a_password_needs_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", "pass word")
    zabbix = load(section(tmp_path, "user = 'u'\npassword_env = 'P'")).monitor.zabbix
    assert (zabbix.token(tmp_path), zabbix.password) == ("", "pass word")


@pytest.mark.parametrize("content", ["", "\n", "two\nlines"])
def test_a_secret_that_is_none_is_one_line_without_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    with pytest.raises(ConfigError, match=r"token is not in .*token: want one line"):
        load(section(tmp_path, f"token_file = '{tmp_path}/token'")).monitor.zabbix.token(tmp_path)


def test_a_missing_token_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run `opsctl monitor setup`"):
        load(section(tmp_path, "url = 'http://z'")).monitor.zabbix.token(tmp_path)
    with pytest.raises(ConfigError, match=r"Cannot read Zabbix's token from /none/such: No such file"):
        load(section(tmp_path, "url = 'http://z'\ntoken_file = '/none/such'")).monitor.zabbix.token(tmp_path)


def test_the_settings_show_no_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("very-secret")
    shown = described(load(section(tmp_path, f"url = 'http://z'\ntoken_file = '{tmp_path}/token'")))
    assert shown["monitor"]["zabbix"]["token_file"].endswith("/token")
    assert "very-secret" not in str(shown)
