"""Certificate authorities, the certificates that they issue (EC P-256, a year long), and kubeconfigs: private files."""

import base64
import datetime as dt
import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = [
    "Authority",
    "Credential",
    "private_folder",
    "service_account_keys",
    "with_token",
    "write_kubeconfig",
    "write_private",
]

# A machine whose clock was set back a little between `up` and use must still find the certificates valid.
CLOCK_SLACK = dt.timedelta(hours=1)
LIFETIME = dt.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority of our own, made in `folder`; `kept`: the one that was made there before.

    `certificate` and `key` are its PEM files. Raises OSError if one is to be kept that is not there.
    """

    def __init__(self, folder: Path, name: str, *, kept: bool = False) -> None:
        self._folder = folder
        self.certificate, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        if not kept:
            _make_authority(self.certificate, self.key, f"gameday {name}")
        self._issuer = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        key = serialization.load_pem_private_key(self.key.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    def issue(
        self,
        name: str,
        *,
        user: str,
        groups: Sequence[str] = (),
        addresses: Sequence[str] = (),
        hosts: Sequence[str] = (),
    ) -> Credential:
        """Issue NAME.crt and NAME.key for `user` in `groups`.

        With addresses or host names it is a server's certificate, good for a client too, otherwise only a client's.
        Kubernetes takes the user from the common name and the groups from the organisations.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
            + [x509.NameAttribute(NameOID.COMMON_NAME, user)]
        )
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            _builder(subject, self._issuer.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if addresses or hosts:
            purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
            names += [x509.DNSName(host) for host in hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Credential(
            certificate=write_private(self._folder / f"{name}.crt", _pem(certificate)),
            key=write_private(self._folder / f"{name}.key", _key_pem(key)),
        )


def _make_authority(certificate: Path, key: Path, name: str) -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = (
        _builder(subject, subject, own.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .sign(own, hashes.SHA256())
    )
    write_private(certificate, _pem(issuer))
    write_private(key, _key_pem(own))


def service_account_keys(folder: Path) -> Credential:
    """A key pair for service account tokens: the private key, and the public key in the certificate's place."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Credential(
        certificate=write_private(folder / "service-accounts.pub", public),
        key=write_private(folder / "service-accounts.key", _key_pem(key)),
    )


def private_folder(folder: Path) -> Path:
    """Make `folder`, and what is missing above it, readable by us alone; return it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def write_private(path: Path, content: bytes | str) -> Path:
    """Write a file that nobody else may read, at no moment; return its path."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(content.encode() if isinstance(content, str) else content)
    return path


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + LIFETIME)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_kubeconfig(path: Path, *, server: str, authority: Path, credential: Credential, context: str) -> Path:
    """Write a kubeconfig whose only context is `context`; return its path.

    `authority` is the certificate file by which `server` (an https URL) is verified. JSON, because it is YAML too.
    """
    cluster = {"server": server, "certificate-authority-data": _data(authority)}
    user = {
        "client-certificate-data": _data(credential.certificate),
        "client-key-data": _data(credential.key),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": cluster}],
        "users": [{"name": context, "user": user}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "current-context": context,
    }
    return write_private(path, json.dumps(config, indent=1) + "\n")


def with_token(kubeconfig: Path, token: str, path: Path) -> Path:
    """Write a kubeconfig like one of `write_kubeconfig`'s, but for a user who has this token; return its path."""
    config = json.loads(kubeconfig.read_text())
    (user,) = config["users"]
    user["user"] = {"token": token}
    return write_private(path, json.dumps(config, indent=1) + "\n")


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
