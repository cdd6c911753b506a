"""Connecting to the cluster that a kubeconfig's context names, and refusing early, in words, when that cannot be.

In a pod that has no kubeconfig the context `in-cluster` is the pod's own ServiceAccount.
"""

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, kube_config, new_client_from_config_dict
from kubernetes.config.kube_config import KubeConfigMerger
from kubernetes.utils.keepalive import tcp_keepalive_socket_options
from typing_extensions import override

from chaos.cluster.client import Cluster, ClusterFacts, NodeFacts
from chaos.cluster.resources import path_of
from chaos.cluster.transport import KEEPALIVE, UNAUTHORIZED, NotSent, Transport
from chaos.errors import ClusterRefused, UsageError

__all__ = ["IN_CLUSTER", "connect", "yaml_reason"]

CONNECTIONS_KEPT = 64
"""Twenty watches and the faults' own calls at once; the package's default of ten would close and reopen connections."""

ANSWER_S = 5.0

PARTS_MAX = 200_000
"""Of a kubeconfig, those behind aliases among them: a few lines of YAML can stand for more than memory holds."""

SYSTEM = "kube-system"
"""The namespace whose UID tells clusters apart."""

IN_CLUSTER = "in-cluster"
"""The context of a pod's own ServiceAccount."""

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts the token and the certificate authority of a pod's ServiceAccount; it renews the token."""

PLUGIN_S = 30.0
PLUGIN_TYPED_S = 180.0
"""How long a credential plugin of the kubeconfig may take, alone or while a person types."""

BOUNDED = """
import os, signal, subprocess, sys
limit_s, alone, *argv = sys.argv[1:]
try:
    child = subprocess.Popen(argv, start_new_session=bool(alone))
    sys.exit(child.wait(float(limit_s)))
except OSError as error:
    sys.exit(f"{argv[0]}: {error.strerror}")
except subprocess.TimeoutExpired:
    os.killpg(child.pid, signal.SIGKILL) if alone else child.kill()
    sys.exit(f"{argv[0]} gave no credentials within {limit_s} s")
"""
"""Runs a command for so long at most; what it has begun ends with it."""


class _MemoryFiles:
    """Files that the kernel frees with this process, however that ends: for keys, which none may outlive."""

    def __init__(self) -> None:
        self._paths: dict[bytes, str] = {}
        self._lock = threading.Lock()

    def path(self, content: str | bytes, *_: object, **__: object) -> str:
        """The path of the file with that content, for this process alone; it stays as it is."""
        data = content.encode() if isinstance(content, str) else content
        with self._lock:
            if data not in self._paths:
                descriptor = os.memfd_create("credentials", os.MFD_CLOEXEC)
                with open(descriptor, "wb", closefd=False) as file:
                    file.write(data)
                self._paths[data] = f"/proc/self/fd/{descriptor}"
            return self._paths[data]


# The package writes what a kubeconfig or its plugin gives as data to $TMPDIR, and removes it at an orderly end alone.
if hasattr(os, "memfd_create"):  # on Linux
    setattr(kube_config, "_create_temp_file_with_content", _MemoryFiles().path)  # noqa: B010  # mypy: fixed


def connect(*, kubeconfig: Path | None, context: str | None) -> Cluster:
    """Connect as `context` says, and learn which cluster it is. Nothing is written.

    `kubeconfig` None means `$KUBECONFIG`, else `~/.kube/config`, else the ServiceAccount of the pod in which we are;
    `context` None means the file's current context.
    Raises `UsageError` for a file or a context that cannot be used, naming the contexts that exist, and
    `ClusterRefused` within a few seconds for a cluster that cannot be reached or lets us not read what we must know.
    """
    files = _files(kubeconfig)
    named = _named(files, context)
    first = _client(files, named)
    place, uid = _place(first.configuration), ""

    def renew() -> ApiClient:
        fresh = _client(files, named)
        if why := _stranger(fresh, place, uid):
            fresh.rest_client.close()
            raise NotSent(f"new credentials are not used: {why}", "see where the kubeconfig leads to now")
        return fresh

    transport = Transport(first, renew)
    try:
        facts = _facts(transport, named)
        uid = facts.uid
        return Cluster(transport, facts)
    except BaseException:
        transport.close()
        raise


def _files(kubeconfig: Path | None) -> Sequence[Path]:
    """The kubeconfig files that exist; several only through `$KUBECONFIG`, none in a pod that has but its account."""
    given = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or "~/.kube/config"
    words = [given] if kubeconfig else given.split(os.pathsep)
    files = [Path(word).expanduser() for word in words if word]
    found = [file for file in files if file.is_file()]
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ and (ACCOUNT / "token").is_file()
    if not found and not (in_pod and not kubeconfig and "KUBECONFIG" not in os.environ):
        raise UsageError(f"no kubeconfig at {given}", "name the file, or set KUBECONFIG")
    return found


def _named(files: Sequence[Path], context: str | None) -> str:
    """The context to use. Raises `UsageError` if it is in none of the files."""
    contexts: list[str] = [] if files else [IN_CLUSTER]
    current = "" if files else IN_CLUSTER
    for file in files:
        config = _parsed(file)
        listed = config.get("contexts")
        entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        contexts += [str(entry["name"]) for entry in entries if "name" in entry]
        current = current or str(config.get("current-context") or "")
    where = ", ".join(map(str, files)) or "this pod"
    known = f"its contexts are {', '.join(contexts)}" if contexts else "it has no context"
    if context is None and not current:
        raise UsageError(f"{where} names no current context; {known}", "name one")
    wanted = context if context is not None else current
    if wanted not in contexts:
        raise UsageError(f"no context {wanted!r} in {where}; {known}", "name one of those, or another file")
    return wanted


def _parsed(file: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"the kubeconfig {file} cannot be read: {yaml_reason(error)}") from None
    if not isinstance(config, dict):
        raise UsageError(f"{file} is no kubeconfig", "name the file that kubectl uses")
    left, parts = [config], 0
    while left:
        one, parts = left.pop(), parts + 1
        if parts > PARTS_MAX:
            raise UsageError(f"the kubeconfig {file} cannot be used: it has more than {PARTS_MAX} parts")
        left += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return config


def yaml_reason(error: Exception) -> str:
    """Why YAML cannot be read, without what stands there: it may be a token."""
    if isinstance(error, OSError):
        return error.strerror or "it cannot be opened"
    if not isinstance(error, yaml.YAMLError):
        return f"it is no text ({type(error).__name__})"
    mark = getattr(error, "problem_mark", None)
    return f"it is no YAML from line {mark.line + 1}, column {mark.column + 1} on" if mark else "it is no YAML"


class _Sendable(Configuration):
    """A configuration whose token is one that a header may hold: the error of any other would quote it.

    A file often ends its only line, which kubectl takes off (`TrimSpace` in transport/token_source.go of client-go).
    """

    @override
    def get_api_key_with_prefix(self, identifier: str, alias: str | None = None) -> str | None:
        token = " ".join((super().get_api_key_with_prefix(identifier, alias) or "").split())
        if not (token.isascii() and token.isprintable()):
            raise UsageError("the kubeconfig has a token with signs that no header may hold", "write it anew")
        return token or None


def _client(files: Sequence[Path], context: str) -> ApiClient:
    configuration = _Sendable()
    configuration.retries = False
    configuration.connection_pool_maxsize = CONNECTIONS_KEPT
    configuration.socket_options = tcp_keepalive_socket_options(**KEEPALIVE)
    try:
        client: ApiClient = new_client_from_config_dict(  # type: ignore[no-untyped-call]
            config_dict=_merged(files) if files else _in_cluster(),
            context=context,
            persist_config=False,
            client_configuration=configuration,
        )
    except (ConfigException, OSError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        # The package names what it misses something in by all that stands there, a token too.
        reason = " ".join(str(error).split()).partition("/{")[0]
        where = files[0] if files else "this pod"
        raise UsageError(f"the context {context} in {where} cannot be used: {reason}") from None
    client.user_agent = f"gameday/{version('kube-gameday')}"
    return client


def _merged(files: Sequence[Path]) -> Any:
    """What several files say together, each plugin in bounds."""
    merged = KubeConfigMerger(os.pathsep.join(map(str, files))).config  # type: ignore[no-untyped-call]  # the package leaves it untyped
    for user in merged.value["users"]:
        _bound_plugin((user.value.get("user") or {}).get("exec"))
    return merged


def _in_cluster() -> dict[str, Any]:
    """A kubeconfig that says what Kubernetes tells each pod; the token is read anew with it."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    cluster = {"server": server, "certificate-authority": str(ACCOUNT / "ca.crt")}
    return {
        "clusters": [{"name": IN_CLUSTER, "cluster": cluster}],
        "users": [{"name": IN_CLUSTER, "user": {"tokenFile": str(ACCOUNT / "token")}}],
        "contexts": [{"name": IN_CLUSTER, "context": {"cluster": IN_CLUSTER, "user": IN_CLUSTER}}],
        "current-context": IN_CLUSTER,
    }


def _bound_plugin(plugin: dict[str, Any] | None) -> None:
    """Give a credential plugin a time limit: the package would wait for it for ever. A person may type meanwhile."""
    if plugin and isinstance(plugin.get("command"), str):
        typed = sys.stdout.isatty()
        limit_s = PLUGIN_TYPED_S if typed else PLUGIN_S
        given = [f"{limit_s:g}", "" if typed else "alone", plugin["command"], *(plugin.get("args") or ())]
        plugin |= {"command": sys.executable, "args": ["-I", "-c", BOUNDED, *given]}


def _place(configuration: Configuration) -> dict[str, object]:
    """Where a configuration leads, and whom it trusts to be there."""
    authority = configuration.ssl_ca_cert
    return {
        "server": configuration.host,
        "certificate-authority": Path(authority).read_bytes() if authority else b"",
        "insecure-skip-tls-verify": not configuration.verify_ssl,
        "tls-server-name": configuration.tls_server_name,
        "proxy-url": configuration.proxy,
    }


def _stranger(fresh: ApiClient, place: Mapping[str, object], uid: str) -> str:
    """Why a kubeconfig that was read anew leads to another cluster than before; empty if it is the same."""
    if changed := [name for name, value in _place(fresh.configuration).items() if value != place[name]]:
        return f"{', '.join(changed)} of the cluster changed"
    if not uid:
        return ""  # it is not known yet which one it is
    answer = Transport(fresh).call("GET", path_of("Namespace", None, SYSTEM), timeout_s=ANSWER_S)
    if answer.status == UNAUTHORIZED:
        return ""  # nothing will be done with these either
    body = answer.json()
    found = (body.get("metadata") or {}).get("uid") if answer.ok and isinstance(body, dict) else None
    return "" if found == uid else f"the UID of its {SYSTEM} is {found or f'not to be had ({answer.words()})'}"


def _facts(transport: Transport, context: str) -> ClusterFacts:
    """Ask the cluster who it is. One attempt: an unreachable cluster is to be named at once."""
    said = transport.call("GET", "/version", timeout_s=ANSWER_S)
    version_of = said.json()
    if not said.ok or not isinstance(version_of, dict) or "gitVersion" not in version_of:
        raise ClusterRefused(
            f"{transport.server} (context {context}) does not answer as a Kubernetes API server: {said.words()}",
            "see that the context names the right server and that its credentials are valid",
        )
    unknown = ClusterFacts(context, transport.server, str(version_of["gitVersion"]), "", ())
    cluster = Cluster(transport, unknown)
    system = cluster.get("Namespace", None, SYSTEM)
    if system is None:
        raise ClusterRefused(f"{transport.server} (context {context}) has no namespace {SYSTEM} to know it by")
    nodes = tuple(_node(node) for node in cluster.list("Node"))
    return replace(unknown, uid=str(system["metadata"]["uid"]), nodes=nodes)


def _node(node: dict[str, Any]) -> NodeFacts:
    metadata = node["metadata"]
    return NodeFacts(str(metadata["name"]), dict(metadata.get("labels") or {}))
