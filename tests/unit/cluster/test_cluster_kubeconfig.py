"""Kubeconfigs that cannot be used are refused in words, before anything is sent."""

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from kubernetes.client import Configuration

from chaos.cluster import connect
from chaos.cluster.connect import _client, _files, _named, _place
from chaos.cluster.transport import identity_of
from chaos.errors import UsageError
from chaos.system.deploy.manifest_folder import read_manifests
from loadgen.origin import Credentials

CONTEXT = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority: /nowhere/ca.crt}}]
users: []
contexts: [{name: staging, context: {cluster: c}}, {name: lost, context: {cluster: gone}}]
"""


@pytest.mark.parametrize(
    ("content", "context", "words"),
    [
        (None, "staging", "no kubeconfig at"),
        ("", "staging", "is no kubeconfig"),
        ("just words", "staging", "is no kubeconfig"),
        ("{a: [", "staging", "cannot be read"),
        ("{}", "staging", "no context 'staging' in .*; it has no context"),
        (CONTEXT, "production", "no context 'production' in .*; its contexts are staging, lost"),
        (CONTEXT, None, "names no current context; its contexts are staging, lost"),
        (CONTEXT, "lost", "the context lost in .* cannot be used: .*gone"),
        (CONTEXT, "staging", "the context staging in .* cannot be used: .*nowhere/ca.crt"),
        ("contexts: 5", "staging", "no context 'staging' in .*; it has no context"),
        ("contexts: {name: staging}", "staging", "no context 'staging' in .*; it has no context"),
        ("contexts: [{}, [staging], {name: other}]", "staging", "its contexts are other"),
        (CONTEXT.replace("users: []", "users: 5"), "staging", "the context staging in .* cannot be used: "),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_words(
    tmp_path: Path, content: str | None, context: str | None, words: str
) -> None:
    """Each way in which a file or context can be wrong is named, in one line, with the contexts that there are."""
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=words) as refused:
        connect(kubeconfig=path, context=context)
    assert "\n" not in refused.value.what


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 9)}]\n" for n in range(12)),
        "a: &a [*a, *a]\n",
    ],
    ids=["lists of lists", "a list of itself"],
)
def test_a_file_that_stands_for_more_than_memory_holds_is_refused(tmp_path: Path, text: str) -> None:
    """The package writes what it finds into its errors, aliases and all."""
    (tmp_path / "config").write_text(
        f"{text}contexts: [{{name: staging, context: *a{'11' if 'a11' in text else ''}}}]\n"
    )
    with pytest.raises(UsageError, match="more than 200000 parts"):
        connect(kubeconfig=tmp_path / "config", context="staging")


def test_the_generator_is_given_the_same_token() -> None:
    """A token of the kubeconfig is handed on as the header that carries it."""
    configuration = Configuration(api_key={"BearerToken": "Bearer abc"})
    assert identity_of(configuration)["headers"] == {"authorization": "Bearer abc"}


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A file that is no text at all is a usage error too."""
    (tmp_path / "config").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        connect(kubeconfig=tmp_path / "config", context="any")


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the kubelet gives a pod; the folder of its ServiceAccount."""
    account = tmp_path / "serviceaccount"
    account.mkdir()
    (account / "token").write_text("first")
    (account / "ca.crt").write_text("-----BEGIN CERTIFICATE-----")
    monkeypatch.setattr(sys.modules[connect.__module__], "ACCOUNT", account)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    return account


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:6443"), ("fd00::1", "https://[fd00::1]:6443")]
)
def test_a_pod_is_connected_as_its_account(pod: Path, monkeypatch: pytest.MonkeyPatch, host: str, server: str) -> None:
    """Without a kubeconfig the account that the kubelet mounted is used, each time with the token of that moment."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    files = _files(None)
    assert _named(files, None) == _named(files, "in-cluster") == "in-cluster"
    first = _client(files, "in-cluster").configuration
    assert (first.host, first.ssl_ca_cert, first.verify_ssl) == (server, str(pod / "ca.crt"), True)
    assert identity_of(first)["headers"] == {"authorization": "Bearer first"}
    (pod / "token").write_text("second")
    again = _client(files, "in-cluster").configuration
    assert identity_of(again)["headers"] == {"authorization": "Bearer second"}
    assert _place(again) == _place(first)


def test_a_pod_has_no_other_context(pod: Path) -> None:
    """What is meant for another cluster never reaches the one in which we happen to run."""
    assert pod.is_dir()
    with pytest.raises(UsageError, match="no context 'staging' in this pod; its contexts are in-cluster"):
        connect(kubeconfig=None, context="staging")


def test_a_kubeconfig_comes_before_the_account_of_a_pod(pod: Path, tmp_path: Path) -> None:
    """A file that is named and missing is an error, and one that is there is used."""
    with pytest.raises(UsageError, match="no kubeconfig at"):
        connect(kubeconfig=tmp_path / "missing", context="in-cluster")
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(CONTEXT)
    assert pod.is_dir()
    with pytest.raises(UsageError, match="no context 'in-cluster' in"):
        connect(kubeconfig=None, context="in-cluster")


def test_a_variable_that_names_no_file_is_not_the_pod(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever set KUBECONFIG meant that file."""
    monkeypatch.setenv("KUBECONFIG", str(pod / "missing"))
    with pytest.raises(UsageError, match="no kubeconfig at"):
        connect(kubeconfig=None, context="in-cluster")


def test_outside_of_a_pod_nothing_is_taken_for_one(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mounted folder alone is no pod."""
    assert pod.is_dir()
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(UsageError, match="no kubeconfig at"):
        connect(kubeconfig=None, context="in-cluster")


def test_an_account_without_a_certificate_authority_is_refused(pod: Path) -> None:
    """A server that nobody vouches for gets no token."""
    (pod / "ca.crt").unlink()
    with pytest.raises(UsageError, match="the context in-cluster in this pod cannot be used"):
        connect(kubeconfig=None, context="in-cluster")


@pytest.mark.parametrize(
    "text",
    [
        "users: [{user: {token: s3cr3t}}\nx: y",
        "token: s3cr3t: more",
        "token: *s3cr3t",
        "token: !s3cr3t x",
        'token: "s3cr3t',
        "token: s3cr3t\n\tx: y",
        "token: |s3cr3t",
        "token: s3cr3t\x00",
        "---\ntoken: s3cr3t\n---\nx: y",
    ],
)
@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda folder: connect(kubeconfig=folder / "a.yaml", context="any"), id="kubeconfig"),
        pytest.param(read_manifests, id="manifests"),
    ],
)
def test_what_is_no_yaml_is_told_by_its_place_alone(tmp_path: Path, text: str, read: Callable[[Path], object]) -> None:
    """The line may hold a token; where it is wrong is enough to mend it. Manifests may hold Secrets."""
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"cannot be read|no manifest") as refused:
        read(tmp_path)
    shown = "".join(traceback.format_exception(refused.value))
    assert "s3cr3t" not in shown
    assert "a.yaml" in str(refused.value)


def test_a_token_in_the_wrong_place_is_not_told(tmp_path: Path) -> None:
    """The package would name the user in which it misses something by all that the user holds."""
    (path := tmp_path / "config").write_text(
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "users: [{name: u, token: s3cr3t}]\ncontexts: [{name: staging, context: {cluster: c, user: u}}]\n"
    )
    with pytest.raises(UsageError, match="the context staging in") as refused:
        connect(kubeconfig=path, context="staging")
    assert "s3cr3t" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("fields", "name", "verified"),
    [
        ("", None, True),
        ("insecure-skip-tls-verify: true", None, False),
        ("tls-server-name: api.example", "api.example", True),
    ],
)
def test_the_generator_is_told_whom_to_trust_as_the_kubeconfig_says(
    tmp_path: Path, fields: str, name: str | None, *, verified: bool
) -> None:
    """Else each of its requests through the API server would fail, and the service be blamed."""
    cluster = f"{{server: 'https://127.0.0.1:1'{', ' if fields else ''}{fields}}}"
    (path := tmp_path / "config").write_text(
        f"clusters: [{{name: c, cluster: {cluster}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n"
        "contexts: [{name: staging, context: {cluster: c, user: u}}]\n"
    )
    credentials = Credentials(**identity_of(_client([path], "staging").configuration))
    assert (credentials.server_name, credentials.verified) == (name, verified)
    assert Credentials(**json.loads(json.dumps(credentials.plain()))) == credentials
