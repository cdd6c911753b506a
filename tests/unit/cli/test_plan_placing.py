"""Where a replacement may go: the scheduler's rules that are modelled, one by one."""

from typing import Any

import pytest
from cluster_objects import Obj, deployment, node, owner, pod
from plan_clusters import listing

from chaos.cli.plan.index import ClusterIndex
from chaos.cli.plan.scheduling import Homeless, Room, Taken
from chaos.objects.quantities import milli
from chaos.semantics.scheduling import pod_requests

WEB: Obj = {"matchLabels": {"app": "web"}}


def place(spec: Obj, nodes: list[Obj], *, others: list[Obj] | None = None, **more: Any) -> str:
    """The node for the replacement of pod `moving` of app `web`, which leaves n1; or why there is none."""
    moving = pod("moving", node="n1", **spec)
    cluster = listing(nodes=nodes, pods=[moving, *(others or [])], controllers=deployment("web", 1), **more)
    world = ClusterIndex.of(cluster)
    (one,) = [found for found in world.pods["n1"] if found.view.name == "moving"]
    taken = Taken(frozenset({"n1"}))
    taken.leave(one.shape, one.identity, "n1")
    found = Room(world).place(one.shape, one.identity, taken)
    if isinstance(found, Homeless):
        return f"{'nowhere' if found.sure else 'unknown'}: {found.words}"
    return found


def two(**given: Any) -> list[Obj]:
    """Node n1, which is drained, and n2."""
    return [node("n1"), node("n2", **given)]


def required(*terms: Obj) -> Obj:
    """A pod's required node affinity."""
    wanted = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": wanted}}


def term(key: str, operator: str, *values: str) -> Obj:
    """A node selector term of one expression."""
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


GPU = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("spec", "given", "found"),
    [
        ({}, {}, "n2"),
        ({}, {"cordoned": True}, "nowhere: 0 of 2 nodes fit: 1 drained, 1 cordoned"),
        ({"cpu": "4"}, {}, "n2"),
        ({"cpu": "4001m"}, {}, "nowhere: 0 of 2 nodes fit: 1 drained, 1 with too little cpu"),
        ({}, {"pods": "0"}, "nowhere: 0 of 2 nodes fit: 1 drained, 1 with as many pods as they take"),
        ({"nodeSelector": {"disk": "ssd"}}, {"labels": {"disk": "ssd"}}, "n2"),
        (
            {"nodeSelector": {"disk": "ssd"}},
            {},
            "nowhere: 0 of 2 nodes fit: 1 drained, 1 not chosen by its node selector or affinity",
        ),
        ({}, {"taints": (GPU,)}, "nowhere: 0 of 2 nodes fit: 1 drained, 1 with a taint it does not tolerate"),
        ({"tolerations": [{"key": "gpu", "value": "yes"}]}, {"taints": (GPU,)}, "n2"),
        ({"tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]}, {"taints": (GPU,)}, "n2"),
        ({"tolerations": [{"operator": "Exists"}]}, {"taints": (GPU,)}, "n2"),
        ({"tolerations": [{"operator": "Exists"}]}, {"cordoned": True}, "n2"),
        (
            {"tolerations": [{"key": "gpu", "value": "no"}]},
            {"taints": (GPU,)},
            "nowhere: 0 of 2 nodes fit: 1 drained, 1 with a taint it does not tolerate",
        ),
        ({}, {"taints": ({"key": "old", "effect": "PreferNoSchedule"},)}, "n2"),
        (required(term("disk", "In", "ssd", "nvme")), {"labels": {"disk": "nvme"}}, "n2"),
        (required(term("disk", "NotIn", "hdd")), {}, "n2"),
        (required(term("cores", "Gt", "4")), {"labels": {"cores": "8"}}, "n2"),
        (
            required(term("cores", "Lt", "4")),
            {"labels": {"cores": "8"}},
            "nowhere: 0 of 2 nodes fit: 1 drained, 1 not chosen by its node selector or affinity",
        ),
        (required({}, term("disk", "DoesNotExist")), {}, "n2"),
        (required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}), {}, "n2"),
        (
            required({}),
            {},
            "nowhere: 0 of 2 nodes fit: 1 drained, 1 not chosen by its node selector or affinity",
        ),
        (
            {"priority": 1000},
            {"pods": "0"},
            "nowhere: 0 of 2 nodes fit: 1 drained, 1 with as many pods as they take",
        ),
    ],
)
def test_one_node_and_one_rule(spec: Obj, given: dict[str, Any], found: str) -> None:
    """Cordon, room, nodeSelector, taints and node affinity decide as the scheduler's filters of those names."""
    assert place(spec, two(**given)) == found


def test_pods_that_are_there_take_room() -> None:
    """What the pods on a node ask for is not free; what finished or leaving ones asked for is."""
    full = [pod("big", app="api", node="n2", cpu="3500m", by=owner("ReplicaSet", "api-rs"))]
    assert place({"cpu": "1"}, two(), others=full).startswith("nowhere")
    for state in ({"phase": "Succeeded"}, {"deleting": True}):
        gone = [pod("big", app="api", node="n2", cpu="3500m", **state)]
        assert place({"cpu": "1"}, two(), others=gone) == "n2"


def test_a_host_port_is_free_once_a_node() -> None:
    """Two pods with the same host port do not run on one node."""
    port = {"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 8080}]}]}
    assert place(port, two(), others=[pod("there", node="n2")]) == "n2"
    assert "too little host port 8080/TCP" in place(port, two(), others=[pod("there", node="n2", **port)])


def test_a_pod_of_higher_priority_might_preempt() -> None:
    """Preemption is not modelled: where it could make room, nobody can tell."""
    low = [pod("low", app="api", node="n2", cpu="4", priority=0)]
    found = place({"cpu": "1", "priority": 1000}, two(), others=low)
    assert found.startswith("unknown")
    assert "might preempt" in found
    never = place({"cpu": "1", "priority": 1000, "preemptionPolicy": "Never"}, two(), others=low)
    assert never.startswith("nowhere")


# --- other pods' places -----------------------------------------------------------------------------------------


def apart(topology: str = "kubernetes.io/hostname", selector: Obj | None = None, **more: Any) -> Obj:
    """Required anti-affinity to one's own kind."""
    terms = [{"labelSelector": WEB if selector is None else selector, "topologyKey": topology, **more}]
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def test_anti_affinity_keeps_a_pod_from_its_kind() -> None:
    """A node with a pod that the term selects does not do, and any other does."""
    nodes = [*two(), node("n3")]
    there = [pod("web-1", node="n2", **apart())]
    assert place(apart(), nodes, others=there) == "n3"
    assert place(apart(), two(), others=there) == "nowhere: 0 of 2 nodes fit: 1 drained, 1 pod anti-affinity"


def test_anti_affinity_of_the_others_counts_too() -> None:
    """A pod that wants none of us beside it keeps us away, though we do not mind."""
    assert "pod anti-affinity" in place({}, two(), others=[pod("shy", app="api", node="n2", **apart())])


@pytest.mark.parametrize(
    ("more", "found"),
    [({}, "n2"), ({"namespaces": ["other"]}, "nowhere"), ({"namespaceSelector": {}}, "nowhere")],
    ids=["its own namespace", "the other by name", "all"],
)
def test_anti_affinity_is_within_the_namespaces_that_it_names(more: Obj, found: str) -> None:
    """Without namespaces a term means the pod's own."""
    there = [pod("web-1", node="n2", namespace="other")]
    assert place(apart(**more), two(), others=there).startswith(found)


def test_affinity_that_selects_namespaces_by_labels_is_not_guessed() -> None:
    """It is not modelled, so nobody can tell."""
    spec = apart(namespaceSelector={"matchLabels": {"team": "a"}})
    assert place(spec, two()).startswith("unknown: its affinity selects namespaces")


def beside(app: str) -> Obj:
    """Required affinity to an app."""
    terms = [{"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": "kubernetes.io/hostname"}]
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def test_affinity_wants_a_place_that_has_the_other() -> None:
    """A pod goes where the app that it wants to be beside is; the first of its own kind may go anywhere."""
    nodes = [*two(), node("n3")]
    cache = [pod("cache", app="cache", node="n3")]
    assert place(beside("cache"), nodes, others=cache) == "n3"
    assert "pod affinity" in place(beside("cache"), two())
    assert place(beside("web"), two()) == "n2"


def spread(topology: str = "kubernetes.io/hostname", **more: Any) -> Obj:
    """A hard topology spread over one's own kind."""
    rule = {"maxSkew": 1, "topologyKey": topology, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": WEB, **more}
    return {"topologySpreadConstraints": [rule]}


def test_a_hard_spread_over_hosts_counts_the_drained_node() -> None:
    """The drained node has none and still counts by default, so no other may have more than maxSkew."""
    there = [pod("web-1", node="n2")]
    found = place(spread(), two(), others=there)
    assert found == "nowhere: 0 of 2 nodes fit: 1 drained, 1 spread over kubernetes.io/hostname (maxSkew 1)"
    assert place(spread(maxSkew=2), two(), others=there) == "n2"
    assert place(spread(nodeTaintsPolicy="Honor"), two(), others=there) == "n2"
    assert place(spread(whenUnsatisfiable="ScheduleAnyway"), two(), others=there) == "n2"


def zones(*names: str) -> list[Obj]:
    """Nodes n1, n2 …, one in each zone named."""
    return [node(f"n{index}", labels={"zone": name}) for index, name in enumerate(names, start=1)]


def test_a_hard_spread_over_zones() -> None:
    """The zone with the fewest gets the pod; nodes without the label do not do."""
    nodes = zones("a", "a", "b")
    there = [pod("web-1", node="n3"), pod("web-2", node="n3")]
    assert place(spread("zone"), nodes, others=there) == "n2"
    assert "spread over zone" in place(spread("zone"), [*zones("a"), node("n2")])


def test_a_spread_needs_its_least_number_of_places() -> None:
    """With fewer places than minDomains the least count is 0."""
    nodes, there = zones("a", "a"), [pod("web-1", node="n2")]
    assert place(spread("zone"), nodes, others=there) == "n2"
    assert "spread over zone" in place(spread("zone", minDomains=2), nodes, others=there)


def test_a_spread_counts_only_pods_of_its_revision_if_told() -> None:
    """With matchLabelKeys pods of another template do not count."""
    rule = spread("zone", matchLabelKeys=["rev"])
    there = [pod("web-1", node="n2", labels={"rev": "old"})]
    nodes = zones("a", "b")
    assert "spread" in place(spread("zone"), nodes, others=there)
    moving = place({"labels": {"rev": "new"}, **rule}, nodes, others=there)
    assert moving == "n2"


# --- sure or not ------------------------------------------------------------------------------------------------


def test_a_place_that_another_choice_would_leave_is_not_denied() -> None:
    """A small pod may have taken the only node that fits the large one: that is the scheduler's choice, not a fact."""
    nodes = [node("n1"), node("n2", cpu="3"), node("n3", cpu="1")]
    small, large = pod("small", node="n1", cpu="1"), pod("large", app="api", node="n1", cpu="3")
    world = ClusterIndex.of(listing(nodes=nodes, pods=[small, large], controllers=[]))
    room, taken = Room(world), Taken(frozenset({"n1"}))
    first, second = world.pods["n1"]
    taken.come(first.shape, first.identity, "n2")
    found = room.place(second.shape, second.identity, taken)
    assert isinstance(found, Homeless)
    assert not found.sure
    assert "another choice of places might do" in found.words


def test_more_than_all_there_is_left_is_denied() -> None:
    """Two pods of different kinds that ask together for more than is left: one has no place, whatever is chosen."""
    nodes = [node("n1"), node("n2", cpu="3")]
    small, large = pod("small", node="n1", cpu="1"), pod("large", app="api", node="n1", cpu="3")
    world = ClusterIndex.of(listing(nodes=nodes, pods=[small, large], controllers=[]))
    room, taken = Room(world), Taken(frozenset({"n1"}))
    first, second = world.pods["n1"]
    assert room.place(first.shape, first.identity, taken) == "n2"
    found = room.place(second.shape, second.identity, taken)
    assert isinstance(found, Homeless)
    assert found.sure


def test_a_shared_claim_for_one_node_is_not_guessed() -> None:
    """Two pods with one ReadWriteOnce claim can only stay together: nobody can tell where one goes alone."""
    volumes = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}
    claim = {
        "metadata": {"name": "data", "namespace": "shop"},
        "spec": {"volumeName": "pv", "accessModes": ["ReadWriteOnce"]},
    }
    there = [pod("web-1", node="n1", **volumes)]
    given: dict[str, Any] = {"claims": [claim], "volumes": [{"metadata": {"name": "pv"}}]}
    assert place(volumes, two(), others=there, **given).startswith("unknown: claim data is for one node at a time")
    assert place(volumes, two(), **given) == "n2"


# --- quantities -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1", 1000),
        ("100m", 100),
        ("1.5", 1500),
        ("0.0001", 1),
        ("2k", 2_000_000),
        ("1Ki", 1_024_000),
        ("1.5Gi", 1_610_612_736_000),
        ("1e3", 1_000_000),
        ("500n", 1),
        ("1E", 10**21),
    ],
)
def test_quantities_are_read_exactly(text: str, found: int) -> None:
    """Every form that the API writes, in thousandths, rounded up."""
    assert milli(text) == found


@pytest.mark.parametrize("text", ["", "x", "1Zi", "m"])
def test_what_is_no_quantity_raises(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="quantity"):
        milli(text)


def cpu(amount: str, **more: Any) -> Obj:
    """A container that asks for CPU."""
    return {"name": "c", "resources": {"requests": {"cpu": amount}}, **more}


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"containers": [cpu("1"), cpu("2")]}, 3000),
        ({"containers": [cpu("1")], "initContainers": [cpu("3"), cpu("2")]}, 3000),
        ({"containers": [cpu("1")], "initContainers": [cpu("1", restartPolicy="Always"), cpu("2")]}, 3000),
        ({"containers": [cpu("1")], "initContainers": [cpu("2"), cpu("1", restartPolicy="Always")]}, 2000),
        ({"containers": [cpu("1")], "overhead": {"cpu": "250m"}}, 1250),
        ({"containers": [cpu("1")], "resources": {"requests": {"cpu": "4"}}}, 4000),
    ],
)
def test_a_pod_asks_for_what_the_scheduler_reserves(spec: Obj, found: int) -> None:
    """Containers and sidecars add up, init containers count at their most, then the pod's own and its overhead."""
    assert pod_requests(spec)["cpu"] == found
    assert pod_requests(spec)["pods"] == 1000
