"""Kubeconfig files: one server, one user with a client certificate or a token, everything embedded."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from chaos.lab.control_plane.pki import Credential, write_private

__all__ = ["with_token", "write_kubeconfig"]


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
