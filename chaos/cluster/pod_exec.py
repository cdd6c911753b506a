"""Run a command in a container through the API (`pods/exec`), journalled, and bounded in time.

The `kubernetes` package gives the configuration: server, certificates, token, proxy. Its own `stream` is not used:
while it connects it replaces the method by which all other threads of the same client call, and its connecting has no
time limit.
"""

import json
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from kubernetes.client import Configuration
from kubernetes.client.rest import should_bypass_proxies
from kubernetes.stream import ws_client
from websocket import (
    ABNF,
    WebSocket,
    WebSocketBadStatusException,
    WebSocketException,
    WebSocketTimeoutException,
    create_connection,
)

from chaos.cluster.client import Cluster
from chaos.cluster.executor import DRY_RUN, DryRunExecutor, Executor
from chaos.cluster.resources import path_of
from chaos.errors import ClusterRefused, UsageError
from chaos.history import Outcome
from chaos.history.writing.action_log import Journal
from chaos.history.writing.redaction import redacted_words
from chaos.objects.base import Ref

__all__ = ["Command", "Ran", "ended", "execute", "proxy", "refusal", "trust"]

PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
STDOUT, STDERR, STATUS = 1, 2, 3
OPEN_S = 5.0
OUTPUT_MAX = 1_000_000
REASON_MAX = 2000


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, in which container of which very pod. No shell is involved unless `argv` names one.

    `timeout_s` bounds the whole call. `fault` is the id of the fault that it belongs to.
    """

    pod: Ref
    container: str
    argv: tuple[str, ...]
    fault: str | None = None
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.pod.uid:
            raise UsageError(f"the pod {self.pod.name} has no UID", "take pods from the cluster, never by name alone")
        if not self.argv:
            raise UsageError(f"there is no command to run in pod {self.pod.name}", "name a program of its image")


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a command.

    `ok`: it ran and ended with 0. `fail`: it could not be started, or says by its `exit_code` that it failed. `info`:
    the connection ended before its status came, so it may have run, and may still run.
    """

    outcome: Outcome
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    reason: str = ""


def execute(cluster: Cluster, executor: Executor, journal: Journal, command: Command) -> Ran:
    """Run the command once, journalled before and after as `exec`; a dry run runs nothing.

    The journal gets the command and its exit code, never what it printed: that may be a secret. The container's
    refusal is an outcome, never an error. Raises `HarnessBroken` only if the journal cannot be written.
    """
    detail = {"container": command.container, "command": redacted_words(command.argv)}
    with journal.action("exec", command.pod, fault=command.fault, detail=detail) as entry:
        ran = Ran("fail", reason=DRY_RUN) if isinstance(executor, DryRunExecutor) else _ran(cluster, command)
        said: dict[str, Any] = {"reason": ran.reason, "exit_code": ran.exit_code}
        entry.end(ran.outcome, **{name: value for name, value in said.items() if value not in (None, "")})
    return ran


def _ran(cluster: Cluster, command: Command) -> Ran:
    ends = time.monotonic() + command.timeout_s
    try:
        # The API takes no UID here; a successor of the same name must not be hit.
        found = cluster.get("Pod", command.pod.namespace, command.pod.name)
    except ClusterRefused as refused:
        return Ran("fail", reason=refused.what)
    if found is None or found["metadata"]["uid"] != command.pod.uid:
        return Ran("fail", reason=f"pod {command.pod.name} ({command.pod.uid[:8]}) is not there")
    try:
        socket = _connected(cluster, command, min(OPEN_S, max(0.1, ends - time.monotonic())))
    except (WebSocketException, OSError) as error:
        return _not_begun(cluster, error)
    try:
        return ended(_heard(socket, ends), command)
    finally:
        socket.shutdown()  # type: ignore[no-untyped-call]  # the package leaves it untyped


def _not_begun(cluster: Cluster, error: Exception) -> Ran:
    """What a connection that did not come about says: refused, or nobody knows how far it came."""
    if isinstance(error, WebSocketBadStatusException):
        return Ran("fail", reason=refusal(error))
    if isinstance(error, ConnectionRefusedError):
        return Ran("fail", reason=f"{cluster.transport.server}: {error.strerror}")
    words = f"no answer within {OPEN_S:g} s" if isinstance(error, WebSocketTimeoutException) else str(error)
    return Ran("info", reason=f"{cluster.transport.server}: {words}")


def _connected(cluster: Cluster, command: Command, timeout_s: float) -> WebSocket:
    query = [("container", command.container), ("stdout", "true"), ("stderr", "true")]
    query += [("command", word) for word in command.argv]
    path = path_of("Pod", command.pod.namespace, command.pod.name, "exec")
    # The same package's connection: its credentials are those that every other call has.
    api = cluster.transport._api  # noqa: SLF001
    _, url, headers, *_ = api.param_serialize(
        "GET", f"{path}?{urlencode(query)}", header_params={}, auth_settings=["BearerToken"]
    )
    token = {name: value for name, value in headers.items() if name.lower() == "authorization"}
    socket: WebSocket = create_connection(
        "ws" + url.removeprefix("http"),
        timeout=timeout_s,
        sslopt=trust(api.configuration),
        subprotocols=PROTOCOLS,
        header=token,
        # As every other call: who is led elsewhere would show the token there.
        redirect_limit=0,
        **proxy(api.configuration),
    )
    return socket


def trust(configuration: Configuration) -> dict[str, Any]:
    """Whom to trust and who we are, as `ws_client.create_websocket` reads them from the configuration."""
    checked = configuration.verify_ssl
    options = {
        "cert_reqs": ssl.CERT_REQUIRED if checked else ssl.CERT_NONE,
        "ca_certs": configuration.ssl_ca_cert if checked else None,
        "check_hostname": checked if configuration.assert_hostname is None else configuration.assert_hostname,
        "certfile": configuration.cert_file,
        "keyfile": configuration.key_file,
        "server_hostname": configuration.tls_server_name,
    }
    return {name: value for name, value in options.items() if value is not None}


def proxy(configuration: Configuration) -> dict[str, Any]:
    """The proxy that the other calls use, or none, whatever the environment says."""
    # The package for WebSockets has rules of its own for what needs no proxy, and reads the environment for them.
    if not configuration.proxy or should_bypass_proxies(configuration.host, configuration.no_proxy or ""):
        return {"http_no_proxy": ["*"]}
    options: dict[str, Any] = ws_client.websocket_proxycare({}, configuration, "", {})  # type: ignore[no-untyped-call]  # the package leaves it untyped
    return options


def _heard(socket: WebSocket, ends: float) -> Mapping[int, bytearray]:
    """Whatever came on each channel until the server closed, the connection broke, or the time was over."""
    heard = {STDOUT: bytearray(), STDERR: bytearray(), STATUS: bytearray()}
    try:
        while (left_s := ends - time.monotonic()) > 0:
            socket.settimeout(left_s)
            opcode, frame = socket.recv_data_frame(control_frame=True)
            if opcode == ABNF.OPCODE_CLOSE:
                break
            if frame is not None and opcode == ABNF.OPCODE_BINARY and frame.data and frame.data[0] in heard:
                taken = heard[frame.data[0]]
                taken += frame.data[1 : 1 + OUTPUT_MAX - len(taken)]
    except (WebSocketException, OSError):
        pass  # what came before it tells: without a status the outcome is unknown
    return heard


def ended(heard: Mapping[int, bytearray], command: Command) -> Ran:
    """Read the outcome out of what came on each channel; without a status it is unknown."""
    stdout, stderr, status = (heard[channel].decode(errors="replace") for channel in (STDOUT, STDERR, STATUS))
    try:
        said = json.loads(status)
        succeeded = said.get("status") == "Success"
        causes = (said.get("details") or {}).get("causes") or () if said.get("reason") == "NonZeroExitCode" else ()
        exit_code = _exit_code(causes)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return Ran("info", None, stdout, stderr, f"no status within {command.timeout_s:g} s, or the connection broke")
    if succeeded:
        return Ran("ok", 0, stdout, stderr)
    words = str(said.get("message", "no reason given"))[:REASON_MAX]
    return Ran("fail", exit_code, stdout, stderr, " ".join(words.split()))


def _exit_code(causes: Sequence[Mapping[str, Any]]) -> int | None:
    codes = (str(one.get("message")) for one in causes if one.get("reason") == "ExitCode")
    return next((int(code) for code in codes if code.isdigit()), None)


def refusal(refused: WebSocketBadStatusException) -> str:
    """The status and the words of a server that did not open the connection, in one line."""
    body = (refused.resp_body or b"").decode(errors="replace")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = {}
    words = str(said.get("message") or body) if isinstance(said, dict) else body
    return f"{refused.status_code} {' '.join(words[:REASON_MAX].split())}".rstrip()
