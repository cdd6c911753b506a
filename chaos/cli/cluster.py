"""Which cluster a command is about, the options that name it, and how it is reached: never by accident."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from chaos.cluster import Cluster, connect
from chaos.errors import LabError, UsageError
from chaos.faults import Infrastructure
from chaos.faults.infrastructure import NO_INFRASTRUCTURE
from chaos.lab import Lab
from chaos.semantics import KUBERNETES, Timings
from chaos.trial.config import GamedayConfig, find_config, read_config
from chaos.trial.lab_environment import LAB_INFRASTRUCTURE
from chaos.trial.preflight.adopted_cluster import Adoption, open_adoption
from loadgen.plan import variables

__all__ = ["ContextOption", "KubeconfigOption", "NoCluster", "Reached", "SystemOption", "found_here", "reach"]

SystemOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Your gameday.toml; default: the one here, unless it names something to run on this host."
    ),
]
ContextOption = Annotated[str, typer.Option(metavar="NAME", help="This context; default: the file's, else the lab.")]
KubeconfigOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The kubeconfig; default: $KUBECONFIG, ~/.kube/config.")
]


class NoCluster(UsageError):
    """No cluster is named, and the lab is not up."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A connected cluster: what it is called, its timings, what is below its API, and the system that a file names."""

    cluster: Cluster
    words: str
    timings: Timings = KUBERNETES
    infrastructure: Infrastructure = NO_INFRASTRUCTURE
    adoption: Adoption | None = None

    @property
    def namespace(self) -> str | None:
        """The namespace of the file's system; None for all."""
        return self.adoption.config.system.namespace if self.adoption else None


def found_here(*keys: str) -> Path | None:
    """The file of this folder, for a command that was given none; None if there is none.

    Whoever unpacks or clones a stranger's folder has not read its file: so it may name what lies in the cluster, but
    nothing of these `keys`, by which something would be run on this host or in containers. Raises `UsageError` if it
    does.
    """
    path = find_config(Path.cwd())
    if path is not None and (used := [key for key in keys if _has(read_config(path), key)]):
        raise UsageError(
            f"{path} was only found here, and a command would run or use its {', '.join(used)}, here or in pods",
            f"see that you trust it, then name it: --system {path.name}",
        )
    return path


def _has(config: GamedayConfig, key: str) -> bool:
    """Whether a file has this key, by which something is run here, or a variable of the environment is sent away."""
    request = config.traffic.request_profile()
    values: Mapping[str, object] = {
        "cluster.kubeconfig": config.cluster.kubeconfig,
        "node_infrastructure": config.node_infrastructure,
        "system.ready": config.system.ready,
        "safety.abort": config.safety.abort,
        "traffic.request.headers": variables(request.headers) if request else None,
    }
    return bool(values[key])


def reach(system: Path | None, context: str, kubeconfig: Path | None) -> Reached:
    """Connect to the file's cluster, else the named one, else the lab. Raises `UsageError` and `ClusterRefused`."""
    if system is not None:
        adoption = open_adoption(system, read_config(system), kubeconfig=kubeconfig, context=context)
        return Reached(adoption.cluster, f"the cluster of {system}", KUBERNETES, adoption.infrastructure, adoption)
    if context or kubeconfig is not None:
        cluster = connect(kubeconfig=kubeconfig, context=context or _only_context(kubeconfig))
        return Reached(cluster, f"context {cluster.facts.context} ({cluster.facts.server})")
    try:
        facts = Lab().facts()
    except LabError as error:
        raise NoCluster(f"which cluster? {error.what}", "gameday lab up, or name one: --kube-context NAME") from error
    timings = Timings.of({"name": "lab", **facts.timings})
    cluster = connect(kubeconfig=facts.kubeconfig, context=facts.context)
    return Reached(cluster, "the lab", timings, LAB_INFRASTRUCTURE)


def _only_context(kubeconfig: Path | None) -> str | None:
    """The one context of a kubeconfig; None leaves a file that cannot be read to `connect`, which says why."""
    assert kubeconfig is not None
    try:
        parsed: Any = yaml.safe_load(kubeconfig.read_text())
        names = [one["name"] for one in parsed["contexts"] if isinstance(one["name"], str)]
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, RecursionError):
        return None
    if len(names) > 1:
        raise UsageError(f"{kubeconfig} has {len(names)} contexts", f"name one: --kube-context {' | '.join(names)}")
    return names[0] if names else None
