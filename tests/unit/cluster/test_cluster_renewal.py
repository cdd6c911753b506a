"""Credentials that are read, and read anew: of the same cluster, within a time limit, shown and left to nobody."""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from api_on_loopback import Api, kubeconfig, plugin, serving
from kubernetes.client import ApiClient, Configuration

from chaos.cluster import Cluster, Command, connect
from chaos.cluster.connect import _client, _place, _stranger
from chaos.cluster.pod_exec import _connected
from chaos.cluster.transport import NotSent
from chaos.errors import UsageError
from chaos.lab.control_plane.pki import Authority
from chaos.objects.base import Ref


@contextlib.contextmanager
def connected(path: Path, api: Api) -> Iterator[Cluster]:
    """A connection whose token has just expired; `second` is let in from now on."""
    kubeconfig(path, api.url, {"token": "first"})
    with connect(kubeconfig=path, context="staging") as cluster:
        api.lets_in = "second"
        yield cluster


def test_a_new_token_of_the_same_cluster_is_used(tmp_path: Path) -> None:
    """After a 401 the file is read once more, and the request sent again."""
    with serving(Api()) as api, connected(path := tmp_path / "config", api) as cluster:
        kubeconfig(path, api.url, {"token": "second"})
        assert cluster.get("Namespace", None, "kube-system") is not None


def test_another_server_is_refused(tmp_path: Path) -> None:
    """A context that was pointed elsewhere meanwhile is noticed, and never shown a token."""
    with (
        serving(Api()) as api,
        serving(Api(lets_in="second")) as other,
        connected(path := tmp_path / "c", api) as cluster,
    ):
        kubeconfig(path, other.url, {"token": "second"})
        with pytest.raises(NotSent, match="new credentials are not used: server of the cluster changed"):
            cluster.transport.call("GET", "/version")
        assert other.seen == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"insecure-skip-tls-verify": True}, "insecure-skip-tls-verify"),
        ({"tls-server-name": "evil.example"}, "tls-server-name"),
        ({"proxy-url": "http://127.0.0.1:1"}, "proxy-url"),
    ],
)
def test_other_trust_is_refused(changed: dict[str, object], named: str, tmp_path: Path) -> None:
    """The same address is another cluster to whoever trusts somebody else there."""
    with serving(Api()) as api, connected(path := tmp_path / "config", api) as cluster:
        kubeconfig(path, api.url, {"token": "second"}, **changed)
        with pytest.raises(NotSent, match=f"{named} of the cluster changed"):
            cluster.transport.call("GET", "/version")
        assert "second" not in {given for _, given in api.seen}


def test_another_authority_is_refused(tmp_path: Path) -> None:
    """Whatever is written in the file of authorities, also beside them: whoever is signed by others is another."""
    place = Configuration()
    (tmp_path / "ca.crt").write_text("# Behörde\n", "utf-8")
    place.ssl_ca_cert = str(tmp_path / "ca.crt")
    before = _place(place)
    (tmp_path / "ca.crt").write_text("# another\n", "utf-8")
    assert _stranger(ApiClient(place), before, "uid-1") == "certificate-authority of the cluster changed"


def test_another_cluster_at_the_same_address_is_refused(tmp_path: Path) -> None:
    """One that was made anew under the name has another kube-system; nothing but that is asked of it."""
    with serving(Api()) as api, connected(path := tmp_path / "config", api) as cluster:
        api.uid = "uid-2"
        kubeconfig(path, api.url, {"token": "second"})
        with pytest.raises(NotSent, match="the UID of its kube-system is uid-2"):
            cluster.transport.call("GET", "/version")
        assert [path for path, given in api.seen if given == "second"] == ["/api/v1/namespaces/kube-system"]


def test_a_command_in_a_pod_follows_no_redirect(tmp_path: Path) -> None:
    """A server that leads elsewhere gets no token shown there."""
    with serving(Api()) as api, serving(Api()) as other:
        kubeconfig(path := tmp_path / "config", api.url, {"token": "first"})
        with connect(kubeconfig=path, context="staging") as cluster:
            api.location = f"ws://127.0.0.1:{other.port}/stolen"
            with pytest.raises(Exception, match="Redirect limit exhausted"):
                _connected(cluster, Command(Ref("Pod", "llm", "a", "u"), "model", ("true",)), 2.0)
        assert other.seen == []


HOLDS = """
import sys, time
from pathlib import Path
from chaos.cluster.connect import _client

configuration = _client([Path(sys.argv[1])], "staging").configuration
print(Path(configuration.key_file).read_text(), flush=True)
time.sleep(60)
"""


def data(text: str) -> str:
    """As a kubeconfig writes it."""
    return base64.b64encode(text.encode()).decode()


GIVES_A_KEY = """
printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", '
printf '"status": {"clientCertificateData": "c", "clientKeyData": "s3cr3t"}}'
"""


@pytest.mark.parametrize("given", ["as data", "by a plugin", "beside a token"])
def test_a_process_that_is_killed_leaves_no_key(given: str, tmp_path: Path) -> None:
    """The package would keep it in $TMPDIR until an orderly end."""
    written = {"client-certificate-data": data("c"), "client-key-data": data("s3cr3t")}
    users = {
        "as data": written,
        "by a plugin": plugin(tmp_path / "plugin", GIVES_A_KEY),
        "beside a token": {"token": "t", **written},
    }
    authority = {"certificate-authority-data": data("a")}
    path = kubeconfig(tmp_path / "config", "https://127.0.0.1:1", users[given], **authority)
    (folder := tmp_path / "scratch").mkdir()
    argv, environment = [sys.executable, "-c", HOLDS, str(path)], os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "s3cr3t\n"
        finally:
            process.kill()
    assert list(folder.rglob("*")) == []


def test_a_key_that_lies_nowhere_is_one_all_the_same(tmp_path: Path) -> None:
    """Threads that read the file at once, and again after others, can all make a connection with it."""
    authority = Authority(tmp_path, "ca")
    issued = authority.issue("us", user="us")
    user = {
        "client-certificate-data": data(issued.certificate.read_text()),
        "client-key-data": data(issued.key.read_text()),
    }
    known = {"certificate-authority-data": data(authority.certificate.read_text())}
    path = kubeconfig(tmp_path / "config", "https://127.0.0.1:1", user, **known)

    def usable(_: int) -> bool:
        found = _client([path], "staging").configuration
        context = ssl.create_default_context(cafile=found.ssl_ca_cert)
        context.load_cert_chain(found.cert_file, found.key_file)
        return bool(context.get_ca_certs())

    for _ in range(2):
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(usable, range(16)))
    kubeconfig(path, "https://127.0.0.1:1", {"client-certificate": str(issued.certificate)}, **known)
    assert _client([path], "staging").configuration.cert_file == str(issued.certificate)


@pytest.mark.parametrize("text", ["first\n", "first\r\n", "\n first \n", "first"])
def test_a_token_is_what_stands_between_blanks(text: str, tmp_path: Path) -> None:
    """As kubectl takes it; a line's end in a header is refused by an error that quotes all of it."""
    (file := tmp_path / "token").write_text(text)
    with serving(Api()) as api:
        for user in ({"tokenFile": str(file)}, {"token": text}):
            path = kubeconfig(tmp_path / "config", api.url, user)
            with connect(kubeconfig=path, context="staging") as cluster:
                assert cluster.facts.uid == "uid-1"
                assert cluster.transport.identity()["headers"] == {"authorization": "Bearer first"}


@pytest.mark.parametrize("token", ["s3cr3t\x07", "s3cr3t\x7f", "s3cr3t\u4e2d"])
def test_a_token_that_no_header_may_hold_is_quoted_nowhere(token: str, tmp_path: Path) -> None:
    """What is wrong is told, and nothing is sent."""
    with serving(Api()) as api:
        path = kubeconfig(tmp_path / "config", api.url, {"token": token})
        with pytest.raises(UsageError, match="no header may hold") as refused:
            connect(kubeconfig=path, context="staging")
        assert api.seen == []
    assert "s3cr3t" not in "".join(traceback.format_exception(refused.value))
