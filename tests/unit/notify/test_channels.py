"""Each kind of channel, against a real server that checks what it got."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opsctl.clock import now
from opsctl.notify.channels import built
from opsctl.notify.config import Channel, Notify
from opsctl.notify.http import Undelivered
from opsctl.notify.message import Message, written
from opsctl.notify.sender import transmit

from .servers import Hook, certificate, closed_port, hook, post

SECRET = "SEC-canary-secret-0123456789"
CANARIES = ("canary-path", "canary-query", "canary-secret", "canary-pass")
DATA = {"run": "r-1", "what": "command reboot", "by": "alice", "reason": "<!channel> & more", "hidden": 1}


@pytest.fixture
def server() -> Iterator[Hook]:
    with hook() as found:
        yield found


def message(language: str = "en", **data: Any) -> Message:
    return written("n-1", "approval", now(), {**DATA, **data}, language)


def channel(kind: Any, server: Hook, monkeypatch: pytest.MonkeyPatch, *, secret: str = SECRET, **more: Any) -> Channel:
    monkeypatch.setenv("TEST_URL", server.url())
    monkeypatch.setenv("TEST_SECRET", secret)
    return Channel(name="ops", kind=kind, url_env="TEST_URL", secret_env="TEST_SECRET" if secret else "", **more)


def why(channel: Channel, timeout: float = 5, sent: Message | None = None) -> str:
    """The reason why it was not delivered, which tells nothing secret."""
    with pytest.raises(Undelivered) as error:
        transmit(channel, sent or message(), timeout)
    text = str(error.value)
    assert not [canary for canary in CANARIES if canary in text], text
    return text


def test_a_webhook_is_signed_over_time_and_body(server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    transmit(channel("webhook", server, monkeypatch), message(), 5)
    (got,) = server.got
    body, headers = json.loads(got.body), got.headers
    wanted = hmac.new(SECRET.encode(), headers["X-Opsctl-Timestamp"].encode() + b"." + got.body, hashlib.sha256)
    assert headers["X-Opsctl-Signature"] == f"sha256={wanted.hexdigest()}"
    assert (headers["X-Opsctl-Delivery"], headers["X-Opsctl-Event"]) == ("n-1", "approval")
    assert set(body) == {"version", "id", "event", "time", "title", "text", "data"}
    assert body["data"] == DATA


def test_dingtalk_is_signed_as_its_documentation_says(server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    transmit(channel("dingtalk", server, monkeypatch), message(), 5)
    (got,) = server.got
    time = got.query["timestamp"]
    wanted = base64.b64encode(hmac.new(SECRET.encode(), f"{time}\n{SECRET}".encode(), hashlib.sha256).digest())
    assert (got.query["sign"], len(time)) == (wanted.decode(), 13)
    assert got.query["key"] == "canary-query-0123456789"
    body = json.loads(got.body)
    assert body["msgtype"] == "text"
    assert "alice" in body["text"]["content"]


def test_feishu_is_signed_as_its_documentation_says(server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    transmit(channel("feishu", server, monkeypatch), message(reason='<at user_id="all">x</at>'), 5)
    body = json.loads(server.got[0].body)
    key = f"{body['timestamp']}\n{SECRET}".encode()
    assert body["sign"] == base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
    assert (body["msg_type"], len(body["timestamp"])) == ("text", 10)
    assert "<at" not in body["content"]["text"]


def test_wecom_gets_a_text_that_is_not_too_long(server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    long = dict.fromkeys(("what", "reason", "comment", "risk", "targets"), "重" * 400)
    transmit(channel("wecom", server, monkeypatch, secret=""), message("zh", **long), 5)
    body = json.loads(server.got[0].body)
    assert body["msgtype"] == "text"
    assert len(body["text"]["content"].encode()) <= 2048


def test_slack_calls_nobody(server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers = [(200, b"ok")]
    transmit(channel("slack", server, monkeypatch, secret=""), message(), 5)
    text = json.loads(server.got[0].body)["text"]
    assert "&lt;!channel&gt; &amp; more" in text
    assert "<" not in text


@pytest.mark.parametrize(
    ("kind", "answer", "said"),
    [
        ("dingtalk", b'{"errcode": 310000, "errmsg": "sign not match canary-query-0123456789"}', "310000: sign not"),
        ("wecom", b'{"errcode": 93000, "errmsg": "invalid webhook url"}', "code 93000: invalid webhook url"),
        ("feishu", b'{"code": 19021, "msg": "sign match fail"}', "code 19021: sign match fail"),
        ("feishu", b"<html>", "did not answer as feishu does"),
        ("wecom", b"[]", "did not answer as wecom does"),
    ],
)
def test_an_answer_that_says_no_is_a_failure(
    kind: str, answer: bytes, said: str, server: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers = [(200, answer)]
    assert said in why(channel(kind, server, monkeypatch))


@pytest.mark.parametrize("kind", ["webhook", "slack", "dingtalk", "wecom", "feishu"])
def test_500_is_a_failure(kind: str, server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers = [(500, b"broken canary-path-0123456789")]
    assert "HTTP 500" in why(channel(kind, server, monkeypatch))


def test_a_redirect_is_not_followed(server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers, server.headers = [(302, b"")], {"Location": "/elsewhere"}
    assert "redirect (HTTP 302)" in why(channel("webhook", server, monkeypatch))
    assert len(server.got) == 1


def test_a_server_that_is_down(server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    server.port = closed_port()
    assert why(channel("webhook", server, monkeypatch)) == "no connection: connection refused"


def test_a_slow_server(server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    server.delay = 3
    assert why(channel("webhook", server, monkeypatch), 0.5).startswith("no answer within")


def test_too_many_messages_say_how_long_to_wait(server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers, server.headers = [(429, b"")], {"Retry-After": "77"}
    with pytest.raises(Undelivered) as error:
        transmit(channel("slack", server, monkeypatch), message(), 5)
    assert error.value.wait == 77


def test_a_certificate_nobody_vouches_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = certificate(tmp_path)
    with hook(pem) as server:
        assert why(channel("webhook", server, monkeypatch)).startswith("its certificate is not trusted: self")
        transmit(channel("webhook", server, monkeypatch, ca_file=pem), message(), 5)
        assert len(server.got) == 1


def test_plain_http_where_tls_is_wanted(server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    server.scheme = "https"
    assert why(channel("webhook", server, monkeypatch)).startswith("no TLS connection")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://127.0.0.1/canary-path", "must begin with https://"),
        ("canary-path-only", "must begin with https://"),
        ("https://no-such-host.invalid/canary-path?canary-query=1", "cannot be resolved"),
        ("https://[canary-path", "cannot be used"),
        ("", "its url is not in environment variable TEST_URL"),
    ],
)
def test_an_url_that_is_none(url: str, said: str, server: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    made = channel("webhook", server, monkeypatch)
    monkeypatch.setenv("TEST_URL", url)
    assert said in why(made)


def test_secrets_come_from_files_too(server: Hook, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(server.url() + "\n")
    made = Channel(name="ops", kind="webhook", url_file=tmp_path / "url", secret_file=tmp_path / "none")
    assert "cannot read its secret" in why(made)
    (tmp_path / "none").write_text(SECRET)
    transmit(made, message(), 5)
    assert server.got[0].query["key"] == "canary-query-0123456789"


def mail(port: int, pem: Path | None, **more: Any) -> Channel:
    return Channel(
        name="mail",
        kind="mail",
        host="127.0.0.1",
        port=port,
        sender="opsctl@example.com",
        to=("a@example.com", "b@example.com"),
        ca_file=pem,
        **more,
    )


def test_mail_by_starttls_with_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "canary-pass-word")
    pem = certificate(tmp_path)
    with post(pem) as server:
        made = mail(server.port, pem, user="ops", secret_env="TEST_SECRET")
        assert transmit(made, message("zh", reason="line\nSubject: forged"), 5) == ""
        assert server.logins == [("ops", "canary-pass-word")]
        assert server.encrypted == [True]
        (got,) = server.mails
    assert got["Subject"] == "[opsctl] alice 请求审批：command reboot"
    assert (got["To"], got["Message-ID"]) == ("a@example.com, b@example.com", "<n-1@opsctl.invalid>")
    assert "原因：line Subject: forged" in got.get_content()  # type: ignore[attr-defined]


def test_mail_by_tls_from_the_first_byte(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with post(pem, at_once=True) as server:
        transmit(mail(server.port, pem, security="ssl"), message(), 5)
        assert len(server.mails) == 1
        assert "not trusted" in why(mail(server.port, None, security="ssl"))


def test_mail_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "canary-pass-wrong")
    pem = certificate(tmp_path)
    with post(pem) as server:
        assert "535: wrong password" in why(mail(server.port, pem, user="ops", secret_env="TEST_SECRET"))
        server.refuse = frozenset({"a@"})
        assert transmit(mail(server.port, pem), message(), 5) == "refused: a@example.com"
        server.refuse = frozenset({"a@", "b@"})
        assert "refused a@example.com, b@example.com" in why(mail(server.port, pem))
    with post() as server:
        assert "offers no STARTTLS" in why(mail(server.port, None))
        transmit(mail(server.port, None, security="none"), message(), 5)
        assert server.encrypted == [False]
        server.delay = 2
        assert why(mail(server.port, None, security="none"), 0.3) == "no answer in time"
        server.delay, server.greeting = 0, "554 go away"
        assert "554" in why(mail(server.port, None, security="none"))
    assert "connection refused" in why(mail(closed_port(), None))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "slack"}, "slack needs url_env or url_file"),
        ({"kind": "slack", "url_env": "A", "url_file": "b"}, "one of them"),
        ({"kind": "slack", "url": "https://x"}, "Extra inputs"),
        ({"kind": "mail"}, "mail needs host, sender and to"),
        ({"kind": "slack", "url_env": "A", "secret_env": "B", "secret_file": "c"}, "not both"),
        (
            {"kind": "mail", "host": "h", "sender": "s", "to": ["t"], "user": "u", "security": "none"},
            "a password goes over ssl or starttls only",
        ),
        ({"kind": "slack", "url_env": "A", "events": ["aproval"]}, "Input should be"),
    ],
)
def test_a_channel_that_cannot_work_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Channel(name="ops", **values)


def test_names_are_unique_and_events_chosen() -> None:
    one = Channel(name="a", kind="slack", url_env="X", events=("approval",))
    two = Channel(name="b", kind="slack", url_env="X")
    assert [channel.name for channel in Notify(channels=(one, two)).meant("refused")] == ["b"]
    with pytest.raises(ValidationError, match="two channels have the name a"):
        Notify(channels=(one, one))


@given(st.text(), st.sampled_from(["webhook", "dingtalk", "wecom", "feishu", "slack"]))
def test_any_text_can_be_sent(text: str, kind: str) -> None:
    sent = built(kind, message(what=text, reason=text), "https://x", "s", 1.0)
    assert json.loads(sent.body.decode("utf-8"))


@given(st.text())
def test_a_value_never_makes_a_line_of_its_own(text: str) -> None:
    assert len(message(reason=f"x{text}", comment="c").text.splitlines()) == len(message(comment="c").text.splitlines())
