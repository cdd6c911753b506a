"""gameday.toml, or `[tool.gameday]` in pyproject.toml: what people write about a system that already runs.

A mistake is reported with the file and the key. Numbers are pods, nodes, seconds or shares, as named.
"""

import posixpath
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from chaos.errors import UsageError
from chaos.faults.infrastructure import CommandInfrastructure
from chaos.faults.permissions import Workload
from chaos.safety.abort_conditions import AbortLimits
from chaos.system.adopt.find import SystemQuery
from chaos.system.adopt.workload import kind_named, workload_named
from chaos.system.spec.base import Port, Quantity, Written
from chaos.trial.config_parts import (
    AutoscalingPart,
    LoadPart,
    Named,
    OwnMeansPart,
    Positive,
    SloPart,
    TimingsPart,
    TrafficPart,
)
from loadgen.shapes.patterns import RATE_MAX_RPS

__all__ = ["CONFIG_NAME", "GamedayConfig", "LoadPart", "SloPart", "TimingsPart", "find_config", "pin_of", "read_config"]

CONFIG_NAME = "gameday.toml"
PYPROJECT = "pyproject.toml"
ENGINE, ROLE = "engine", r"^[a-z][a-z0-9-]{0,30}$"


def _file(path: str) -> str:
    if not path.startswith("/") or path.endswith("/") or posixpath.normpath(path) != path:
        raise ValueError(f"must be files by their whole paths in the container, like /weights/model.gguf, not {path!r}")
    return path


FilePath = Annotated[str, AfterValidator(_file)]
AtLeastOne = Annotated[int, Field(ge=1, strict=True)]


class ClusterPart(Written):
    """Which cluster: a context of the kubeconfig, and the UID of its namespace kube-system, which no other has."""

    context: Named | None = None
    kubeconfig: Named | None = None
    uid: Named | None = None
    timings: TimingsPart = TimingsPart()


class SystemPart(OwnMeansPart):
    """What already runs there: one workload, its Service, and the objects around it. What is left out is looked up.

    `workload` names one of any kind, as `PLURAL.GROUP/NAME`. `through` are the kinds of controllers between its pods
    and it, beside ReplicaSets, as `PLURAL.GROUP`: found where they may be listed, and needed for the rights to.
    `tolerance` is how many replicas may be lost at once within the promise to users; None means half, rounded down.
    `roles` are other workloads of the same system, by what they do: `router = "deployment/router"`; traffic goes to the
    router's Service. The workload itself is the engine, and may be named there in place of here.
    `replica_rps` is what one ready replica carries within the SLO, requests/s; None: learned where it is needed.
    `data` are files that must survive whatever happens to replicas, by their paths in the container that serves.
    """

    namespace: Named
    deployment: Named | None = None
    statefulset: Named | None = None
    workload: Named | None = None
    through: tuple[Named, ...] = ()
    roles: Mapping[Annotated[str, Field(pattern=ROLE)], Named] = Field(default_factory=dict)
    service: Named | None = None
    port: Port | None = None
    disruption_budget: Named | None = None
    autoscaler: Named | None = None
    tolerance: Annotated[int, Field(ge=0, strict=True)] | None = None
    replica_rps: Annotated[float, Field(gt=0, le=RATE_MAX_RPS)] | None = None
    data: tuple[FilePath, ...] = ()

    def complaints(self) -> Iterator[str]:
        """Say which fields do not go together."""
        yield from super().complaints()
        named = (self.deployment, self.statefulset, self.workload, self.roles.get(ENGINE))
        if sum(one is not None for one in named) != 1:
            yield "give one of deployment, statefulset, workload and roles.engine, and only one"
            return
        if self.through and self.workload is None:
            yield "through goes only with workload"
        try:
            workloads = [self._workload(), *map(workload_named, self._others().values())]
            self._through()
        except ValueError as wrong:
            yield str(wrong)
            return
        if len(set(workloads)) < len(workloads):
            yield "roles must name different workloads"

    def _workload(self) -> tuple[str, str]:
        """Kind and name."""
        if written := self.workload or self.roles.get(ENGINE):
            return workload_named(written)
        return ("Deployment", self.deployment) if self.deployment else ("StatefulSet", self.statefulset or "")

    def _others(self) -> dict[str, str]:
        return {role: written for role, written in self.roles.items() if role != ENGINE}

    def role_queries(self) -> dict[str, SystemQuery]:
        """What to look for in the cluster beside the workload itself, by role."""
        named = {role: workload_named(written) for role, written in self._others().items()}
        return {role: SystemQuery(self.namespace, kind, name) for role, (kind, name) in named.items()}

    def other_workloads(self) -> tuple[Workload, ...]:
        """Kind and name of each workload beside its own."""
        return tuple((one.kind, one.name) for one in self.role_queries().values())

    def _through(self) -> tuple[str, ...]:
        return tuple(map(kind_named, self.through))

    def query(self) -> SystemQuery:
        """What to look for in the cluster."""
        kind, name = self._workload()
        return SystemQuery(
            namespace=self.namespace,
            kind=kind,
            name=name,
            service=self.service or "",
            port=self.port,
            disruption_budget=self.disruption_budget or "",
            autoscaler=self.autoscaler or "",
            tolerance=self.tolerance,
            data=self.data,
            through=tuple(map(kind_named, self.through)),
        )


class SafetyPart(Written):
    """Bounds beside the owner's consent on the cluster: a fault must be within both.

    `allow`: the faults that may be injected, None for all that the cluster's annotations name. `pods_max`: pods down at
    once, those that are down already among them; None means the tolerance, at least one. `nodes_max`: nodes out at
    once. `percent_max`: of the replicas that are wanted then, rounded down: a share of less than one is none.
    `protected`: namespaces that are never touched, beside Kubernetes' own. `abort`: a command that is run every
    `abort_every_s` seconds while a run goes on; when it fails, the trial stops. `abort_error_budget`: the share of the
    error budget of `slo.availability` that a trial may spend. `abort_usage`: the most that any pod of the system may
    use, of `cpu` and `memory`, by the metrics API. `rps_max`: the most requests/s that are ever offered.
    """

    allow: tuple[Named, ...] | None = None
    pods_max: AtLeastOne | None = None
    nodes_max: AtLeastOne = 1
    percent_max: Annotated[int, Field(ge=1, le=100, strict=True)] = 100
    rps_max: Positive | None = None
    protected: tuple[Named, ...] = ()
    abort: tuple[Named, ...] = ()
    abort_every_s: Positive = 10.0
    abort_error_budget: Positive | None = None
    abort_usage: Mapping[Literal["cpu", "memory"], Quantity] | None = None


class NodeInfrastructurePart(Written):
    """The user's own commands that switch a node off and on, with `{node}` for its name."""

    off: Named
    on: Named

    def complaints(self) -> Iterator[str]:
        """Say which command names no node."""
        try:
            self.infrastructure()
        except UsageError as wrong:
            yield str(wrong)

    def infrastructure(self) -> CommandInfrastructure:
        """What switches nodes off and on, for faults and for undoing."""
        return CommandInfrastructure(self.off, self.on)


class GamedayConfig(Written):
    """The whole file."""

    cluster: ClusterPart = ClusterPart()
    system: SystemPart
    traffic: TrafficPart = TrafficPart()
    load: LoadPart = LoadPart()
    autoscaling: AutoscalingPart = AutoscalingPart()
    slo: SloPart | None = None
    safety: SafetyPart = SafetyPart()
    node_infrastructure: NodeInfrastructurePart | None = None

    def complaints(self) -> Iterator[str]:
        """Say which parts do not go together."""
        if self.safety.abort_error_budget is not None and not (self.slo and self.slo.availability):
            yield "safety.abort_error_budget goes only with slo.availability, which says how large that budget is"

    def abort_limits(self) -> AbortLimits:
        """What a trial may cost before it stops."""
        availability = self.slo.availability if self.slo else None
        usage = {str(resource): most for resource, most in (self.safety.abort_usage or {}).items()}
        return AbortLimits(self.safety.abort_error_budget, availability, usage or None)


def find_config(root: Path) -> Path | None:
    """Find the file of a repository: gameday.toml, or a pyproject.toml that has `[tool.gameday]`; None without one."""
    if (root / CONFIG_NAME).is_file():
        return root / CONFIG_NAME
    pyproject = root / PYPROJECT
    return pyproject if pyproject.is_file() and "gameday" in _tools(_parsed(pyproject)) else None


def pin_of(root: Path, context: str) -> str:
    """The UID to which the file of a repository pins a context, for whoever deploys there; empty if none does."""
    try:
        cluster = read_config(found).cluster if (found := find_config(root)) else ClusterPart()
    except UsageError:
        return ""
    return cluster.uid or "" if cluster.context == context else ""


def read_config(path: Path) -> GamedayConfig:
    """Read a file. Raises `UsageError` that names the file and the key."""
    parsed, where = _parsed(path), str(path)
    if path.name == PYPROJECT:
        parsed = _tools(parsed).get("gameday") or {}
        where = f"{path} [tool.gameday]"
    try:
        return GamedayConfig.model_validate(parsed)
    except UsageError as wrong:
        what = wrong.what.removeprefix(GamedayConfig.__name__)
        raise UsageError(f"{where}: {what.lstrip('.: ')}", wrong.fix) from None


def _tools(parsed: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table `[tool]` of a pyproject.toml, empty where there is none."""
    tools = parsed.get("tool")
    return tools if isinstance(tools, Mapping) else {}


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        fix = "name the file: gameday … --system FILE, pytest --gameday-config FILE"
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} cannot be read: {why}", fix) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
