"""Connecting to the cluster that a kubeconfig's context names, and refusing early, in words, when that cannot be."""

import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, new_client_from_config
from kubernetes.utils.keepalive import tcp_keepalive_socket_options

from chaos.cluster.client import Cluster, ClusterFacts, NodeFacts
from chaos.cluster.transport import KEEPALIVE, Transport
from chaos.errors import ClusterRefused, UsageError

__all__ = ["connect"]

CONNECTIONS_KEPT = 64
"""Twenty watches and the faults' own calls at once; the package's default of ten would close and reopen connections."""

ANSWER_S = 5.0


def connect(*, kubeconfig: Path | None, context: str | None) -> Cluster:
    """Connect as `context` says, and learn which cluster it is. Nothing is written.

    `kubeconfig` None means `$KUBECONFIG`, else `~/.kube/config`; `context` None means the file's current context.
    Raises `UsageError` for a file or a context that cannot be used, naming the contexts that exist, and
    `ClusterRefused` within a few seconds for a cluster that cannot be reached or lets us not read what we must know.
    """
    files = _files(kubeconfig)
    named = _named(files, context)
    transport = Transport(_client(files, named), renew=lambda: _client(files, named))
    try:
        return Cluster(transport, _facts(transport, named))
    except BaseException:
        transport.close()
        raise


def _files(kubeconfig: Path | None) -> Sequence[Path]:
    """The kubeconfig files that exist; several only through `$KUBECONFIG`."""
    given = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or "~/.kube/config"
    words = [given] if kubeconfig else given.split(os.pathsep)
    files = [Path(word).expanduser() for word in words if word]
    found = [file for file in files if file.is_file()]
    if not found:
        raise UsageError(f"no kubeconfig at {given}", "name the file, or set KUBECONFIG")
    return found


def _named(files: Sequence[Path], context: str | None) -> str:
    """The context to use. Raises `UsageError` if it is in none of the files."""
    contexts: list[str] = []
    current = ""
    for file in files:
        config = _parsed(file)
        contexts += [str(entry["name"]) for entry in config.get("contexts") or () if isinstance(entry, dict)]
        current = current or str(config.get("current-context") or "")
    where = ", ".join(map(str, files))
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
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"the kubeconfig {file} cannot be read: {reason}") from error
    if not isinstance(config, dict):
        raise UsageError(f"{file} is no kubeconfig", "name the file that kubectl uses")
    return config


def _client(files: Sequence[Path], context: str) -> ApiClient:
    configuration = Configuration()
    configuration.retries = False
    configuration.connection_pool_maxsize = CONNECTIONS_KEPT
    configuration.socket_options = tcp_keepalive_socket_options(**KEEPALIVE)
    try:
        client: ApiClient = new_client_from_config(  # type: ignore[no-untyped-call]  # the package leaves it untyped
            config_file=os.pathsep.join(map(str, files)),
            context=context,
            persist_config=False,
            client_configuration=configuration,
        )
    except (ConfigException, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"the context {context} in {files[0]} cannot be used: {reason}") from error
    client.user_agent = f"gameday/{version('kube-gameday')}"
    return client


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
    system = cluster.get("Namespace", None, "kube-system")
    if system is None:
        raise ClusterRefused(f"{transport.server} (context {context}) has no namespace kube-system to know it by")
    nodes = tuple(_node(node) for node in cluster.list("Node"))
    return replace(unknown, uid=str(system["metadata"]["uid"]), nodes=nodes)


def _node(node: dict[str, Any]) -> NodeFacts:
    metadata = node["metadata"]
    return NodeFacts(str(metadata["name"]), dict(metadata.get("labels") or {}))
