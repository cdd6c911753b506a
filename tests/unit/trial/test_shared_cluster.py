"""Trials that deploy their system on a cluster that is others' too: nodes by consent, and by one run at a time."""

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from cluster_objects import NAMESPACE
from cluster_objects import node as raw_node
from trial_contexts import context_with
from typer.testing import CliRunner

from chaos import faults
from chaos.cli.app import app
from chaos.errors import ClusterRefused, NotAllowed, UsageError
from chaos.faults.permissions import LEASE, Right, deploying_rights
from chaos.faults.scenario_analysis import activity_of
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.scaled_object import SCALED_OBJECT
from chaos.objects.workload_kind import DEPLOYMENT
from chaos.plugin.markers import may_deploy
from chaos.safety import BlastRadius
from chaos.safety.abort_conditions import AbortConditions
from chaos.system import Autoscale, SystemSpec
from chaos.trial.environment import Environment, SharedEnvironment
from chaos.trial.preflight.checks import require_to_deploy
from chaos.trial.preflight.rbac import HOME, deploying_objects
from chaos.trial.request import LoadSettings

DRAIN = faults.NodeDrain(Targets("n1", (Ref("Node", "", "n1", "uid-n1"),)), leave_foreign=True)
KILL = faults.PodKill(Targets("none", ()))
BOTH = [activity_of(faults.NodeDrain), activity_of(faults.PodKill)]


class Cluster:
    """Stands for one with the nodes n1 and n2, of which the owners of n1 allow this."""

    facts = SimpleNamespace(context="staging")

    def __init__(
        self, allow: str = "", *, homeless: bool = False, missing: Right | None = None, keda: bool = False
    ) -> None:
        self.allow, self.homeless, self.missing, self.keda = allow, homeless, missing, keda
        self.asked: list[tuple[str, str, str | None, str]] = []

    def kind(self, name: str) -> None:
        """Only a cluster with KEDA serves its kinds."""
        if not self.keda:
            raise UsageError(f"the cluster knows no {name}")

    def list(self, kind: str) -> list[dict[str, Any]]:
        """Both nodes."""
        assert kind == "Node"
        return [self.get(kind, None, name) or {} for name in ("n1", "n2")]

    def get(self, kind: str, _namespace: str | None, name: str) -> dict[str, Any] | None:
        """One of them, or the namespace of the lease."""
        if kind == "Namespace":
            return None if self.homeless else {"metadata": {"name": name}}
        raw = raw_node(name)
        raw["metadata"]["annotations"] = {"gameday.dev/allow": self.allow} if name == "n1" else {}
        return raw

    def may(self, verb: str, kind: str, namespace: str | None, *, subresource: str = "", name: str = "") -> bool:
        """Everything but one right."""
        self.asked.append((verb, kind, namespace, name))
        return Right(verb, kind, subresource, everywhere=namespace is None) != self.missing


class Lease:
    """Stands for one, which may be lost."""

    def __init__(self) -> None:
        self.taken, self.lost, self.given_back = False, "", False

    def __enter__(self) -> None:
        self.taken = True

    def __exit__(self, *_: object) -> None:
        self.given_back = True


def shared(cluster: Cluster, lease: Lease, until_end: ExitStack | None = None) -> SharedEnvironment:
    """That cluster as the environment of a session."""
    parts: dict[str, Any] = {"cluster": cluster, "lease": lease, "until_end": until_end or ExitStack()}
    return SharedEnvironment(**parts)


def test_a_run_takes_the_lease_before_it_hits_a_node() -> None:
    """Once a session, and gives it back at its end; what stays within the trial's own namespace needs none."""
    lease = Lease()
    with ExitStack() as session:
        environment = shared(Cluster(), lease, session)
        assert (environment.claim(), lease.taken) == (False, False)
        assert (environment.claim(nodes=True), lease.taken) == (True, True)
        assert environment.claim(nodes=True) is False
        assert environment.stop_reason() == ""
        lease.lost = "the lease is held by another now"
        assert environment.stop_reason() == "the lease is held by another now"
    assert lease.given_back


def test_nodes_are_hit_as_their_owners_allow() -> None:
    """The consent is looked up before the fault, and stays looked at; pods of the trial's own need nobody's."""
    cluster = Cluster("pod-kill")
    consent = shared(cluster, Lease()).consent(None)
    assert consent(KILL) == ""
    assert "kubectl annotate node n1 --overwrite gameday.dev/allow=node-drain,pod-kill" in consent(DRAIN)
    cluster.allow = "node-drain"
    assert (consent(DRAIN), consent.ask()) == ("", "")
    cluster.allow = ""
    assert "node-drain is not allowed on node n1" in consent.ask()


def test_a_scenario_that_no_node_allows_is_known_before_it_is_set_up() -> None:
    """With the command; one node that allows it is enough to begin."""
    (said,) = shared(Cluster(), Lease()).unallowed(BOTH)
    assert "node-drain is not allowed on node n1" in said
    assert list(shared(Cluster("node-drain"), Lease()).unallowed(BOTH)) == []
    assert list(shared(Cluster(), Lease()).unallowed([activity_of(faults.PodKill)])) == []


def drains(trial: Any) -> None:
    """A scenario that drains a node."""
    with trial.fault(faults.NodeDrain):
        pass


def test_such_a_scenario_is_skipped_or_fails_and_writes_nothing() -> None:
    """As on a system that already runs; where it may go on, the right to the lease is asked for."""
    request: Any = SimpleNamespace(node=SimpleNamespace(function=drains))
    spec, load = SystemSpec(name="web", image="web:1"), LoadSettings()
    refused = shared(Cluster(), Lease())
    with pytest.raises(pytest.skip.Exception, match="kubectl annotate node n1"):
        may_deploy(request, refused, spec, None, load)
    with pytest.raises(NotAllowed, match="kubectl annotate node n1"):
        may_deploy(request, refused, spec, None, load, require_consent=True)
    cluster = Cluster("node-drain")
    may_deploy(request, shared(cluster, Lease()), spec, None, load)
    assert ("create", "Lease", HOME, "") in cluster.asked


def test_a_system_by_keda_is_left_out_where_there_is_none() -> None:
    """In one sentence, before any right is asked for; with KEDA the rights to its ScaledObject are."""
    request: Any = SimpleNamespace(node=SimpleNamespace(function=lambda: None))
    keda = {"triggers": [{"type": "cpu", "metadata": {"value": "60"}}]}
    spec = SystemSpec(name="web", image="web:1", autoscale=Autoscale.model_validate({"replicas_max": 4, "keda": keda}))
    without = Cluster()
    with pytest.raises(pytest.skip.Exception, match=r"the cluster has no KEDA, .*: install it, on the lab "):
        may_deploy(request, shared(without, Lease()), spec, None, LoadSettings())
    assert not without.asked
    there = Cluster(keda=True)
    may_deploy(request, shared(there, Lease()), spec, None, LoadSettings())
    assert ("create", SCALED_OBJECT, None, "") in there.asked


def test_on_a_cluster_of_ours_nobody_is_asked() -> None:
    """The lab's nodes are this host's own."""
    cluster: Any = Cluster()
    ours = Environment(cluster=cluster)
    assert (ours.consent(None)(DRAIN), list(ours.unallowed(BOTH)), ours.claim(nodes=True)) == ("", [], False)


def in_trial(environment: SharedEnvironment) -> Any:
    """A trial there, whose system has no pod."""
    objects = {"Node": [raw_node("n1"), raw_node("n2")], "Pod": [], "Deployment": []}
    return context_with(
        environment=environment,
        executor=SimpleNamespace(),
        abort_conditions=AbortConditions(()),
        recorder=SimpleNamespace(objects=lambda kind: objects[kind]),
        namespace=NAMESPACE,
        adopted=False,
        workload_kind=DEPLOYMENT,
        system=SimpleNamespace(workload=Ref("Deployment", NAMESPACE, "web"), objects=()),
        blast_radius=lambda **_: BlastRadius(NAMESPACE, pods_max=5, nodes_max=1),
        consent=environment.consent(None),
    )


def test_a_trial_holds_the_lease_when_it_drains_a_node_and_not_when_it_kills_a_pod() -> None:
    """And neither if the node's owners object: then nothing is written."""
    lease = Lease()
    with pytest.raises(NotAllowed, match="node-drain is not allowed on node n1"):
        in_trial(shared(Cluster(), lease)).permits(DRAIN, pytest.fail)
    context = in_trial(shared(Cluster("node-drain"), lease))
    assert (context.permits(KILL, pytest.fail), lease.taken) == (True, False)
    assert (context.permits(DRAIN, pytest.fail), lease.taken) == (True, True)


@pytest.mark.parametrize(
    ("fault", "on_shared", "rights"),
    [(faults.NodeDrain, True, LEASE), (faults.NodeDrain, False, ()), (faults.PodKill, True, ())],
    ids=["nodes of others", "nodes of ours", "no node"],
)
def test_the_lease_on_nodes_is_a_right_in_one_namespace(
    fault: type[faults.Fault], rights: tuple[Right, ...], *, on_shared: bool
) -> None:
    """And held to its name: no other lease of the cluster, such as a node's own, can be written by it."""
    wanted = deploying_rights([activity_of(fault)], proxied=False, claims=False, shared=on_shared)
    assert tuple(one for one in wanted if not one.everywhere) == rights
    assert not {(one.verb, one.kind) for one in wanted if one.everywhere} & {("create", "Lease"), ("patch", "Lease")}
    objects = deploying_objects(wanted)
    assert ("Role" in {one["kind"] for one in objects}) is bool(rights)
    for role in (one for one in objects if one["kind"] == "Role"):
        assert role["metadata"]["namespace"] == HOME
        named = {verb: rule.get("resourceNames") for rule in role["rules"] for verb in rule["verbs"]}
        assert named == {"create": None, "delete": ["gameday"], "get": ["gameday"], "patch": ["gameday"]}


def test_the_command_prints_the_lease_for_scenarios_that_hit_nodes() -> None:
    """`gameday rbac --deploys` is for clusters of others: what preflight asks for is printed."""
    scenarios = "scenarios/test_node_drain.py"
    printed = CliRunner().invoke(app, ["rbac", "--deploys", scenarios])
    assert printed.exit_code == 0, printed.output
    assert "kind: RoleBinding" in printed.output
    assert (
        "kind: RoleBinding" not in CliRunner().invoke(app, ["rbac", "--deploys", "scenarios/test_pod_kill.py"]).output
    )


def test_what_the_lease_lacks_is_named() -> None:
    """The right with its namespace, or the namespace itself with how to make it."""
    wanted = deploying_rights(BOTH, proxied=False, claims=False, shared=True)
    cluster: Any = Cluster()
    require_to_deploy(cluster, wanted)
    assert ("patch", "Lease", HOME, "gameday") in cluster.asked
    missing: Any = Cluster(missing=Right("create", "Lease"))
    with pytest.raises(ClusterRefused, match="may not: create Lease in namespace gameday"):
        require_to_deploy(missing, wanted)
    homeless: Any = Cluster(homeless=True)
    with pytest.raises(ClusterRefused, match="there is no namespace gameday") as refused:
        require_to_deploy(homeless, wanted)
    assert "kubectl create namespace gameday" in refused.value.fix
    require_to_deploy(homeless, deploying_rights(BOTH, proxied=False, claims=False))
