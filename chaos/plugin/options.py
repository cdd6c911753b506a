"""The options that the plugin adds to pytest, read once into one value."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chaos.errors import UsageError
from chaos.faults import CommandPower, Means
from chaos.trial.config import find_config
from loadgen.driver.workers import WORKERS_MAX

__all__ = ["SEED_MAX", "Options", "add_options", "field_of", "read_options"]

SEED_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for. `context` empty means the lab; `rejudge` is a saved run to judge again.

    `system` is the file that names a system that already runs; without one, each trial deploys its own, from the
    folder `manifests` if there is one.

    `fields` are fields of the SystemSpec that this session changes, over those of a scenario's marker.
    """

    system: Path | None
    manifests: Path | None
    context: str
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
    keep_lab: bool
    keep_namespace: bool
    pods_max: int | None
    load_workers: int | None
    load_in_cluster: bool
    load_image: str
    fields: Mapping[str, Any]

    @property
    def means(self) -> Means:
        """What the user gives beside the API. Raises `UsageError` for a command that names no node."""
        return Means(CommandPower(self.node_off, self.node_on) if self.node_off else None)

    @property
    def where(self) -> str:
        """Where scenarios run, in words."""
        if self.rejudge:
            return f"judging {self.rejudge} again"
        if self.system:
            return f"on the system of {self.system}"
        return f"on context {self.context}" if self.context else "on the lab"


def add_options(parser: pytest.Parser) -> None:
    """Declare the options, in a group of their own."""
    group = parser.getgroup("gameday", "gameday: resilience scenarios on Kubernetes")
    group.addoption(
        "--system",
        metavar="FILE",
        help="run on the system that already runs and that this file names (default: gameday.toml or [tool.gameday] in "
        "pyproject.toml beside pytest's own configuration; an empty name for neither)",
    )
    group.addoption(
        "--manifests", type=Path, metavar="DIR", help="deploy the manifests of this folder, not the conftest's system"
    )
    group.addoption("--kube-context", default="", metavar="NAME", help="run on this kubeconfig context, not on the lab")
    group.addoption(
        "--kubeconfig", type=Path, metavar="FILE", help="kubeconfig to use (default: $KUBECONFIG, ~/.kube/config)"
    )
    group.addoption("--image", default="", help="image of the reference model that the cluster can pull")
    group.addoption(
        "--service-url",
        default="",
        metavar="URL",
        help="how this host reaches the service; may hold {namespace} and {service}",
    )
    group.addoption(
        "--node-off",
        default="",
        metavar="COMMAND",
        help="command that takes a node's power away, e.g. 'virsh suspend {node}'; the lab has its own means",
    )
    group.addoption(
        "--node-on", default="", metavar="COMMAND", help="command that gives it back, e.g. 'virsh resume {node}'"
    )
    group.addoption(
        "--system-field",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a field of every scenario's SystemSpec, e.g. replicas=1; may be given more than once",
    )
    group.addoption("--seed", type=int, help="choose the same victims as the run with this seed")
    group.addoption(
        "--gameday-dry-run", action="store_true", help="rehearse: write down what faults would do, and do nothing"
    )
    group.addoption(
        "--require-consent",
        action="store_true",
        help="a scenario that the owners have not allowed fails; else it is skipped, with the command that allows it",
    )
    group.addoption("--rejudge", type=Path, metavar="RUN", help="judge this run folder again, with no cluster")
    group.addoption(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="where run folders are made (default: runs)"
    )
    group.addoption("--lab-nodes", type=int, default=3, metavar="N", help="nodes of the lab (default: 3)")
    group.addoption("--keep-lab", action="store_true", help="leave the lab running at the end")
    group.addoption("--keep-namespace", action="store_true", help="leave each trial's namespace for a look")
    group.addoption(
        "--load-workers",
        type=int,
        metavar="N",
        help="workers that share the load (default: gameday.toml's, else 1; a core each)",
    )
    group.addoption(
        "--load-in-cluster", action="store_true", help="send the load from pods in the cluster, by the Service's name"
    )
    group.addoption(
        "--load-image", default="", metavar="IMAGE", help="image of these pods that the cluster can pull (docs/load.md)"
    )
    group.addoption(
        "--pods-max", type=int, metavar="N", help="most pods that faults may have down at once (default: all replicas)"
    )


def read_options(config: pytest.Config) -> Options:
    """Read the options. Raises `pytest.UsageError` for values that cannot be."""

    def of(name: str) -> object:
        return config.getoption(name)

    options = Options(
        system=_system(config),
        manifests=config.getoption("manifests"),
        context=str(of("kube_context")),
        kubeconfig=config.getoption("kubeconfig"),
        image=str(of("image")),
        service_url=str(of("service_url")),
        node_off=str(of("node_off")),
        node_on=str(of("node_on")),
        seed=random.randrange(SEED_MAX) if of("seed") is None else int(config.getoption("seed")),  # noqa: S311  # replayable
        dry_run=bool(of("gameday_dry_run")),
        require_consent=bool(of("require_consent")),
        rejudge=config.getoption("rejudge"),
        runs=config.getoption("runs"),
        lab_nodes=config.getoption("lab_nodes"),
        keep_lab=bool(of("keep_lab")),
        keep_namespace=bool(of("keep_namespace")),
        pods_max=config.getoption("pods_max"),
        load_workers=config.getoption("load_workers"),
        fields=_fields(config),
        load_in_cluster=bool(of("load_in_cluster")),
        load_image=str(of("load_image")),
    )
    if options.kubeconfig and not (options.context or options.system):
        raise pytest.UsageError("--kubeconfig goes with --kube-context NAME: without it scenarios run on the lab")
    if bool(options.node_off) != bool(options.node_on):
        raise pytest.UsageError("--node-off and --node-on go together: whoever takes a node's power gives it back")
    if options.node_off and not (options.context or options.system):
        raise pytest.UsageError("--node-off goes with --kube-context NAME or --system: the lab has its own means")
    if options.manifests and options.system:
        raise pytest.UsageError("--manifests and --system: a system is deployed or adopted, not both")
    if options.lab_nodes < 1:
        raise pytest.UsageError(f"--lab-nodes {options.lab_nodes}: give at least 1")
    if options.pods_max is not None and options.pods_max < 1:
        raise pytest.UsageError(f"--pods-max {options.pods_max}: give at least 1")
    _refuse_load(options)
    return options


def _refuse_load(options: Options) -> None:
    """Raise `pytest.UsageError` for options about load that do not go together."""
    if options.load_workers is not None and not 1 <= options.load_workers <= WORKERS_MAX:
        raise pytest.UsageError(f"--load-workers {options.load_workers}: is not in 1..{WORKERS_MAX}")
    if options.load_image and not (options.context or options.system):
        raise pytest.UsageError("--load-image goes with --kube-context NAME or --system FILE: the lab makes its own")
    if options.load_in_cluster and options.dry_run and options.system:
        raise pytest.UsageError(
            "--gameday-dry-run changes nothing, and load pods are a change: leave --load-in-cluster out"
        )


def _system(config: pytest.Config) -> Path | None:
    """The file that names a system: as told, or as found; none for the lab, which deploys its own."""
    told = config.getoption("system")
    if told is not None:
        return Path(told) if told else None
    if config.getoption("manifests"):
        return None
    try:
        return find_config(config.rootpath)
    except UsageError as wrong:
        raise pytest.UsageError(str(wrong)) from None


def field_of(text: str) -> tuple[str, Any]:
    """Read `name=value`; the value is JSON where it can be, else text. Raises `UsageError`."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--system-field {text}: give NAME=VALUE, e.g. replicas=1")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _fields(config: pytest.Config) -> Mapping[str, Any]:
    try:
        return dict(map(field_of, config.getoption("system_field")))
    except UsageError as wrong:
        raise pytest.UsageError(str(wrong)) from None
