"""Who is calling: the two signatures of the Alibaba Cloud API, as pure functions over a :class:`Call`.

ACS3-HMAC-SHA256 (all current SDKs) signs method, query, chosen headers and the hash of the body, and travels in the
Authorization header. The older RPC signature (HMAC-SHA1; the official command line and old SDKs) signs query and form
parameters and travels among them. Which one it is, the Authorization header alone decides: the command line sends
x-acs-action with the old signature too. Source: both verified against the official SDKs' own signers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.gateway.params import decode, merge
from opsctl.localcloud.gateway.replay import Nonces

ACS3 = "ACS3-HMAC-SHA256"
FORM = "application/x-www-form-urlencoded"
_AUTHORIZATION = re.compile(
    rf"{ACS3}\s+Credential=(?P<key>[^,\s]+),\s*SignedHeaders=(?P<names>[^,\s]+),\s*Signature=(?P<value>[0-9a-f]{{64}})"
)
# Values that may hold a secret are left out of the explanation of a mismatch, which ends in other people's logs.
_SECRET = re.compile(
    r"(ParameterValue|TemplateBody|PolicyBody|Password|UserData|Content|Token|Secret|Parameters)$", re.IGNORECASE
)
_SHOWN = 4096


@dataclass(frozen=True)
class Call:
    """One HTTP request as received: ``raw_query`` undecoded, header names in lower case, in order, repeats kept."""

    method: str
    path: str
    raw_query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str, default: str = "") -> str:
        """The value of a header; IncompleteSignature when it is there twice, as only one could be the signed one."""
        found = [value for key, value in self.headers if key == name]
        if len(found) > 1:
            raise incomplete(f"the header {name} is there more than once")
        return found[0].strip() if found else default

    @property
    def query(self) -> dict[str, str]:
        return merge(decode(self.raw_query))

    @property
    def form(self) -> dict[str, str]:
        """The parameters in the body; a body that is not a form is refused, as no action here takes one."""
        if not self.body:
            return {}
        if self.header("content-type").partition(";")[0].strip().lower() != FORM:
            raise ApiError("UnsupportedMediaType", f"The request body should be {FORM}.", 415)
        try:
            text = self.body.decode("ascii")
        except UnicodeDecodeError:
            raise ApiError("InvalidParameter", "The request body is invalid, it is not URL-encoded.") from None
        return merge(decode(text))


@dataclass(frozen=True)
class Key:
    """An access key; with ``security_token`` (and ``expires``) it is a temporary one."""

    access_key_id: str
    secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    expires: datetime | None = None


KeyStore = Callable[[str], Key | None]
"""The key of an access key id, None when there is none."""


@dataclass(frozen=True)
class Claim:
    """What a call says about its caller, before any of it is believed."""

    access_key_id: str
    security_token: str = field(repr=False)
    date: datetime
    nonce: str
    signature: str
    string_to_sign: str = field(repr=False)
    shown: str = field(repr=False)
    """The server's string to sign for the caller to compare with, secrets left out."""
    legacy: bool = False

    def sign(self, secret: str) -> str:
        """The signature this call has if it was made with ``secret``."""
        if self.legacy:
            digest = hmac.digest(f"{secret}&".encode(), self.string_to_sign.encode(), "sha1")
            return base64.b64encode(digest).decode()
        return hmac.digest(secret.encode(), self.string_to_sign.encode(), "sha256").hex()


@dataclass(frozen=True)
class Caller:
    """A call whose signature is good: who called what, with which (merged) parameters."""

    access_key_id: str
    version: str
    action: str
    params: Mapping[str, str] = field(repr=False)


def authenticate(call: Call, keys: KeyStore, nonces: Nonces, now: datetime) -> Caller:
    """Check the signature of ``call``. ApiError with the real gateway's codes when it is not good."""
    query, form = call.query, call.form
    params = merge(query.items(), form.items())
    authorization = call.header("authorization")
    claim = acs3(call, authorization, query) if authorization else legacy(call, params)
    _check(claim, keys, nonces, now)
    if claim.legacy:
        version, action = params.get("Version", ""), params.get("Action", "")
        params = {name: value for name, value in params.items() if name not in _LEGACY}
    else:
        version, action = call.header("x-acs-version"), call.header("x-acs-action")
    return Caller(claim.access_key_id, version, action, params)


def _check(claim: Claim, keys: KeyStore, nonces: Nonces, now: datetime) -> None:
    key = keys(claim.access_key_id)
    if key is None:
        raise ApiError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
    nonces.fresh(claim.date, now)
    _check_token(claim, key, now)
    if not _same(claim.signature, claim.sign(key.secret)):
        raise mismatch(claim.shown)
    nonces.use(claim.access_key_id, claim.nonce, claim.date, now)


def _check_token(claim: Claim, key: Key, now: datetime) -> None:
    if key.security_token and not claim.security_token:
        raise missing("SecurityToken")
    if not _same(claim.security_token, key.security_token):
        raise ApiError("InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.")
    if key.expires is not None and key.expires <= now:
        raise ApiError("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")


def acs3(call: Call, authorization: str, query: Mapping[str, str]) -> Claim:
    """The claim of an ``Authorization: ACS3-HMAC-SHA256`` header."""
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        raise incomplete(f"Authorization should be {ACS3} Credential=...,SignedHeaders=...,Signature=...")
    names = match["names"].split(";")
    _check_signed_headers(call, names)
    body_hash = hashlib.sha256(call.body).hexdigest()
    if not _same(call.header("x-acs-content-sha256").lower(), body_hash):
        raise mismatch("The header x-acs-content-sha256 is not the hash of the body.")
    key_id = match["key"]
    if call.header("x-acs-accesskey-id", key_id) != key_id:
        raise ApiError(
            "InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken does not match the AccessKey."
        )
    canonical = _canonical_request(call, query, names, body_hash)
    string_to_sign = f"{ACS3}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    shown = _canonical_request(call, _masked(query), [name for name in names if not _SECRET.search(name)], body_hash)
    return Claim(
        access_key_id=key_id,
        security_token=call.header("x-acs-security-token"),
        date=_date(call.header("x-acs-date")),
        nonce=call.header("x-acs-signature-nonce") or _missing("SignatureNonce"),
        signature=match["value"],
        string_to_sign=string_to_sign,
        shown=f"server StringToSign is [{string_to_sign}] server CanonicalRequest is [{shown[:_SHOWN]}]",
    )


def _check_signed_headers(call: Call, names: list[str]) -> None:
    present = {name for name, _ in call.headers}
    if names != sorted(set(names)) or not present.issuperset(names):
        raise incomplete("SignedHeaders should name headers of the request, sorted, in lower case")
    # What decides how the call is understood must be signed; a body without its type could be read in two ways.
    must = {name for name in present if name.startswith("x-acs-")} | {"host"}
    must |= {"content-type"} if call.body else set()
    unsigned = must.difference(names)
    if unsigned:
        raise incomplete(f"these headers are not signed: {', '.join(sorted(unsigned))[:256]}")


def _canonical_request(call: Call, query: Mapping[str, str], names: list[str], body_hash: str) -> str:
    parts = "&".join(f"{name}={_quote(query[name])}" for name in sorted(query))
    headers = "".join(f"{name}:{call.header(name)}\n" for name in names)
    return "\n".join([call.method, call.path, parts, headers, ";".join(names), body_hash])


_LEGACY_NAMES = "Action Version Format Timestamp AccessKeyId SecurityToken Signature SignatureMethod SignatureVersion"
_LEGACY = frozenset([*_LEGACY_NAMES.split(), "SignatureNonce", "SignatureType"])


def legacy(call: Call, params: Mapping[str, str]) -> Claim:
    """The claim of a call that carries its HMAC-SHA1 signature among its parameters."""
    if params.get("SignatureType") == "BEARERTOKEN" or call.header("x-acs-bearer-token"):
        raise incomplete("bearer tokens are not accepted here")
    key_id = params.get("AccessKeyId") or _missing("AccessKeyId")
    signature = params.get("Signature") or _missing("Signature")
    if params.get("SignatureMethod", "").upper() != "HMAC-SHA1":
        raise ApiError("InvalidSignatureMethod", "Specified signature method is not valid.")
    signed = {name: value for name, value in params.items() if name != "Signature"}
    string_to_sign = _legacy_string(call.method, signed)
    return Claim(
        access_key_id=key_id,
        security_token=params.get("SecurityToken", ""),
        date=_date(params.get("Timestamp", "")),
        nonce=params.get("SignatureNonce") or _missing("SignatureNonce"),
        signature=signature,
        string_to_sign=string_to_sign,
        shown=f"server string to sign is:{_legacy_string(call.method, _masked(signed))[:_SHOWN]}",
        legacy=True,
    )


def _legacy_string(method: str, params: Mapping[str, str]) -> str:
    pairs = "&".join(f"{_quote(name)}={_quote(params[name])}" for name in sorted(params))
    return f"{method}&%2F&{_quote(pairs)}"


def incomplete(reason: str) -> ApiError:
    return ApiError("IncompleteSignature", f"The request signature does not conform to Aliyun standards: {reason}.")


def mismatch(explanation: str) -> ApiError:
    return ApiError("SignatureDoesNotMatch", f"Specified signature does not match our calculation. {explanation}")


def missing(name: str) -> ApiError:
    return ApiError(f"Missing{name}", f"{name} is mandatory for this action.")


def _missing(name: str) -> str:
    raise missing(name)


def _date(text: str) -> datetime:
    if not text:
        raise missing("Timestamp")
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ApiError("InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.") from None


def _masked(params: Mapping[str, str]) -> dict[str, str]:
    return {name: "***" if _SECRET.search(name) else value for name, value in params.items()}


def _quote(text: str) -> str:
    return quote(text, safe="~")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass"))
