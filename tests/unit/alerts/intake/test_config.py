"""The `alerts` section: wrong sources get one line, secrets come from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsctl.alerts.config import Alerts, Source
from opsctl.errors import ConfigError
from opsctl.settings import load

SECRET = "a secret of sufficient length"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('listen = "8470"', "alerts.listen: must be HOST:PORT"),
        ('listen = "a:70000"', "alerts.listen: must be HOST:PORT"),
        ("lisen = 1", "alerts.lisen: unknown key (did you mean listen?)"),
        ('[[alerts.sources]]\nname = "A b"\nkind = "webhook"', "alerts.sources.0.name: string should match"),
        ('[[alerts.sources]]\nname = "a"\nkind = "mail"', "alerts.sources.0.kind: input should be"),
        ('[[alerts.sources]]\nname = "a"\nkind = "webhook"', "source a: webhook needs secret_env or secret_file"),
        ('[[alerts.sources]]\nname = "a"\nkind = "search"', "source a: a search needs a query"),
        ('[[alerts.sources]]\nname = "a"\nkind = "zabbix"\nproof = "bearer"', "source a: Zabbix signs what it sends"),
        ('[[alerts.sources]]\nname = "a"\nkind = "zabbix"\nquery = "x"', "source a: query is not for kind zabbix"),
        (
            '[[alerts.sources]]\nname = "a"\nkind = "webhook"\nsecret_env = "X"\nmapping = {host = "a..b"}',
            "cannot understand ..b in the path a..b",
        ),
        (
            '[[alerts.sources]]\nname = "a"\nkind = "webhook"\nsecret_env = "X"\nmapping = {hots = "a"}',
            "alerts.sources.0.mapping.hots: unknown key (did you mean host?)",
        ),
        (
            '[[alerts.sources]]\nname = "a"\nkind = "search"\nquery = "x"\nwithin = "soon"',
            'want a length of time as "30m"',
        ),
        ('[[alerts.sources]]\nname = "a"\nkind = "zabbix"\n' * 2, "two sources have the name a"),
        (
            '[[alerts.sources]]\nname = "a"\nkind = "zabbix"\n[[alerts.sources]]\nname = "b"\nkind = "zabbix"',
            "there can be one source of kind zabbix",
        ),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.toml").write_text(f"[alerts]\n{text}\n")
    with pytest.raises(ConfigError) as error:
        load(tmp_path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_zabbix_that_is_configured_is_a_source_without_being_named() -> None:
    assert [source.name for source in Alerts().all(zabbix=True)] == ["zabbix"]
    assert Alerts().all(zabbix=False) == ()
    own = Source(name="zabbix-prod", kind="zabbix")
    assert Alerts(sources=(own,)).all(zabbix=True) == (own,)


def test_the_address_is_read() -> None:
    assert Alerts().address == ("127.0.0.1", 8470)
    assert Alerts(listen="[::1]:0").address == ("::1", 0)


def test_secrets_are_where_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_SECRET", SECRET)
    assert Source(name="a", kind="webhook", secret_env="ALERT_SECRET").secret(tmp_path) == SECRET
    (tmp_path / "monitor").mkdir()
    (tmp_path / "monitor" / "webhook.secret").write_text(SECRET + "\n")
    assert Source(name="a", kind="zabbix").secret(tmp_path) == SECRET


def test_a_secret_that_is_missing_or_short_is_told_without_saying_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"webhook.secret: No such file or directory; run `opsctl monitor setup`"):
        Source(name="a", kind="zabbix").secret(tmp_path)
    monkeypatch.setenv("ALERT_SECRET", "hunter2")
    with pytest.raises(ConfigError, match="fewer than 16 characters") as error:
        Source(name="a", kind="webhook", secret_env="ALERT_SECRET").secret(tmp_path)
    assert "hunter2" not in str(error.value)
