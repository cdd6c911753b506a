"""Whatever the server answers to a heal, it counts as done only when the object reads so; else people are told how."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typing_extensions import override

from chaos.cluster import Cluster, Done, NullJournal, unrecorded_executor
from chaos.cluster.transport import Answer, Broken, NotSent, Silent
from chaos.errors import ClusterRefused
from chaos.faults import FaultContext
from chaos.faults.context import UndoContext
from chaos.faults.infrastructure import CommandInfrastructure, Infrastructure
from chaos.faults.undo import restore_object
from chaos.faults.undo.restore import heal, restore
from chaos.faults.undo.restore_object import CUT
from chaos.objects.base import Raw, Ref
from chaos.safety import UndoEntry
from chaos.safety.undo_journal import OURS
from chaos.safety.undo_rules import by_hand

NODE, POD = Ref("Node", "", "n1", "node-1"), Ref("Pod", "llm", "chat-1", "pod-1")
DEPLOYMENT, BUDGET = Ref("Deployment", "llm", "chat", "d-1"), Ref("PodDisruptionBudget", "llm", "chat", "b-1")
POLICY, JOB = Ref("NetworkPolicy", "llm", "gameday-cut-1", "p-1"), Ref("Job", "llm", "gameday-load-1", "j-1")
BEFORE, NOW = ({"spec": {"containers": [{"image": image}]}} for image in ("chat:1", "chat:2"))


def part(target: Ref, path: str, before: Any, made: Any) -> UndoEntry:
    """The entry of a part that a fault changed."""
    return UndoEntry("restore-part", target, "", {"path": path, "before": before, "wanted": made, "made": made})


HEALS: Mapping[str, tuple[UndoEntry, Raw]] = {
    "uncordon": (UndoEntry("uncordon", NODE, ""), {"spec": {"unschedulable": True}}),
    "replicas": (part(DEPLOYMENT, "/spec/replicas", 3, 1), {"spec": {"replicas": 1}}),
    "template": (part(DEPLOYMENT, "/spec/template", BEFORE, NOW), {"spec": {"template": NOW}}),
    "budget": (
        part(BUDGET, "/spec", {"maxUnavailable": 1}, {"maxUnavailable": 0}),
        {"spec": {"maxUnavailable": 0}},
    ),
    "policy": (UndoEntry("delete-policy", POLICY, "", {"pod": asdict(POD)}), {"metadata": {"labels": dict(OURS)}}),
    "label": (UndoEntry("delete-policy", POLICY, "", {"pod": asdict(POD)}), {}),
    "job": (UndoEntry("delete-job", JOB, ""), {"metadata": {"labels": dict(OURS)}}),
}
"""The undo entry of each heal through the API, and how its object reads while it is not healed."""

ANSWERS: Mapping[str, Done] = {
    "403": Done("fail", 403, {}, "403 forbidden"),
    "403 of a proxy, in HTML": Done("fail", 403, "<html>denied</html>", "403 Forbidden"),
    "404": Done("fail", 404, {}, "404 not found"),
    "409": Done("fail", 409, {}, "409 conflict"),
    "422": Done("fail", 422, {}, "422 invalid"),
    "429": Done("fail", 429, {}, "429 too many requests", retry_after_s=1),
    "503": Done("fail", 503, {}, "503 unavailable"),
    "a quota's 403": Done("fail", 403, {}, "403 exceeded quota"),
    "none": Done("info", None, {}, "no answer within 20 s"),
    "200, and nothing happened": Done("ok", 200, {}, ""),
}


class Refusing:
    """A cluster whose objects stay as they are, whatever it answers."""

    def __init__(self, entry: UndoEntry, raw: Raw, answer: Done) -> None:
        self.entry, self.raw, self.answer = entry, raw, answer

    def get(self, kind: str, _namespace: str | None, name: str) -> dict[str, Any] | None:
        """The object that is not healed; its pod bears the label."""
        if kind == "Pod":
            return {"metadata": {"name": name, "uid": POD.uid, "labels": {CUT: "1"}}}
        target = self.entry.target
        metadata = {"name": name, "uid": target.uid, **self.raw.get("metadata", {})}
        return {**self.raw, "kind": kind, "metadata": metadata} if self.raw else None

    def list(self, _kind: str, _namespace: str) -> list[dict[str, Any]]:
        """The ReplicaSet of the template before."""
        owner = {"uid": DEPLOYMENT.uid, "kind": "Deployment", "name": "chat", "controller": True}
        return [{"metadata": {"uid": "rs-1", "ownerReferences": [owner]}, "spec": {"template": BEFORE}}]

    def do(self, _mutation: object) -> Done:
        """Answer."""
        return self.answer


def healed(entry: UndoEntry, cluster: object, infrastructure: Infrastructure) -> tuple[str, int]:
    """What a heal of this entry leaves in words, and how many entries stay recorded."""
    made = cast("Any", cluster)
    context = FaultContext(
        made, made, NullJournal(), "fault-1", cast("Any", None), "llm", infrastructure=infrastructure
    )
    assert context.record(UndoEntry(entry.kind, entry.target, by_hand(entry), entry.detail)) == ""
    return heal(context), len(context.entries)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("what", HEALS)
def test_what_reads_as_before_the_heal_is_not_healed(what: str, answer: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays recorded, and the command for people is told."""
    monkeypatch.setattr(restore_object, "PAUSES_S", (0.0, 0.0))
    entry, raw = HEALS[what]
    words, recorded = healed(entry, Refusing(entry, raw, answer), Infrastructure())
    assert recorded == 1
    assert f"run: {by_hand(entry)}" in words
    assert (answer.reason or "it reads otherwise") in words


HTML = Answer(200, b"<!doctype html><title>Sign in</title>")
AN_HOUR = Answer(
    429, b'{"kind": "Status", "status": "Failure", "message": "busy", "code": 429}', {"retry-after": "3600"}
)
WIRE: Mapping[str, Answer | ClusterRefused] = {
    "nothing, for ever": Silent("PATCH: the API server was silent for too long"),
    "a connection that breaks": Broken("PATCH: the connection broke"),
    "no connection": NotSent("the API server cannot be reached"),
    "200 with a page": HTML,
    "200 with somebody else's JSON": Answer(200, b'{"error": "login required"}'),
    "200 with nothing": Answer(200, b""),
    "404 of a gateway": Answer(404, b"<html>default backend - 404</html>"),
    "404 of a gateway, in JSON": Answer(404, b'{"error": "no route"}'),
    "404 of a server without that API": Answer(404, b"404 page not found"),
    "302 to a login": Answer(302, b"", {"location": "https://login.example"}),
    "409 for ever": Answer(409, b'{"kind": "Status", "status": "Failure", "message": "modified", "code": 409}'),
    "429 for an hour": AN_HOUR,
    "429 for an hour, of a proxy": Answer(429, b"<html>slow down</html>", {"retry-after": "3600"}),
    "429 until a date": Answer(429, b"", {"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}),
    "503 for ever": Answer(503, b"upstream connect error"),
    "a body that goes deep": Answer(200, b"[" * 200_000),
}
"""What comes back over the wire, as the connection of the client tells it."""


class Wire:
    """The API server as far as a heal sees it: reads tell an object that is not healed, writes get that answer.

    `blind`: reads get it too.
    """

    server = "https://api"

    def __init__(self, there: Refusing, answer: Answer | ClusterRefused, *, blind: bool = False) -> None:
        self.there, self.answer, self.blind, self.calls = there, answer, blind, 0

    def call(self, method: str, path: str, **_: object) -> Answer:
        """One request."""
        self.calls += 1
        if method != "GET" or self.blind:
            if isinstance(self.answer, ClusterRefused):
                raise self.answer
            return self.answer
        plural, _, name = path.partition("?")[0].rpartition("/")
        if name == "replicasets":
            return Answer(200, json.dumps({"kind": "List", "metadata": {}, "items": self.there.list("", "")}).encode())
        found = self.there.get("Pod" if plural.endswith("/pods") else "", None, name)
        return (
            Answer(200, json.dumps({**found, "kind": "It"}).encode()) if found else Answer(404, b'{"kind": "Status"}')
        )


@pytest.mark.parametrize("blind", [False, True], ids=["seen", "blind"])
@pytest.mark.parametrize("answer", WIRE.values(), ids=WIRE)
@pytest.mark.parametrize("what", HEALS)
def test_no_answer_over_the_wire_is_a_heal_unless_it_reads_so(
    what: str, answer: Answer | ClusterRefused, monkeypatch: pytest.MonkeyPatch, *, blind: bool
) -> None:
    """It stays recorded, with the command for people, after a bounded number of requests and a bounded wait."""
    waited_s: list[float] = []
    monkeypatch.setattr("time.sleep", waited_s.append)
    entry, raw = HEALS[what]
    wire = Wire(Refusing(entry, raw, ANSWERS["403"]), answer, blind=blind)
    cluster = Cluster(cast("Any", wire), cast("Any", None))
    context = FaultContext(cluster, unrecorded_executor(cluster), NullJournal(), "fault-1", cast("Any", None), "llm")
    assert context.record(UndoEntry(entry.kind, entry.target, by_hand(entry), entry.detail)) == ""
    words = heal(context)
    assert (len(context.entries), f"run: {by_hand(entry)}" in words) == (1, True), words
    assert wire.calls < 100
    assert sum(waited_s) < 60


@pytest.mark.parametrize("what", HEALS)
def test_what_a_server_says_of_a_heal_is_told_without_what_lets_in(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands on the terminal, in a CronJob's log and in the report; the command for people stays whole."""
    monkeypatch.setattr(restore_object, "PAUSES_S", (0.0, 0.0))
    canary = "sk-canary-1234567890abcdef"
    said = f"403 denied: HF_TOKEN={canary} of https://u:{canary}@hub/v2?sig={canary} with Bearer {canary}"
    entry, raw = HEALS[what]
    words, _ = healed(entry, Refusing(entry, raw, Done("fail", 403, {}, said)), Infrastructure())
    assert ("403 denied" in words, canary in words, f"run: {by_hand(entry)}" in words) == (True, False, True)


@pytest.mark.parametrize("command", ["false {node}", "no-such-command-anywhere {node}"])
def test_a_node_whose_command_fails_is_not_healed(command: str) -> None:
    """The node reads Ready all the while, as its loss was not noticed yet; that proves nothing."""
    entry = UndoEntry("node-on", NODE, "")
    ready: Callable[..., Any] = lambda *_where: {  # noqa: E731  # all that is asked for
        "metadata": {"uid": NODE.uid},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    cluster = Refusing(entry, {"spec": {}}, ANSWERS["403"])
    cluster.get = ready  # type: ignore[method-assign]
    words, recorded = healed(entry, cluster, Infrastructure(CommandInfrastructure(command, command)))
    assert (recorded, words.startswith("node n1:")) == (1, True)


def test_without_a_means_a_node_or_a_link_is_not_healed() -> None:
    """Where nothing can switch a node on or connect a pod again, they are left to people."""
    cut = UndoEntry("reconnect-pod", POD, "", {"node": "n1", "address": "10.1.2.3"})
    for entry in (UndoEntry("node-on", NODE, ""), cut):
        words, recorded = healed(entry, Refusing(entry, {"spec": {}}, ANSWERS["403"]), Infrastructure())
        assert (recorded, "nothing here can" in words) == (1, True)


class Forgetful(Refusing):
    """A Deployment with `revisionHistoryLimit: 0`, whose rollout came through; what it is told to be, it is."""

    def __init__(self) -> None:
        super().__init__(*HEALS["template"], ANSWERS["200, and nothing happened"])

    @override
    def list(self, _kind: str, _namespace: str) -> list[dict[str, Any]]:
        """The ReplicaSet of the template now."""
        (revision,) = super().list(_kind, _namespace)
        return [{**revision, "spec": {"template": NOW}}]

    @override
    def do(self, _mutation: Any) -> Done:
        """Do it, or say what it would be."""
        changed = {"spec": {"template": _mutation.body[-1]["value"]}}
        if not _mutation.query.get("dryRun"):
            self.raw = changed
        return replace(self.answer, body=changed)


@pytest.mark.parametrize("known", [True, False], ids=["made", "the answer was lost"])
def test_a_template_that_no_replica_set_has_any_more_is_put_back_by_its_own_run(*, known: bool) -> None:
    """The run read it itself before it changed it, be it that it saw what the server made of its change or not."""
    entry, _ = HEALS["template"]
    detail = {name: value for name, value in entry.detail.items() if known or name != "made"}
    cluster = Forgetful()
    assert healed(replace(entry, detail=detail), cluster, Infrastructure()) == ("", 0)
    assert cluster.raw == {"spec": {"template": BEFORE}}


def test_a_template_that_no_replica_set_has_is_not_put_back_for_an_entry_of_the_cluster() -> None:
    """Whoever may write entries could have any pod run by it."""
    entry, raw = HEALS["template"]
    cluster = Forgetful()
    made = cast("Any", cluster)
    result, words = restore(UndoContext(made, made, NullJournal(), "f-1"), replace(entry, key="0001"))
    assert (result, "no ReplicaSet of it has the template" in words, cluster.raw) == ("left", True, raw)


class Scaled(Refusing):
    """A Deployment that has as many replicas as it is told."""

    def __init__(self, entry: UndoEntry, replicas: int) -> None:
        super().__init__(entry, {"spec": {"replicas": replicas}}, ANSWERS["200, and nothing happened"])

    @override
    def do(self, _mutation: Any) -> Done:
        """Do it, or say what it would be."""
        changed = {"spec": {"replicas": _mutation.body[-1]["value"]}}
        if not _mutation.query.get("dryRun"):
            self.raw = changed
        return replace(self.answer, body=changed)


@pytest.mark.parametrize(
    ("now", "result", "then"),
    [(1, "undone", 3), (2, "undone", 3), (4, "undone", 3), (5, "left", 5), (3, "nothing", 3)],
    ids=["as the outer fault", "as the inner", "as another inner", "as somebody else", "as before"],
)
def test_what_a_change_within_another_made_is_put_back_by_a_later_process(now: int, result: str, then: int) -> None:
    """The entry says what each wanted; anything else is somebody else's."""
    detail = {"path": "/spec/replicas", "before": 3, "wanted": 1, "also": [2, 4]}
    entry = UndoEntry("restore-part", DEPLOYMENT, "", detail, key="0001")
    cluster = Scaled(entry, now)
    made = cast("Any", cluster)
    outcome, words = restore(UndoContext(made, made, NullJournal(), "f-1"), entry)
    assert (outcome, cluster.raw["spec"]["replicas"]) == (result, then), words


class Cut(Refusing):
    """A policy that cannot be deleted, and a pod that bears the label by which it is cut off, which can be patched."""

    marked = True

    @override
    def get(self, kind: str, _namespace: str | None, name: str) -> dict[str, Any] | None:
        """Either."""
        if kind != "Pod" or self.marked:
            return super().get(kind, _namespace, name)
        return {"metadata": {"name": name, "uid": POD.uid}}

    @override
    def do(self, _mutation: Any) -> Done:
        """Answer, or take the label off the pod."""
        if _mutation.target != POD:
            return super().do(_mutation)
        self.marked = False
        return Done("ok", 200, {}, "")


@pytest.mark.parametrize(
    ("labels", "left"),
    [({}, "does not bear the label"), (OURS, "is still there (403 forbidden)")],
    ids=["theirs", "ours"],
)
def test_a_pod_is_let_go_whatever_becomes_of_the_policy(
    labels: Mapping[str, str], left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of its name that is somebody else's, or cannot be deleted, is reported; the pod bears no label any more."""
    monkeypatch.setattr(restore_object, "PAUSES_S", (0.0, 0.0))
    entry, _ = HEALS["policy"]
    cluster = Cut(entry, {"metadata": {"labels": dict(labels)}}, ANSWERS["403"])
    words, recorded = healed(entry, cluster, Infrastructure())
    assert (left in words, CUT in words, recorded, cluster.marked) == (True, False, 1, False)


GONE = UndoEntry("node-on", NODE, "")
"""Of a node that was off when its Node object was deleted, e.g. by an autoscaler."""


@pytest.mark.parametrize(
    ("command", "left", "recorded"), [("touch", "", 0), ("false", "node n1: false ", 1)], ids=["on", "not possible"]
)
def test_a_node_that_is_off_and_gone_from_the_api_is_switched_on(
    command: str, left: str, recorded: int, tmp_path: Path
) -> None:
    """Its machine may be off all the same; where it cannot be switched on, that is said, and stays recorded."""
    on = f"{command} {tmp_path}/{{node}}"
    words, kept = healed(GONE, Refusing(GONE, {}, ANSWERS["404"]), Infrastructure(CommandInfrastructure(on, on)))
    assert (words.startswith(left), bool(words), kept) == (True, bool(left), recorded)
    assert ("gameday undo --forget" in words) == bool(left)
    assert (tmp_path / "n1").exists() == (command == "touch")


def test_a_later_process_leaves_a_node_that_is_gone_to_people(tmp_path: Path) -> None:
    """Nothing is left to hold what an entry in the cluster names against: no command is run, and it is reported."""
    on = f"touch {tmp_path}/{{node}}"
    cluster = cast("Any", Refusing(GONE, {}, ANSWERS["404"]))
    switch = Infrastructure(CommandInfrastructure(on, on))
    context = UndoContext(cluster, cluster, NullJournal(), "f-1", infrastructure=switch)
    result, words = restore(context, replace(GONE, key="0001"))
    assert (result, "gameday undo --forget" in words, list(tmp_path.iterdir())) == ("left", True, [])


@pytest.mark.parametrize(("there", "told"), [(["n1", "n2"], "undone"), (["n2"], "nothing")])
def test_a_pod_is_connected_again_with_the_rights_that_cut_it_off(there: list[str], told: str) -> None:
    """They list nodes, and name none; a node that is not there any more cuts nobody off."""
    cut = UndoEntry("reconnect-pod", POD, "", {"node": "n1", "address": "10.1.2.3"})

    def refused(kind: str, _namespace: str | None, name: str) -> None:
        raise ClusterRefused(f"get {kind} {name}: 403 forbidden")

    network = cast("Any", SimpleNamespace(restore=lambda _node, _address: ""))
    nodes = [{"metadata": {"name": name}} for name in there]
    cluster = cast("Any", SimpleNamespace(get=refused, list=lambda _kind: nodes))
    context = UndoContext(cluster, cluster, NullJournal(), "f-1", infrastructure=Infrastructure(None, network))
    assert restore(context, cut)[0] == told
