"""Settings and credentials of Elasticsearch: what may be said, and that secrets are never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opsctl.errors import ConfigError
from opsctl.events.ship.dead import Dead, Letter
from opsctl.events.ship.options import Elasticsearch
from opsctl.events.ship.secret import Credentials, credentials
from opsctl.settings import described, load


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPSCTL_ELASTICSEARCH_API_KEY", "OPSCTL_ELASTICSEARCH_PASSWORD", "OPSCTL_ELASTICSEARCH"):
        monkeypatch.delenv(name, raising=False)


def config(home: Path, text: str) -> Path:
    (home / "config.toml").write_text(f"[elasticsearch]\n{text}\n")
    return home


def test_unset_it_is_off(tmp_path: Path) -> None:
    assert not load(tmp_path).elasticsearch.on


def test_urls_are_a_list_or_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(tmp_path, 'url = "https://a:9200/, https://b:9200"')
    assert load(tmp_path).elasticsearch.url == ["https://a:9200", "https://b:9200"]
    monkeypatch.setenv("OPSCTL_ELASTICSEARCH", '{"url": ["http://c:1"], "namespace": "n"}')
    assert load(tmp_path).elasticsearch.url == ["http://c:1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('url = "https://me:s3cret@a:9200"', "elasticsearch.url.0: must hold no user or password"),
        ('url = "a:9200"', "must be like https://HOST:9200"),
        ('url = "http://a"\nnamespace = "My Space"', "elasticsearch.namespace: must be lower case"),
        ('url = "http://a"\napi_key = "s3cret"', "elasticsearch.api_key: unknown key (did you mean api_key_file?)"),
        ('url = "http://a"\npassword = "s3cret"', "elasticsearch.password: unknown key"),
        ('url = "http://a"\ntimeout = 0', "elasticsearch.timeout: "),
        ('url = "http://a"\n[elasticsearch.labels]\n"a.b" = "c"', "elasticsearch.labels"),
        ("retention = {task = 0}", "elasticsearch.retention.task: "),
    ],
)
def test_what_cannot_be_used_is_one_line_without_secrets(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(config(tmp_path, text))
    line = str(raised.value)
    assert says in line
    assert "s3cret" not in line
    assert len(line.splitlines()) == 1


def test_the_environment_goes_before_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from-file\n")
    options = Elasticsearch(url="http://a", api_key_file=tmp_path / "key", user="u")
    assert credentials(options).header == "ApiKey from-file"
    monkeypatch.setenv("OPSCTL_ELASTICSEARCH_API_KEY", "from-environment")
    assert credentials(options).header == "ApiKey from-environment"


def test_a_user_has_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = Elasticsearch(url="http://a", user="ann")
    with pytest.raises(ConfigError, match="ann has no password"):
        credentials(options)
    monkeypatch.setenv("OPSCTL_ELASTICSEARCH_PASSWORD", "pw")
    assert credentials(options) == Credentials(user="ann", password="pw")
    assert credentials(options).header == "Basic YW5uOnB3"


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"two words", "nö".encode()])
def test_a_key_that_cannot_be_used_is_not_shown(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        credentials(Elasticsearch(url="http://a", api_key_file=path))
    assert "two words" not in str(raised.value)


def test_credentials_are_not_in_their_own_description(tmp_path: Path) -> None:
    assert "s3cret" not in repr(Credentials(api_key="s3cret")) + repr(Credentials(user="u", password="s3cret"))
    config(tmp_path, 'url = "http://a"\nuser = "ann"\npassword_file = "/run/secrets/es"')
    assert described(load(tmp_path))["elasticsearch"]["password_file"] == "/run/secrets/es"


def letter(name: str, **more: Any) -> Letter:
    said = {"source": "r", "time": "t", "status": 400, "kind": "k", "reason": "why", "line": "x" * 100}
    return Letter(**{"id": name, **said, **more})


def test_dead_letters_have_a_bound_and_what_is_given_up_is_counted(tmp_path: Path) -> None:
    dead = Dead(tmp_path, bound=1000)
    lost = sum(dead.add([letter(str(number))]) for number in range(20))
    kept = [each.id for each in dead.letters()]
    assert 0 < lost == 20 - len(kept)
    assert kept == [str(number) for number in range(lost, 20)]
    assert sum(path.stat().st_size for path in tmp_path.glob("dead*")) <= 2000


def test_a_torn_or_doubled_letter_counts_once(tmp_path: Path) -> None:
    dead = Dead(tmp_path)
    dead.add([letter("a"), letter("b"), letter("a")])
    with dead.path.open("ab") as file:
        file.write(b'{"id":"torn')
    assert [each.id for each in dead.letters()] == ["a", "b"]
    dead.keep([letter("b")])
    assert [each.id for each in dead.letters()] == ["b"]
    assert dead.path.stat().st_mode & 0o777 == 0o600
