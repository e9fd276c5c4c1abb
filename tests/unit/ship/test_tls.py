"""The server's certificate is checked, always."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from opsctl.errors import ConfigError, OpsctlError
from opsctl.events.ship import kibana
from opsctl.events.ship.answer import Trouble
from opsctl.events.ship.client import Server
from opsctl.events.ship.options import Elasticsearch
from opsctl.events.ship.secret import Credentials
from opsctl.events.ship.setup import detect

from .contract import Contract


def certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 in one file, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=3))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_only_a_server_with_a_known_certificate_is_spoken_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    known = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(known)
    with Contract("none", context) as contract:
        secret = Credentials(api_key="c2VjcmV0")
        good = Elasticsearch(url=contract.url, ca_file=known)
        assert detect(Server(good, secret))[0] == "none"
        assert kibana.send(contract.url, good) == 6
        served = len(contract.requests)
        bad = Elasticsearch(url=contract.url)
        with pytest.raises(Trouble, match="CERTIFICATE_VERIFY_FAILED"):
            detect(Server(bad, secret))
        with pytest.raises(OpsctlError, match="CERTIFICATE_VERIFY_FAILED"):
            kibana.send(contract.url, bad)
        assert len(contract.requests) == served


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"elasticsearch\.ca_file: .*ca\.pem"):
        Server(Elasticsearch(url="https://127.0.0.1:1", ca_file=path), Credentials())
