"""Redaction: no form of a secret passes, nothing else is touched."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from opsctl.events.redact import Redactor

SECRETS = st.text(min_size=6, max_size=40).filter(lambda text: len(text.strip()) >= 6 and "*" not in text)


def dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


@given(secret=SECRETS, before=st.text(), after=st.text())
def test_no_form_of_a_secret_passes(secret: str, before: str, after: str) -> None:
    assume(secret not in before + after)
    redactor = Redactor([secret])
    once = json.dumps(secret)[1:-1]
    forms = [
        secret,
        once,
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(once)[1:-1],
        quote(secret, safe="") if secret.isascii() else secret,
        base64.b64encode(secret.encode("utf-8", "surrogatepass")).decode() if secret.isascii() else secret,
    ]
    for form in forms:
        for value in (form, {"text": form}, {"list": [[form]]}, {form: 1}):
            assert form not in dumped(redactor.clean(value)).replace("******", "")
    assert secret not in redactor.text(f"{before}{secret}{after}").replace("******", "\0")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(alphabet="abc xyz", max_size=20),
        lambda x: st.lists(x) | st.dictionaries(st.text(alphabet="abc", max_size=5), x),
    )
)
def test_what_is_no_secret_stays_as_it_is(value: object) -> None:
    assert Redactor(["Hunter2Hunter2"]).clean(value) == value


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["ab", 'p"s\\s', "\u00e4\u20ac\U0001f600", "12", 12])
    | st.text(max_size=8),
    lambda x: (
        st.lists(x, max_size=3)
        | st.dictionaries(
            st.sampled_from(["db_password", "apiKey", "To\u212aen", "x"]) | st.text(max_size=4), x, max_size=3
        )
    ),
    max_leaves=6,
)


@given(
    value=ANYTHING,
    secrets=st.lists(
        st.sampled_from(["ab", 'p"s\\s', "\u00e4\u20ac\U0001f600", "12"]) | st.text(max_size=6), max_size=3
    ),
)
def test_the_quick_way_hides_what_the_slow_one_does(value: object, secrets: list[str]) -> None:
    redactor = Redactor(secrets)
    cleaned, text = redactor.line(value)
    assert cleaned == redactor.value(value)
    assert json.loads(text) == cleaned


@given(
    records=st.lists(
        st.dictionaries(st.sampled_from(["event", "task", "host", "stdout", "data", "time"]), ANYTHING), max_size=6
    ),
    secrets=st.lists(st.sampled_from(["ab", 'p"s\\s', "12", "a"]) | st.text(max_size=6), max_size=3),
)
def test_what_records_have_in_common_is_hidden_as_the_rest(
    records: list[dict[str, object]], secrets: list[str]
) -> None:
    redactor = Redactor(secrets)
    for record in [*records, *records]:
        cleaned, text = redactor.record(record)
        assert cleaned == redactor.line(record)[0]
        assert json.loads(text) == cleaned


@given(secret=SECRETS)
def test_a_secret_written_as_json_in_json_is_found(secret: str) -> None:
    twice = json.dumps(json.dumps(secret)[1:-1])[1:-1]
    assert Redactor([secret]).clean({"stdout": f"x {twice} y"}) == {"stdout": "x ****** y"}


def test_a_number_that_is_a_secret_is_masked_where_it_stands_alone() -> None:
    cleaned = Redactor(["123456"]).clean({"pin": 123456, "seq": 1234567, "text": "x 123456 y"})
    assert cleaned == {"pin": "******", "seq": 1234567, "text": "x ****** y"}


def test_a_very_short_secret_is_masked_only_where_it_stands_alone() -> None:
    assert Redactor(["ab"]).clean({"x": "ab", "text": "about"}) == {"x": "******", "text": "about"}


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    assert Redactor(["hunter", "hunter22"]).text("hunter22 hunter") == "****** ******"


def test_every_line_of_a_key_is_masked() -> None:
    lines = ["first-line-of-the-key", "second-line-of-the-key"]
    assert "line-of" not in Redactor(["\n".join(lines)]).text(f"got {lines[1]} and {lines[0]}")


@pytest.mark.parametrize(
    "text",
    [
        "$ANSIBLE_VAULT;1.1;AES256\n" + "6162636465666768696a6b6c6d6e6f707172737475767778797a61626364656667\n" * 3,
        "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\nabc\\n-----END PRIVATE KEY-----",
        "LTAI5tAbCdEfGhIjKlMnOpQr",
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    assert Redactor().clean({"msg": f"see {text.strip()} there"}) == {"msg": "see ****** there"}


@pytest.mark.parametrize(
    "name",
    ["password", "db_password", "Password", "MasterUserPassword", "access_key_secret", "security_token", "api_key"],
)
def test_what_is_named_like_a_secret_is_masked(name: str) -> None:
    assert Redactor().clean({"module_args": {name: "open sesame", "name": "ann"}}) == {
        "module_args": {name: "******", "name": "ann"}
    }


@pytest.mark.parametrize("name", ["password_file", "update_password", "no_log_values", "token_count", "secrets_dir"])
def test_what_is_only_named_after_a_secret_stays(name: str) -> None:
    assert Redactor().clean({name: "always"}) == ({name: "always"} if name != "update_password" else {name: "******"})
