"""Whatever a fault is, no more replicas are down because of it than the owners allow: a property of every kind.

What a fault may do at worst is written down here once more, apart from what the fault says of itself. A kind that is
new has to be, too.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from cluster_objects import owner
from cluster_objects import pod as other_pod
from histories import NAMESPACE, WORKLOAD, node, pod
from trial_contexts import context_with

from chaos import faults
from chaos.cluster.transport import Answer
from chaos.errors import UsageError
from chaos.faults import Fault
from chaos.faults.infrastructure import NO_INFRASTRUCTURE
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.workload_kind import DEPLOYMENT
from chaos.system import SystemSpec
from chaos.trial.adopted_environment import AdoptedEnvironment
from chaos.trial.config import GamedayConfig
from chaos.trial.context import TrialContext
from chaos.trial.preflight.adopted_cluster import Adoption
from chaos.trial.preflight.consent import Consent

CHAT, BUDGET = Ref("Deployment", NAMESPACE, WORKLOAD, "d-1"), Ref("PodDisruptionBudget", NAMESPACE, WORKLOAD, "b-1")
NODES = ("n1", "n2", "n3")
PROBED = {"name": "model", "image": "chat:1", "readinessProbe": {"httpGet": {"path": "/", "port": 1}}}
NEIGHBOUR = other_pod("redis-0", app="redis", by=owner("StatefulSet", "redis"), namespace=NAMESPACE)


@dataclass(frozen=True)
class Moment:
    """How the system is: replicas that are wanted, how many of them are missing, and how a release replaces them.

    Replica k is on node 1 or 2 in turn; the last ones are missing.
    """

    wanted: int
    missing: int = 0
    strategy: str = "default"

    @property
    def ready(self) -> int:
        """How many serve."""
        return self.wanted - self.missing

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """What the trial watches."""
        spec = {"replicas": self.wanted, "template": {"spec": {"containers": [PROBED]}}, **STRATEGIES[self.strategy]}
        return {
            "Node": [node(name) for name in NODES],
            "Pod": [pod(f"p{k}", ready=k < self.ready, node=NODES[k % 2]) for k in range(self.wanted)],
            "Deployment": [{"metadata": {"uid": "d-1", "name": WORKLOAD, "namespace": NAMESPACE}, "spec": spec}],
        }[kind]

    def ready_on(self, *nodes: str) -> int:
        """How many serve from these nodes."""
        return sum(NODES[k % 2] in nodes for k in range(self.ready))


STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "all at once": {"strategy": {"type": "Recreate"}},
    "by halves": {"strategy": {"rollingUpdate": {"maxUnavailable": "50%", "maxSurge": 0}}},
    "none missed": {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}},
}


def some_pods(count: int) -> Targets:
    """The first replicas."""
    return Targets("some", tuple(Ref("Pod", NAMESPACE, f"model-p{k}", f"p{k}") for k in range(count)))


def some_nodes(count: int) -> Targets:
    """The first nodes."""
    return Targets("some nodes", tuple(Ref("Node", "", name, f"node-{name}") for name in NODES[:count]))


def of_pods(moment: Moment, size: int) -> int:
    """Those that are hit, of those that serve."""
    return moment.missing + min(size, moment.ready)


def of_nodes(moment: Moment, size: int) -> int:
    """All that serve from these nodes."""
    return moment.missing + moment.ready_on(*NODES[:size])


def of_release(moment: Moment, _size: int) -> int:
    """What the strategy lets a release miss: by default a quarter, rounded down; none and no more is taken for one."""
    may = {
        "default": moment.wanted // 4,
        "all at once": moment.wanted,
        "by halves": max(1, moment.wanted // 2),
        "none missed": 0,
    }[moment.strategy]
    return max(moment.missing, may)


@dataclass(frozen=True)
class Kind:
    """A kind of fault: how it is aimed at so many, and how many replicas are down then at worst."""

    aim: Callable[[int], Fault]
    worst: Callable[[Moment, int], int]


KINDS: Mapping[type[Fault], Kind] = {
    faults.PodKill: Kind(lambda n: faults.PodKill(some_pods(n)), of_pods),
    faults.Evict: Kind(lambda n: faults.Evict(some_pods(n)), of_pods),
    faults.ProcessHang: Kind(lambda n: faults.ProcessHang(some_pods(n)), of_pods),
    faults.ProcessCrash: Kind(lambda n: faults.ProcessCrash(some_pods(n)), of_pods),
    faults.NotReady: Kind(lambda n: faults.NotReady(some_pods(n)), of_pods),
    faults.MemoryHog: Kind(lambda n: faults.MemoryHog(some_pods(n)), of_pods),
    faults.NetworkPartition: Kind(lambda n: faults.NetworkPartition(some_pods(n)), of_pods),
    faults.NodeDrain: Kind(lambda _: faults.NodeDrain(some_nodes(1)), lambda moment, _: of_nodes(moment, 1)),
    faults.RollingPoolDrain: Kind(lambda n: faults.RollingPoolDrain(some_nodes(n), migrate=True), of_nodes),
    faults.ClusterUpgrade: Kind(lambda n: faults.ClusterUpgrade(some_nodes(n)), of_nodes),
    faults.NodeDown: Kind(lambda n: faults.NodeDown(some_nodes(n), whole_namespace=True), of_nodes),
    faults.RollingUpdate: Kind(lambda _: faults.RollingUpdate(CHAT), of_release),
    faults.BadRollout: Kind(lambda _: faults.BadRollout(CHAT, "probe"), of_release),
    faults.Scale: Kind(lambda n: faults.Scale(CHAT, n), lambda moment, n: max(moment.missing, moment.wanted - n)),
    faults.BudgetChange: Kind(
        lambda n: faults.BudgetChange(BUDGET, max_unavailable=n),
        lambda moment, n: max(moment.missing, min(n, moment.wanted)),
    ),
    faults.MetricsDown: Kind(lambda _: faults.MetricsDown(), lambda moment, _: moment.missing),
    faults.AutoscalerRestart: Kind(lambda _: faults.AutoscalerRestart(), lambda moment, _: moment.missing),
}

BESIDE = {fault for fault in faults.ALL_FAULTS if fault.hits_none}
"""They hit nothing of the system, nor of a neighbour: what serves the whole cluster, where the infrastructure may."""


def context_of(before: Moment, after: Moment, pods_max: int, percent_max: int) -> TrialContext:
    """A trial in a namespace that is a neighbour's too; while it waits for the lease, the system changes."""
    now = [before]

    def claim(*, nodes: bool) -> bool:
        del nodes
        now[0] = after
        return True

    def objects(kind: str) -> list[dict[str, Any]]:
        return now[0].objects(kind)

    config = GamedayConfig.model_validate(
        {
            "system": {"namespace": NAMESPACE, "deployment": WORKLOAD},
            "safety": {"pods_max": pods_max, "percent_max": percent_max, "nodes_max": len(NODES)},
        }
    )
    nothing: Any = None
    bounds = AdoptedEnvironment(
        cluster=nothing,
        adoption=Adoption(Path("gameday.toml"), config, nothing),
        lease=nothing,
        abort_command=nothing,
        until_end=nothing,
        say=print,
    ).blast_radius
    return context_with(
        cluster=SimpleNamespace(read=lambda *_: Answer(200, json.dumps({"items": [NEIGHBOUR]}).encode())),
        environment=SimpleNamespace(claim=claim, stop_reason=lambda: ""),
        executor=SimpleNamespace(),
        abort_conditions=SimpleNamespace(objection=lambda: ""),
        recorder=SimpleNamespace(objects=objects, now=now),
        namespace=NAMESPACE,
        selector={"app": WORKLOAD},
        adopted=True,
        workload_kind=DEPLOYMENT,
        system=SimpleNamespace(workload=CHAT, objects=(CHAT, BUDGET)),
        blast_radius=partial(bounds, SystemSpec(name="chat", image="chat:1", replicas=5), NAMESPACE, None),
        consent=Consent(),
    )


def missing(context: Any) -> int:
    """What of the replicas is down, as the history would tell: here none was ever more than wanted."""
    moment: Moment = context.recorder.now[0]
    return moment.missing


def admitted(fault: Fault, context: TrialContext) -> bool:
    """Whether a trial would make it."""
    with patch.object(TrialContext, "replicas_down", missing):
        try:
            return context.permits(fault, lambda _: None)
        except UsageError:
            return False


def moments(strategies: tuple[str, ...]) -> Iterator[tuple[Moment, Moment]]:
    """How the system is before the wait for the lease, and after it: as before, or scaled in, or with one missing."""
    for strategy in strategies:
        there = [Moment(wanted, lost, strategy) for wanted in (2, 4, 5) for lost in (0, 1)]
        yield from ((one, two) for one, two in itertools.product(there, there) if two.wanted <= one.wanted)


def test_every_kind_is_here() -> None:
    """One that is new is admitted by what it says of itself alone, until its worst case is written down here."""
    assert set(KINDS) == set(faults.ALL_FAULTS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=[one.name for one in KINDS])
def test_no_more_is_down_because_of_us_than_the_owners_allow(kind: Kind) -> None:
    """The number and the share hold as all is when the fault is made, also after a scale-in midway."""
    counts = {True: 0, False: 0}
    of_strategy = tuple(STRATEGIES) if kind.worst is of_release else ("default",)
    for (before, after), pods_max, percent_max, size in itertools.product(
        moments(of_strategy), (1, 3), (34, 100), (1, 2)
    ):
        made = admitted(kind.aim(size), context_of(before, after, pods_max, percent_max))
        counts[made] += 1
        worst = kind.worst(after, size)
        if made and worst > after.missing:
            allowed = min(pods_max, after.wanted * percent_max // 100)
            assert worst <= allowed, (before, after, pods_max, percent_max, size)
    beside = kind in [KINDS[one] for one in BESIDE]
    assert counts[True] > 0, "the bounds allow nothing"
    assert (counts[False] > 0) is not beside, "the bounds decide nothing"


@pytest.mark.parametrize("kind", KINDS.values(), ids=[one.name for one in KINDS])
def test_what_the_owners_allow_is_made(kind: Kind) -> None:
    """Of five replicas four may be down: then nothing is refused that is no more."""
    there = Moment(5)
    for size in (1, 2):
        if kind.worst(there, size) <= 4:
            assert admitted(kind.aim(size), context_of(there, there, 4, 100))


REDIS = Targets("a neighbour's", (Ref("Pod", NAMESPACE, "redis-0", "uid-redis-0"),))
OF_NEIGHBOURS: Mapping[type[Fault], Callable[[], Fault]] = {
    faults.NodeDown: lambda: faults.NodeDown(some_nodes(1)),
    faults.RollingUpdate: lambda: faults.RollingUpdate(Ref("Deployment", NAMESPACE, "redis", "d-9")),
    faults.BadRollout: lambda: faults.BadRollout(Ref("Deployment", NAMESPACE, "redis", "d-9"), "probe"),
    faults.Scale: lambda: faults.Scale(Ref("Deployment", NAMESPACE, "redis", "d-9"), 5),
    faults.BudgetChange: lambda: faults.BudgetChange(
        Ref("PodDisruptionBudget", NAMESPACE, "redis", "b-9"), max_unavailable=0
    ),
}
LEAVES_NEIGHBOURS = {faults.NodeDrain, faults.RollingPoolDrain, faults.ClusterUpgrade}


@pytest.mark.parametrize("fault", faults.ALL_FAULTS, ids=lambda one: one.name)
def test_in_a_shared_namespace_nothing_of_a_neighbour_is_hit(fault: Any) -> None:
    """Aimed at a neighbour's, or taking it along, a fault is refused whatever the numbers; a drain leaves it there."""
    there = Moment(5)
    if fault in LEAVES_NEIGHBOURS:
        assert fault(some_nodes(1)).leaves_neighbours
        return
    if fault in BESIDE:
        assert fault().victims == ()
        context = replace(context_of(there, there, 5, 100), infrastructure=NO_INFRASTRUCTURE)
        assert "only the lab's may be stopped" in fault().inject(context).missed
        return
    aimed = OF_NEIGHBOURS[fault]() if fault in OF_NEIGHBOURS else fault(REDIS)
    assert not admitted(aimed, context_of(there, there, 5, 100))
