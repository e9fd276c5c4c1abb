"""The two signatures as properties: what is signed is understood as it was meant, what is touched is refused."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.gateway.replay import Nonces
from opsctl.localcloud.gateway.signature import Call, Caller, Key, authenticate

from .signer import Signer, Wire, stamp

SECRET = "CANARY-secret"
KEYS = {"ak": Key("ak", SECRET)}.get
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

value = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
name = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,12}", fullmatch=True)
params = st.dictionaries(name, value, max_size=5)


def call_of(wire: Wire) -> Call:
    headers = tuple((key.lower(), text) for key, text in wire.headers.items())
    return Call(wire.method, wire.path, wire.query, headers, wire.body)


def check(call: Call, now: datetime = NOW) -> Caller:
    return authenticate(call, KEYS, Nonces(NOW - timedelta(hours=1)), now)


def refusal(call: Call, now: datetime = NOW) -> ApiError:
    with pytest.raises(ApiError) as caught:
        check(call, now)
    assert SECRET not in str(caught.value)
    return caught.value


def sign(kind: str, query: dict[str, str], form: dict[str, str], **common: Any) -> Wire:
    form = {key: text for key, text in form.items() if key not in query}
    signer = Signer("ak", SECRET)
    if kind == "rpc":
        return signer.rpc("GetStack", query, form, {"Timestamp": stamp(NOW), "SignatureNonce": "n", **common})
    return signer.acs3("GetStack", query, form, {"x-acs-date": stamp(NOW), "x-acs-signature-nonce": "n", **common})


kinds = pytest.mark.parametrize("kind", ["acs3", "rpc"])
RESERVED = {"Action", "Version", "Format", "Timestamp", "AccessKeyId", "SecurityToken"}


@kinds
@given(query=params, form=params)
@settings(max_examples=60, deadline=None)
def test_whatever_is_signed_arrives_as_it_was_meant(kind: str, query: dict[str, str], form: dict[str, str]) -> None:
    assume(not any(key in RESERVED or key.startswith("Signature") for key in {**query, **form}))
    caller = check(call_of(sign(kind, query, form)))
    assert (caller.access_key_id, caller.version, caller.action) == ("ak", "2019-09-10", "GetStack")
    assert caller.params == {**form, **query}


@kinds
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_touched_call_is_refused_or_means_the_same(kind: str, data: st.DataObject) -> None:
    call = call_of(sign(kind, {"A": "1 2", "B": "", "é": "中"}, {"C": "x&y", "D": "%26+"}))
    meant = check(call)
    part = data.draw(st.sampled_from(["method", "raw_query", "body", "headers"]))
    touched: Any
    if part == "method":
        touched = data.draw(st.sampled_from(["GET", "PUT", "post"]))
    elif part == "headers":
        index = data.draw(st.integers(0, len(call.headers) - 1))
        key, text = call.headers[index]
        changed = data.draw(st.sampled_from([(key, _spoil(data, text)), (_spoil(data, key), text), None, (key, "")]))
        touched = tuple(
            pair for pair in (changed if i == index else p for i, p in enumerate(call.headers)) if pair is not None
        )
        touched += data.draw(st.sampled_from([(), (("x-acs-extra", "1"),), (call.headers[index],)]))
    elif part == "body":
        touched = _spoil(data, call.body.decode()).encode()
    else:
        touched = _spoil(data, call.raw_query)
    try:
        understood = check(dataclasses.replace(call, **{part: touched}))
    except ApiError:
        return
    assert understood == meant


def _spoil(data: st.DataObject, text: str) -> str:
    """One piece put in, one character replaced or taken out."""
    at = data.draw(st.integers(0, len(text)))
    new = data.draw(st.sampled_from([*"aZ09&=+%;,.~ -", "%26", "%3D", "%0A", "%FF", "%00", "&A=9", "&&", "\n"]))
    variants = [text[:at] + new + text[at:], text[:at] + new + text[at + 1 :], text[:at] + text[at + 1 :]]
    touched: str = data.draw(st.sampled_from(variants))
    return touched


@kinds
def test_two_parameters_cannot_be_folded_into_one_name(kind: str) -> None:
    call = call_of(sign(kind, {"A": "1", "B": "2"}, {}))
    error = refusal(dataclasses.replace(call, raw_query=call.raw_query.replace("A=1&B=2", "A%3D1%26B=2")))
    assert error.code in ("InvalidParameter", "SignatureDoesNotMatch")


@kinds
def test_a_touched_body_is_a_wrong_signature(kind: str) -> None:
    call = call_of(sign(kind, {}, {"TemplateBody": "a"}))
    assert refusal(dataclasses.replace(call, body=b"TemplateBody=b")).code == "SignatureDoesNotMatch"


@kinds
def test_the_explanation_shows_the_string_to_sign_without_secrets(kind: str) -> None:
    secrets = {"Parameters.1.ParameterValue": "CANARY", "Password": "CANARY", "UserData": "CANARY", "Shown": "seen"}
    wire = sign(kind, secrets, {"TemplateBody": "CANARY", "DBPassword": "CANARY"})
    wire.query += "&Extra=1"
    message = str(refusal(call_of(wire)))
    assert "server string to sign is:POST&%2F&" in message or "server StringToSign is [ACS3-HMAC-SHA256\n" in message
    assert "seen" in message
    assert "CANARY" not in message


@kinds
@pytest.mark.parametrize(
    ("offset", "code"), [(-901, "InvalidTimeStamp.Expired"), (901, "InvalidTimeStamp.Expired"), (-899, ""), (899, "")]
)
def test_a_call_is_good_for_fifteen_minutes_either_way(kind: str, offset: int, code: str) -> None:
    call = call_of(sign(kind, {}, {}))
    if code:
        assert refusal(call, NOW - timedelta(seconds=offset)).code == code
    else:
        check(call, NOW - timedelta(seconds=offset))


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"x-acs-date": None}, "MissingTimestamp"),
        ({"x-acs-date": "Sun, 01 Mar 2026 12:00:00 GMT"}, "InvalidTimeStamp.Format"),
        ({"x-acs-signature-nonce": None}, "MissingSignatureNonce"),
        ({"x-acs-content-sha256": None}, "SignatureDoesNotMatch"),
        ({"x-acs-content-sha256": "0" * 64}, "SignatureDoesNotMatch"),
        ({"x-acs-accesskey-id": "other"}, "InvalidSecurityToken.MismatchWithAccessKey"),
        ({"x-acs-security-token": "made-up"}, "InvalidSecurityToken.Malformed"),
        ({"content-type": "application/json"}, "UnsupportedMediaType"),
    ],
)
def test_acs3_names_what_is_wrong(changed: dict[str, str | None], code: str) -> None:
    assert refusal(call_of(sign("acs3", {}, {"A": "b"}, **changed))).code == code


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"Timestamp": None}, "MissingTimestamp"),
        ({"Timestamp": "yesterday"}, "InvalidTimeStamp.Format"),
        ({"SignatureNonce": None}, "MissingSignatureNonce"),
        ({"AccessKeyId": None}, "MissingAccessKeyId"),
        ({"AccessKeyId": "nobody"}, "InvalidAccessKeyId.NotFound"),
        ({"SignatureMethod": "HMAC-MD5"}, "InvalidSignatureMethod"),
        ({"SignatureType": "BEARERTOKEN"}, "IncompleteSignature"),
        ({"SecurityToken": "made-up"}, "InvalidSecurityToken.Malformed"),
    ],
)
def test_the_older_signature_names_what_is_wrong(changed: dict[str, str | None], code: str) -> None:
    assert refusal(call_of(sign("rpc", {}, {}, **changed))).code == code


@pytest.mark.parametrize("header", ["host", "x-acs-action", "x-acs-version", "x-acs-date", "content-type"])
def test_a_header_that_matters_must_be_signed(header: str) -> None:
    signer = Signer("ak", SECRET, unsigned={header})
    wire = signer.acs3("GetStack", {}, {"A": "b"}, {"x-acs-date": stamp(NOW)})
    error = refusal(call_of(wire))
    assert error.code == "IncompleteSignature"
    assert header in str(error)


@pytest.mark.parametrize(
    "text",
    ["Bearer x", "ACS3-HMAC-SHA256", "ACS3-HMAC-SHA256 Credential=ak,SignedHeaders=,Signature=0", "ACS4-HMAC-SHA256 a"],
)
def test_an_authorization_of_another_kind_is_incomplete(text: str) -> None:
    wire = sign("acs3", {}, {})
    wire.headers["authorization"] = text
    assert refusal(call_of(wire)).code == "IncompleteSignature"


def test_a_call_without_any_signature_lacks_a_key() -> None:
    assert refusal(Call("POST", "/", "Action=GetStack", ())).code == "MissingAccessKeyId"


@pytest.mark.parametrize("query", ["A=%ff", "A=1&A=2", "=1", "a%20b=1", "&".join(["A=1"] * 10_001)])
def test_a_query_that_can_be_read_in_two_ways_is_refused(query: str) -> None:
    assert refusal(Call("POST", "/", query, ())).code == "InvalidParameter"
