"""Certificates and kubeconfigs that the lab issues."""

import base64
import ipaddress
import json
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chaos.lab.control_plane.components import ControlPlane
from chaos.lab.control_plane.pki import Authority, private_folder, service_account_keys, write_kubeconfig, write_private
from chaos.semantics.timings import LAB


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_user_and_groups_are_in_the_subject(tmp_path: Path) -> None:
    """Kubernetes finds the user in the common name and the groups in the organisations."""
    issued = _read(Authority(tmp_path, "ca").issue("u", user="system:node:n1", groups=["a", "b"]).certificate)
    assert [name.value for name in issued.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:node:n1"]
    assert [name.value for name in issued.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["a", "b"]


def test_a_client_certificate_serves_nobody(tmp_path: Path) -> None:
    """Without addresses or names a certificate is a client's only."""
    issued = _read(Authority(tmp_path, "ca").issue("u", user="u").certificate)
    usage = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        issued.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_a_server_certificate_names_addresses_and_hosts(tmp_path: Path) -> None:
    """A server is verified by any of its addresses and names."""
    issued = _read(Authority(tmp_path, "ca").issue("s", user="s", addresses=["10.0.0.1"], hosts=["h"]).certificate)
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.0.0.1")]
    assert names.get_values_for_type(x509.DNSName) == ["h"]
    assert ExtendedKeyUsageOID.SERVER_AUTH in issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value


def test_a_certificate_is_issued_by_its_own_authority_only(tmp_path: Path) -> None:
    """The signature holds against the authority that issued it, and against no other of the same name."""
    ours, others = Authority(private_folder(tmp_path / "a"), "ca"), Authority(private_folder(tmp_path / "b"), "ca")
    issued = _read(ours.issue("u", user="u").certificate)
    issued.verify_directly_issued_by(_read(ours.certificate))
    with pytest.raises(InvalidSignature):
        issued.verify_directly_issued_by(_read(others.certificate))


def test_an_authority_cannot_make_authorities(tmp_path: Path) -> None:
    """What it issues may sign no further certificates."""
    authority = Authority(tmp_path, "ca")
    constraints = x509.BasicConstraints
    assert _read(authority.certificate).extensions.get_extension_for_class(constraints).value.path_length == 0
    assert (
        not _read(authority.issue("u", user="u").certificate).extensions.get_extension_for_class(constraints).value.ca
    )


def test_secrets_are_closed_to_others(tmp_path: Path) -> None:
    """Every file is 0600 and every folder 0700, also over one that was open before."""
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    (folder / "ca.key").touch(mode=0o644)
    Authority(private_folder(folder), "ca").issue("u", user="u")
    service_account_keys(folder)
    write_private(folder / "text", "secret")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_kubeconfig_stands_alone(tmp_path: Path) -> None:
    """It embeds authority, certificate and key, verifies the server, and has one context."""
    authority = Authority(tmp_path, "ca")
    credential = authority.issue("u", user="u")
    path = write_kubeconfig(
        tmp_path / "kubeconfig",
        server="https://h:1",
        authority=authority.certificate,
        credential=credential,
        context="c",
    )
    config = json.loads(path.read_text())
    assert config["current-context"] == config["contexts"][0]["name"] == "c"
    assert len(config["contexts"]) == 1
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    assert cluster.keys() == {"server", "certificate-authority-data"}
    assert base64.b64decode(cluster["certificate-authority-data"]) == authority.certificate.read_bytes()
    assert base64.b64decode(user["client-key-data"]) == credential.key.read_bytes()


def test_the_control_plane_trusts_nothing_unverified(tmp_path: Path) -> None:
    """No flag of the control plane skips verification, admits strangers or speaks plain HTTP."""
    control = ControlPlane(tmp_path / "c", bind="127.0.0.1", advertised="127.0.0.1", timings=LAB)
    words = [*control.etcd(), *control.api_server(), *control.controller_manager(), *control.scheduler()]
    assert not [word for word in words if "insecure" in word or "http://" in word or "AlwaysAllow" in word]
    assert {"--client-cert-auth", "--peer-client-cert-auth", "--anonymous-auth=false"} <= set(words)
    assert "--authorization-mode=Node,RBAC" in words


def test_the_timings_reach_the_components(tmp_path: Path) -> None:
    """What a trial records as the cluster's timings is what the components are told."""
    control = ControlPlane(tmp_path / "c", bind="127.0.0.1", advertised="127.0.0.1", timings=LAB)
    told = set(control.controller_manager()) | set(control.api_server())
    assert f"--node-monitor-grace-period={LAB.node_monitor_grace_s}s" in told
    assert f"--horizontal-pod-autoscaler-sync-period={LAB.hpa_sync_s}s" in told
    assert f"--default-unreachable-toleration-seconds={LAB.unreachable_toleration_s}" in told


def test_an_authority_that_is_kept_issues_what_the_first_did(tmp_path: Path) -> None:
    """A later command adds certificates that those who trust the first verify; one that is not there is not made."""
    first = Authority(tmp_path, "ca")
    kept = Authority(tmp_path, "ca", kept=True)
    assert kept.certificate.read_bytes() == first.certificate.read_bytes()
    issuer = _read(first.certificate)
    _read(kept.issue("u", user="u").certificate).verify_directly_issued_by(issuer)
    with pytest.raises(FileNotFoundError):
        Authority(tmp_path, "other", kept=True)
    assert not list(tmp_path.glob("other*"))
