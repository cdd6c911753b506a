"""Who this side is to an API server, and whom it trusts to be it, taken out of a kubeconfig for another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kubernetes.client import Configuration

__all__ = ["Identity", "identity_of"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Certificates to trust, a client certificate, and headers with a token: whichever the kubeconfig gave.

    `server_name`: the name that the server's certificate has, if not that of its address. `verified`: False where the
    kubeconfig wants no certificate to be looked at (`insecure-skip-tls-verify`).
    """

    ca_pem: str | None = field(default=None, repr=False)
    cert_pem: str | None = field(default=None, repr=False)
    key_pem: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    server_name: str | None = None
    verified: bool = True


def identity_of(configuration: Configuration) -> Identity:
    """Read the identity out of a loaded kubeconfig."""
    token = configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
    return Identity(
        ca_pem=_text(configuration.ssl_ca_cert),
        cert_pem=_text(configuration.cert_file),
        key_pem=_text(configuration.key_file),
        headers={"authorization": token} if token else {},
        server_name=configuration.tls_server_name or None,
        verified=bool(configuration.verify_ssl),
    )


def _text(path: str | None) -> str | None:
    return Path(path).read_text(encoding="ascii") if path else None
