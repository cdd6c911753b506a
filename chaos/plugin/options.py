"""The options that the plugin adds to pytest, read once into one value; each begins with --gameday-."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chaos.errors import UsageError

if TYPE_CHECKING:
    from chaos.faults import Infrastructure
    from chaos.lab.control_plane.build import Release

__all__ = ["SEED_MAX", "Options", "add_options", "field_of", "given", "options_of"]

SEED_MAX = 1_000_000
RUNS = Path("runs")
LAB_NODES = 3

CONFIG_HELP = (
    "run on the system that this file names, which already runs (default: gameday.toml or [tool.gameday] in "
    "pyproject.toml beside pytest's own configuration; an empty name for neither)"
)

FLAGS = {
    "dry-run": "write down what faults would do, and inject none",
    "require-consent": "fail what the owners have not allowed (default: skip it)",
    "keep-lab": "leave the lab running at the end",
    "keep-namespace": "do not delete the trials' namespaces",
    "canary": "ask each replica directly, for a server whose answers name none (docs/staging.md)",
    "load-in-cluster": "send the load from pods in the cluster, by the Service's name",
}
"""Options without a value, and their help."""

VALUES: Mapping[str, tuple[type, str, str]] = {
    "config": (str, "FILE", CONFIG_HELP),
    "manifests": (Path, "DIR", "deploy the manifests of this folder, not the conftest's system"),
    "kube-context": (str, "NAME", "run on this kubeconfig context, not on the lab"),
    "cluster-uid": (str, "UID", "UID of namespace kube-system: no other cluster is touched (default: gameday.toml's)"),
    "kubeconfig": (Path, "FILE", "kubeconfig to use (default: $KUBECONFIG, ~/.kube/config)"),
    "image": (str, "IMAGE", "image of the model that the cluster can pull, or that gameday lab load put there"),
    "service-url": (str, "URL", "how this host reaches the service; may hold {namespace} and {service}"),
    "node-off": (str, "COMMAND", "command that switches a node off, e.g. 'virsh suspend {node}'; not for the lab"),
    "node-on": (str, "COMMAND", "command that switches it on again, e.g. 'virsh resume {node}'"),
    "seed": (int, "N", "choose the same victims as the run with this seed"),
    "rejudge": (Path, "RUN", "judge this run folder again, with no cluster"),
    "runs": (Path, "DIR", f"where run folders are made (default: {RUNS})"),
    "lab-nodes": (int, "N", f"nodes of the lab (default: {LAB_NODES})"),
    "lab-kubernetes": (str, "MINOR", "version of the lab's Kubernetes (default: that of the lab that runs)"),
    "lab-kubelet": (str, "MINOR", "version of its nodes, if older than that"),
    "load-workers": (int, "N", "workers that share the load (default: gameday.toml's, else 1; a core each)"),
    "load-image": (str, "IMAGE", "image of load pods that the cluster can pull (docs/load.md)"),
    "load-ingress": (str, "CIDR,…", "the API server's addresses: a NetworkPolicy lets only these reach load pods"),
    "pods-max": (int, "N", "most pods that faults may have down at once (gameday.toml's bounds hold too)"),
    "replica-rps": (
        float,
        "RPS",
        "requests/s that a load of 1.0 is, of one replica (else gameday.toml's, or learned)",
    ),
    "soak-s": (float, "SECONDS", "run the ready-made soak scenario for so long, e.g. 3600"),
}
"""Options with a value: its type, what stands for it in the help, and the help."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for.

    Attributes:
        config_file: names a system that already runs; without one each trial deploys its own.
        manifests: a folder of what each trial deploys, in place of the conftest's system.
        context: of the kubeconfig; empty means the lab.
        cluster_uid: of its namespace kube-system, which no other cluster has.
        lab_release: which Kubernetes the lab must be; None takes the one that runs.
        rejudge: a saved run to judge again.
        fields: fields of the SystemSpec that this session changes, over those of a scenario's marker.
    """

    config_file: Path | None
    manifests: Path | None
    context: str
    cluster_uid: str
    kubeconfig: Path | None
    image: str
    service_url: str
    node_off: str
    node_on: str
    seed: int
    dry_run: bool
    require_consent: bool
    rejudge: Path | None
    runs: Path
    lab_nodes: int
    lab_release: Release | None
    keep_lab: bool
    keep_namespace: bool
    canary: bool
    pods_max: int | None
    load_workers: int | None
    load_in_cluster: bool
    load_image: str
    load_ingress: tuple[str, ...]
    replica_rps: float | None
    fields: Mapping[str, Any]

    @property
    def infrastructure(self) -> Infrastructure:
        """What the user gives beside the API. Raises `UsageError` for a command that names no node."""
        from chaos.faults import CommandInfrastructure, Infrastructure

        return Infrastructure(CommandInfrastructure(self.node_off, self.node_on) if self.node_off else None)

    @property
    def where(self) -> str:
        """Where scenarios run, in words."""
        if self.rejudge:
            return f"judging {self.rejudge} again"
        if self.config_file:
            return f"on the system of {self.config_file}"
        return f"on context {self.context}" if self.context else "on the lab"


OPTIONS = pytest.StashKey[Options]()


def add_options(parser: pytest.Parser) -> None:
    """Declare the options, in a group of their own."""
    group = parser.getgroup("gameday", "gameday: resilience scenarios on Kubernetes")
    for name, (kind, metavar, words) in VALUES.items():
        group.addoption(f"--gameday-{name}", type=kind, metavar=metavar, help=words)
    group.addoption(
        "--gameday-system-field",
        action="append",
        metavar="NAME=VALUE",
        help="change a field of every scenario's SystemSpec, e.g. replicas=1; may be given more than once",
    )
    for name, words in FLAGS.items():
        group.addoption(f"--gameday-{name}", action="store_true", default=None, help=words)


def _value(config: pytest.Config, name: str) -> Any:
    return config.getoption(f"gameday_{name.replace('-', '_')}")


def given(config: pytest.Config) -> bool:
    """Whether any of the options was given."""
    return any(_value(config, name) is not None for name in (*VALUES, *FLAGS, "system-field"))


def options_of(config: pytest.Config) -> Options:
    """Read the options, once. Raises `pytest.UsageError` for values that cannot be."""
    if OPTIONS not in config.stash:
        config.stash[OPTIONS] = _read(config)
    return config.stash[OPTIONS]


def _read(config: pytest.Config) -> Options:
    def text(name: str) -> str:
        return str(_value(config, name) or "")

    def flag(name: str) -> bool:
        return bool(_value(config, name))

    seed, lab_nodes, config_file = _value(config, "seed"), _value(config, "lab-nodes"), _config_file(config)
    options = Options(
        config_file=config_file,
        manifests=_value(config, "manifests"),
        context=text("kube-context"),
        cluster_uid=text("cluster-uid") or ("" if config_file else _pin(config)),
        kubeconfig=_value(config, "kubeconfig"),
        image=text("image"),
        service_url=text("service-url"),
        node_off=text("node-off"),
        node_on=text("node-on"),
        seed=random.randrange(SEED_MAX) if seed is None else seed,  # noqa: S311  # replayable
        dry_run=flag("dry-run"),
        require_consent=flag("require-consent"),
        rejudge=_value(config, "rejudge"),
        runs=_value(config, "runs") or RUNS,
        lab_nodes=LAB_NODES if lab_nodes is None else lab_nodes,
        lab_release=_release(text("lab-kubernetes"), text("lab-kubelet")),
        keep_lab=flag("keep-lab"),
        keep_namespace=flag("keep-namespace"),
        canary=flag("canary"),
        pods_max=_value(config, "pods-max"),
        load_workers=_value(config, "load-workers"),
        load_in_cluster=flag("load-in-cluster"),
        load_image=text("load-image"),
        load_ingress=tuple(filter(None, text("load-ingress").split(","))),
        replica_rps=_value(config, "replica-rps"),
        fields=_fields(config),
    )
    from chaos.plugin.option_conflicts import objection_to

    if objection := objection_to(options):
        raise pytest.UsageError(objection)
    return options


def _config_file(config: pytest.Config) -> Path | None:
    """The file that names a system: as given, or as found; none for the lab, which deploys its own."""
    name = _value(config, "config")
    if name is not None:
        return Path(name) if name else None
    if _value(config, "manifests"):
        return None
    from chaos.trial.config import find_config

    try:
        return find_config(config.rootpath)
    except UsageError as wrong:
        raise pytest.UsageError(str(wrong)) from None


def _release(kubernetes: str, kubelet: str) -> Release | None:
    if not (kubernetes or kubelet):
        return None
    from chaos.lab.control_plane.build import Release

    try:
        return Release.of(kubernetes, kubelet)
    except UsageError as wrong:
        raise pytest.UsageError(str(wrong)) from None


def _pin(config: pytest.Config) -> str:
    """The UID that a file which is not used, but stands there, has for the context that is."""
    context = str(_value(config, "kube-context") or "")
    if not context:
        return ""
    from chaos.trial.config import pin_of

    return pin_of(config.rootpath, context)


def field_of(text: str) -> tuple[str, Any]:
    """Read `name=value`; the value is JSON where it can be, else text. Raises `UsageError`."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--gameday-system-field {text}: give NAME=VALUE, e.g. replicas=1")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _fields(config: pytest.Config) -> Mapping[str, Any]:
    try:
        return dict(map(field_of, _value(config, "system-field") or ()))
    except UsageError as wrong:
        raise pytest.UsageError(str(wrong)) from None
