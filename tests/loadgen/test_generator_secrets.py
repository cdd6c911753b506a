"""Secrets and TLS: what reaches the service, and what never reaches a file."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from loopback import Served, assert_all_accounted_for, outcomes, records, serving, started, wait_for_records

from chaos.errors import UsageError
from loadgen.origin import ApiServerProxy, Credentials
from loadgen.profiles import HttpProfile
from loadgen.shapes import Steady

SECRET = "s3cr3t-value-5150"  # noqa: S105  # made up


def test_a_header_from_the_environment_reaches_the_service_and_no_file(
    tmp_path: Path, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The generator fills in `${NAME}`; nothing in the run folder holds the value."""
    monkeypatch.setenv("MODEL_KEY", SECRET)
    wrong = HttpProfile(path=f"/secret/{SECRET[::-1]}", headers={"X-Secret": "${MODEL_KEY}"})
    right = HttpProfile(path=f"/secret/{SECRET}", headers={"X-Secret": "${MODEL_KEY}"})
    for name, asked in (("wrong", wrong), ("right", right)):
        folder = tmp_path / name
        folder.mkdir()
        with started(folder, server.url, asked) as generator:
            generator.begin(Steady(50), "steady-1")
            wait_for_records(folder, 3)
            generator.finish()
    assert outcomes(tmp_path / "wrong").keys() == {"failed"}
    assert outcomes(tmp_path / "right").keys() == {"ok"}
    assert not [path for path in (tmp_path / "wrong").iterdir() if SECRET in path.read_text()]


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing environment variable stops the start, not the trial."""
    monkeypatch.delenv("MODEL_KEY", raising=False)
    with pytest.raises(UsageError, match="MODEL_KEY"):
        started(tmp_path, server.url, HttpProfile(headers={"authorization": "Bearer ${MODEL_KEY}"}))


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority for one test."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        """Its certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def authority() -> Authority:
    """A new authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder("test authority", key.public_key(), "test authority")
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return Authority(key, builder.sign(key, hashes.SHA256()))


def issued(by: Authority, name: str, host: str = "") -> tuple[str, str]:
    """A certificate for 127.0.0.1, or for that host alone, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    address = x509.DNSName(host) if host else x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    names = x509.SubjectAlternativeName([address])
    builder = _builder(name, key.public_key(), "test authority").add_extension(names, critical=False)
    certificate = builder.sign(by.key, hashes.SHA256())
    plain = serialization.NoEncryption()
    return (
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode(),
    )


def _builder(name: str, key: ec.EllipticCurvePublicKey, issuer: str) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
    )


@pytest.mark.parametrize("connections", ["fresh", "reuse"])
@pytest.mark.parametrize(("trusted", "outcome"), [(True, "ok"), (False, "failed")])
def test_the_api_servers_proxy_is_reached_with_verified_tls_and_a_client_certificate(
    tmp_path: Path, outcome: str, connections: str, *, trusted: bool
) -> None:
    """The server must prove itself by the given authority and demands our certificate; neither is ever on disk."""
    ca, stranger = authority(), authority()
    certificate, key = issued(ca, "server")
    for name, text in (("server.pem", certificate), ("server.key", key), ("ca.pem", ca.pem)):
        (tmp_path / name).write_text(text)
    cert_pem, key_pem = issued(ca, "gameday")
    origin_credentials = Credentials(
        ca_pem=ca.pem if trusted else stranger.pem,
        cert_pem=cert_pem,
        key_pem=key_pem,
        headers={"X-Secret": SECRET},
    )
    folder = tmp_path / "run"
    folder.mkdir()
    with serving(*(str(tmp_path / name) for name in ("server.pem", "server.key", "ca.pem"))) as served:
        origin = ApiServerProxy(
            server=f"https://127.0.0.1:{served.port}",
            namespace="shop",
            service="model",
            port="http",
            credentials=origin_credentials,
        )
        profile = HttpProfile(path=f"/secret/{SECRET}", connections=connections)  # type: ignore[arg-type]
        with started(folder, origin.url, profile, credentials=origin.credentials) as generator:
            generator.begin(Steady(40), "steady-1")
            wait_for_records(folder, 8)
            stream = generator.end("steady-1")
            finished = generator.finish()
    assert_all_accounted_for(folder, finished, stream)
    assert outcomes(folder).keys() == {outcome}
    if not trusted:
        assert all("certificate" in row["error"] for row in records(folder))
    everything = "".join(path.read_text() for path in folder.iterdir())
    assert key_pem.splitlines()[1] not in everything
    assert SECRET not in repr(origin)


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ({}, "failed"),
        ({"server_name": "api.example"}, "ok"),
        ({"server_name": "other.example"}, "failed"),
        ({"verified": False}, "ok"),
    ],
    ids=["by its address", "by its name", "by another name", "by nothing"],
)
def test_the_api_server_is_known_as_the_kubeconfig_says(tmp_path: Path, told: dict[str, Any], outcome: str) -> None:
    """Its certificate is for a name, not for its address: by `tls-server-name` it is the right one all the same."""
    ca = authority()
    certificate, key = issued(ca, "server", "api.example")
    for name, text in (("server.pem", certificate), ("server.key", key), ("ca.pem", ca.pem)):
        (tmp_path / name).write_text(text)
    cert_pem, key_pem = issued(ca, "gameday")
    credentials = Credentials(ca_pem=ca.pem, cert_pem=cert_pem, key_pem=key_pem, **told)
    (folder := tmp_path / "run").mkdir()
    with serving(*(str(tmp_path / name) for name in ("server.pem", "server.key", "ca.pem"))) as served:
        origin = ApiServerProxy(
            server=f"https://127.0.0.1:{served.port}",
            namespace="shop",
            service="model",
            port="http",
            credentials=credentials,
        )
        profile = HttpProfile(path="/ok")
        with started(folder, origin.url, profile, credentials=origin.credentials) as generator:
            generator.begin(Steady(40), "steady-1")
            wait_for_records(folder, 8)
            generator.end("steady-1")
            generator.finish()
    assert outcomes(folder).keys() == {outcome}
