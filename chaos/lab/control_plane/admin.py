"""The running lab's API server, as the lab's administrator: for what is the lab's own, not for scenarios."""

from __future__ import annotations

from chaos.lab.control_plane.api import Api
from chaos.lab.control_plane.components import Ports
from chaos.lab.control_plane.pki import Credential
from chaos.lab.host.addresses import API_ADDRESS
from chaos.lab.host.paths import LabPaths

__all__ = ["suite_api"]


def suite_api(paths: LabPaths) -> Api:
    """The API server, with the certificates that starting the lab wrote. Raises OSError if there are none."""
    pki = paths.control / "pki"
    credential = Credential(certificate=pki / "admin.crt", key=pki / "admin.key")
    return Api(f"https://{API_ADDRESS}:{Ports().api}", authority=pki / "ca.crt", credential=credential)
