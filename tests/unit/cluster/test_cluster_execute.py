"""What a command's end, a refusal and a broken connection say, and whom a connection trusts: without a cluster."""

import json
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration
from websocket import WebSocketBadStatusException
from websocket._url import get_proxy_info

from chaos.cluster import Command
from chaos.cluster.pod_exec import STATUS, STDERR, STDOUT, ended, proxy, refusal, trust
from chaos.cluster.transport import Transport
from chaos.errors import UsageError
from chaos.objects.base import Ref

POD = Ref("Pod", "ns", "model-a", "uid-a")
COMMAND = Command(POD, "model", ("true",), timeout_s=3)


def heard(status: dict[str, Any] | None, stdout: bytes = b"", stderr: bytes = b"") -> dict[int, bytearray]:
    """What came on the channels of one call."""
    told = b"" if status is None else json.dumps(status).encode()
    return {STDOUT: bytearray(stdout), STDERR: bytearray(stderr), STATUS: bytearray(told)}


def test_success_is_ok() -> None:
    """A status of success is exit code 0, whatever was printed."""
    ran = ended(heard({"status": "Success"}, b"out\xff", b"err"), COMMAND)
    assert (ran.outcome, ran.exit_code, ran.stdout, ran.stderr) == ("ok", 0, "out\ufffd", "err")


def test_an_exit_code_is_a_failure() -> None:
    """An exit code other than 0 stands among the causes."""
    causes = [{"reason": "ExitCode", "message": "3"}]
    ran = ended(heard({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}), COMMAND)
    assert (ran.outcome, ran.exit_code) == ("fail", 3)


def test_a_runtime_that_cannot_start_it_is_a_failure_without_a_code() -> None:
    """A program that is not there never ran."""
    said = {"status": "Failure", "reason": "InternalError", "message": "executable file\nnot found"}
    ran = ended(heard(said), COMMAND)
    assert (ran.outcome, ran.exit_code, ran.reason) == ("fail", None, "executable file not found")


def test_no_status_is_unknown() -> None:
    """A connection that ended without a status leaves open whether the command ran."""
    ran = ended(heard(None, b"some"), COMMAND)
    assert (ran.outcome, ran.stdout) == ("info", "some")
    assert "3 s" in ran.reason


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(b"[" * 200_000, id="deep"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"Success"', id="a word"),
        pytest.param(b'{"reason": "NonZeroExitCode", "details": 7}', id="a number for details"),
        pytest.param(b'{"reason": "NonZeroExitCode", "details": {"causes": ["ExitCode"]}}', id="words for causes"),
        pytest.param(
            b'{"reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": "\xc2\xb2"}]}}',
            id="a digit that is no number",
        ),
    ],
)
def test_a_status_that_is_none_leaves_open_whether_the_command_ran(status: bytes) -> None:
    """Whoever stands in for a kubelet ends no heal by what he says."""
    assert ended({STDOUT: bytearray(), STDERR: bytearray(), STATUS: bytearray(status)}, COMMAND).outcome == "info"


def test_a_megabyte_of_reasons_is_cut() -> None:
    """It stands in the record and on the terminal."""
    assert len(ended(heard({"status": "Failure", "message": "x" * 900_000}), COMMAND).reason) == 2000
    assert len(refusal(WebSocketBadStatusException("no", 403, resp_body=b"x" * 900_000))) < 2100


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[" * 200_000, f"403 {'[' * 2000}"),
        (b'{"kind": "Status", "message": "pods is  forbidden"}', "403 pods is forbidden"),
        (b"gateway\nsays no", "403 gateway says no"),
        (b"[1]", "403 [1]"),
        (b"", "403"),
    ],
)
def test_a_refusal_is_in_the_servers_words(body: bytes, words: str) -> None:
    """The server's message, or whatever else it said, in one line."""
    assert refusal(WebSocketBadStatusException("no", 403, resp_body=body)) == words


def test_a_connection_trusts_as_the_kubeconfig_says() -> None:
    """Authorities, our certificate, and the server's name come from the same configuration as every other call's."""
    configuration = Configuration()
    configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file = "ca.pem", "cert.pem", "key.pem"
    configuration.tls_server_name = "kubernetes"
    told = trust(configuration)
    assert told["cert_reqs"].name == "CERT_REQUIRED"
    assert told["check_hostname"] is True
    assert (told["ca_certs"], told["certfile"], told["keyfile"]) == ("ca.pem", "cert.pem", "key.pem")
    assert told["server_hostname"] == "kubernetes"
    configuration.verify_ssl = False
    told = trust(configuration)
    assert told["cert_reqs"].name == "CERT_NONE"
    assert told["check_hostname"] is False


def test_a_proxy_is_used_only_where_the_configuration_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says of proxies does not count."""
    monkeypatch.setenv("https_proxy", "http://192.0.2.9:3128")
    monkeypatch.setenv("no_proxy", "")
    configuration = Configuration(host="https://192.0.2.5")
    configuration.proxy = None
    assert proxy(configuration) == {"http_no_proxy": ["*"]}
    configuration.proxy = "http://192.0.2.1:3128"
    told = proxy(configuration)
    assert (told["http_proxy_host"], told["http_proxy_port"]) == ("192.0.2.1", 3128)


def test_a_command_needs_a_pod_of_known_identity() -> None:
    """Without a UID a successor of the same name could be hit, and nothing is no command."""
    with pytest.raises(UsageError, match="has no UID"):
        Command(Ref("Pod", "ns", "model-a"), "model", ("true",))
    with pytest.raises(UsageError, match="no command"):
        Command(POD, "model", ())


@pytest.mark.parametrize("given", ["written", "https_proxy", "HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("", False),
        ("example.org", False),
        ("*", True),
        ("example", True),
        (".example", True),
        ("api.example:6443", True),
        (" other , API.Example ", True),
        ("10.0.0.0/8", False),
    ],
)
def test_a_command_takes_the_way_that_every_other_call_takes(
    given: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch, *, direct: bool
) -> None:
    """Else a heal in a container would fail where the API server answers all the rest, or show the proxy a token."""
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    if given != "written":
        monkeypatch.setenv(given, "http://proxy.example:3128")
    configuration = Configuration(host="https://api.example:6443")
    if given == "written":
        configuration.proxy = "http://proxy.example:3128"
    transport = Transport(ApiClient(configuration))
    assert transport.proxy == ("" if direct else "proxy.example")
    options = proxy(configuration)
    host, port, _ = get_proxy_info("api.example", is_secure=True, **_as_read(options))
    assert (host, port) == ((None, 0) if direct else ("proxy.example", 3128))


def _as_read(options: dict[str, Any]) -> dict[str, Any]:
    """As `websocket.create_connection` reads them (`proxy_info`)."""
    names = {"http_proxy_host": "proxy_host", "http_proxy_port": "proxy_port", "http_no_proxy": "no_proxy"}
    return {names[name]: value for name, value in options.items()}
