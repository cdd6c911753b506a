"""Each ready-made scenario against many systems, without a cluster: what it decides, and whom its faults would hit.

A plugin of a pytest of its own, which collects the scenarios: each is asked whether it fits, and if so its body is run
over a trial that only writes down. What it would do is held against the bounds of the system's owners.
"""

from __future__ import annotations

import inspect
import itertools
import json
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from histories import NAMESPACE, WORKLOAD, node, pod

from chaos import Autoscale
from chaos.cluster import NullJournal
from chaos.faults import Fault
from chaos.faults.targets import ZONE
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.plugin.markers import scenario_activities
from chaos.plugin.room import lacks_of_room, nodes_with, room_of
from chaos.plugin.spec_fields import wanted_fields
from chaos.safety import BlastRadius
from chaos.slo import Slo
from chaos.system import SystemSpec
from chaos.system.spec.compatibility import unmet
from chaos.trial.config import GamedayConfig
from chaos.trial.preflight.adopted_cluster import Adoption
from chaos.trial.replica_capacity import ReplicaCapacity
from chaos.trial.request import LoadSettings
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from loadgen.driver.driver import StreamHandle
from loadgen.shapes import Steady

__all__ = ["BUDGETS", "OWNERS", "PLACES", "TOLD_AT", "Told"]

TOLD_AT = "GAMEDAY_TEST_REHEARSED"

BUDGETS: dict[str, Any] = {
    "none": None,
    "minAvailable 1": {"min_available": 1},
    "maxUnavailable 1": {"max_unavailable": 1},
    "50 %": {"max_unavailable": "50%"},
    "all": {"min_available": "100%"},
}
OWNERS: dict[str, dict[str, Any]] = {
    "default": {},
    "one pod": {"pods_max": 1},
    "a tenth": {"percent_max": 10},
    "much": {"pods_max": 99, "nodes_max": 9},
}
PLACES = ("spread", "one node")
NODES = ("n1", "n2", "n3")
SOAK_S = 600.0


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a scenario on a system: why it was left out, or how many pods each of its faults hits."""

    scenario: str
    replicas: int
    budget: str
    owners: str
    place: str
    left_out: tuple[str, ...] = ()
    hit: tuple[int, ...] = ()
    broken: str = ""


@dataclass
class Written:
    """A trial that only writes down; `radius` is the bound of the owners."""

    radius: BlastRadius
    ours: frozenset[str]
    hit: list[int] = field(default_factory=list)
    judged: bool = False

    def baseline(self, **_: Any) -> None:
        """Time passes."""

    def hold(self, **_: Any) -> None:
        """Time passes."""

    def recovery(self, **_: Any) -> None:
        """Time passes."""

    def read_data(self, *_: Any) -> None:
        """Nothing is there to read."""

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        """Hold its victims against the bound."""
        assert fault.victims or fault.hits_none, f"{fault.name} hits nobody"
        self.radius.admit(fault.victims, ours=self.ours)
        self.hit.append(sum(victim.kind == "Pod" for victim in fault.victims))
        yield

    def judge(self, *checks: Any, **_: Any) -> None:
        """The checks were made without an error."""
        assert checks
        self.judged = True


def pytest_collection_finish(session: pytest.Session) -> None:
    """Rehearse each, where this module is that pytest's plugin."""
    if told := os.environ.get(TOLD_AT):
        cases = itertools.product(session.items, range(1, 7), BUDGETS, OWNERS, PLACES)
        found = [asdict(_rehearsed(*case)) for case in cases]
        Path(told).write_text(json.dumps(found))


def _rehearsed(item: pytest.Item, replicas: int, budget: str, owners: str, place: str) -> Told:
    case = (item.nodeid.partition("/")[2], replicas, budget, owners, place)
    spec = _spec(item, replicas, BUDGETS[budget])
    pods, nodes = _placed(replicas, place)
    config = GamedayConfig.model_validate({"system": {"namespace": "llm", "deployment": "m"}, "safety": OWNERS[owners]})
    adoption = Adoption(Path("gameday.toml"), config, None)  # type: ignore[arg-type]  # nothing is asked of a cluster
    radius = BlastRadius(NAMESPACE, adoption.pods_max(replicas, spec.losses_tolerated), config.safety.nodes_max)
    activities = scenario_activities(item, LoadSettings())
    room = room_of(spec, radius, nodes_with(map(NodeView, nodes), map(PodView, pods)))
    lacks = (*unmet(spec, wanted_fields(item)), *lacks_of_room(item, room, activities))
    if lacks:
        return Told(*case, left_out=lacks)
    trial = Written(radius, frozenset([*(one["metadata"]["uid"] for one in pods), "d-1", "b-1"]))
    try:
        _run(item, trial, _system(spec, pods, nodes, radius, replicas))
        broken = "" if trial.judged else "no verdict"
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told
        broken = f"{type(error).__name__}: {error}"
    return Told(*case, hit=tuple(trial.hit), broken=broken)


def _spec(item: pytest.Item, replicas: int, budget: Any) -> SystemSpec:
    """A live system that has what the scenario asks of any, so that only its room decides."""
    wanted = {"disruption_budget": budget, **wanted_fields(item)}
    needs = [need for marker in item.iter_markers("needs") for need in marker.args]
    if "autoscaler" in needs:
        wanted["autoscale"] = Autoscale(replicas_min=replicas, replicas_max=2 * replicas, cpu_percent=60)
    return SystemSpec(name=WORKLOAD, image="any").having(**wanted, replicas=replicas)


def _placed(replicas: int, place: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Ready pods on nodes of two zones and two pools, and one that runs and is not Ready."""
    where = {"spread": NODES, "one node": NODES[:1]}[place]
    pods = [pod(f"p{number}", ready=True, node=where[number % len(where)]) for number in range(replicas)]
    zones = {"n1": "a", "n2": "b", "n3": "b"}
    nodes = [
        node(name, labels={ZONE: zones[name], "gameday.dev/pool": "green" if name == "n1" else "blue"})
        for name in NODES
    ]
    return [*pods, pod("unready", running=True, node="n3")], nodes


def _system(
    spec: SystemSpec, pods: Sequence[Any], nodes: Sequence[Any], radius: BlastRadius, replicas: int
) -> SystemUnderTest:
    found = {"Pod": pods, "Node": nodes}
    return SystemUnderTest(
        spec=spec,
        namespace=NAMESPACE,
        words="app=model",
        rng=random.Random(1),  # noqa: S311  # replayable
        recorder=SimpleNamespace(objects=lambda kind: found.get(kind, [])),  # type: ignore[arg-type]  # stands in
        workload=Ref("Deployment", NAMESPACE, WORKLOAD, "d-1"),
        disruption_budget=Ref("PodDisruptionBudget", NAMESPACE, WORKLOAD, "b-1"),
        at_once=min(radius.pods_max, replicas),
        nodes_at_once=radius.nodes_max,
    )


def _run(item: pytest.Item, trial: Written, system: SystemUnderTest) -> None:
    function: Any = item.function  # type: ignore[attr-defined]
    capacity = ReplicaCapacity(3.0)
    traffic = Traffic(_generator, NullJournal(), profile="", origin="", url="", capacity=capacity)
    given = {
        "trial": trial,
        "system": system,
        "traffic": traffic,
        "slo": Slo(availability=0.99, latency_p99_s=5.0),
        "soak_s": SOAK_S,
        **getattr(getattr(item, "callspec", None), "params", {}),
    }
    function(**{name: given[name] for name in inspect.signature(function).parameters})


def _generator() -> Any:
    return SimpleNamespace(
        begin=lambda shape, name: StreamHandle(name, shape, 1), end=lambda name: StreamHandle(name, Steady(1), 1, 2)
    )
