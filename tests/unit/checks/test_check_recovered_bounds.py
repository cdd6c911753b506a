"""Recovered: each cause has its own bound, and what nobody promised convicts nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from histories import PROBED, Story, at, deployment, facts, node, pod

from chaos.checks import Recovered
from chaos.checks.verdict import Answer, Finding
from chaos.history import Fault, History, Phase
from chaos.objects.base import Ref

UNPROBED: dict[str, Any] = {
    "containers": [{"name": "m", "imagePullPolicy": "Never", "readinessProbe": {"periodSeconds": 1}}]
}
PULLED: dict[str, Any] = {"containers": [{**PROBED["containers"][0], "imagePullPolicy": "IfNotPresent"}]}


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return Recovered()(story.history())


def node_lost(*, toleration_s: int, ready_s: float) -> History:
    """Node n1 is lost at 50 s with the only replica on it, which is replaced on n2 and Ready at `ready_s`."""
    tolerations = [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "tolerationSeconds": toleration_s}]
    spec = {**PROBED, "tolerations": tolerations}
    story = Story(200).replicas("a", spec=spec)
    victim = Fault(
        "node-loss-1", "node-loss", "", (Ref("Node", "", "n1", "node-n1"),), at(30), at(50), at(90), "NotReady"
    )
    story.has(faults=(victim,), phases=(Phase("fault", at(30), at(90)),))
    story.saw(50.1, "MODIFIED", node("n1", ready=False), "Node").saw(50, "MODIFIED", pod("a", running=True, spec=spec))
    story.saw(50 + toleration_s, "MODIFIED", pod("a", running=True, deleting=True, spec=spec))
    return story.replaced("d", 50.2 + toleration_s, ready_s=ready_s, spec=spec).history()


def test_a_slow_start_that_nothing_limits_is_unknown() -> None:
    """Without a startup probe nobody promised how long a start takes, so being slow is no broken promise."""
    story = Story().replicas("a", "b", "c", spec=UNPROBED).fault("a").killed("a", 30.2)
    finding = judged(story.replaced("d", 30.3, ready_s=90, spec=UNPROBED))
    assert finding.answer is Answer.UNKNOWN
    assert "no startup probe" in finding.reason
    assert "startup probe" in finding.settle


def test_a_missing_replacement_fails_even_where_the_start_is_not_limited() -> None:
    """That nothing limits the start excuses no controller that never made the pod."""
    story = Story().replicas("a", "b", "c", spec=UNPROBED).fault("a").killed("a", 30.2)
    assert judged(story).answer is Answer.FAIL


def test_a_pull_excuses_the_start_and_nothing_later() -> None:
    """A pod that waits for its image breaks no promise; one that runs and is not Ready does."""
    story = Story().replicas("a", "b", "c", spec=PULLED).fault("a").killed("a", 30.2)
    assert judged(story.saw(30.3, "ADDED", pod("d", spec=PULLED))).answer is Answer.UNKNOWN
    assert judged(story.saw(31, "MODIFIED", pod("d", running=True, spec=PULLED))).answer is Answer.FAIL


def test_a_hung_replica_has_the_time_of_a_restart() -> None:
    """A replica that turns unready in place is given detection, grace, back-off and start: 43 s here."""
    story = Story().replicas("a", "b", "c").fault("a", name="process-hang").saw(33, "MODIFIED", pod("a", running=True))
    finding = judged(story.saw(70, "MODIFIED", pod("a", ready=True, restarts=1)))
    assert finding.answer is Answer.PASS
    assert finding.values["losses"][0]["cause"] == "restart in place"
    assert finding.values["losses"][0]["bound_s"] == 43


def kept(name: str, ready_s: float | None, *, healed_s: float | None = 120, restarts: int = 0) -> Finding:
    """`a` is not Ready from 33 s on, as long as the fault is held, and Ready again then; 43 s are promised."""
    story = Story(300).replicas("a", "b", "c").fault("a", name=name).saw(33, "MODIFIED", pod("a", running=True))
    (fault,) = story.parts["faults"]
    story.has(faults=(replace(fault, healed_ns=None if healed_s is None else at(healed_s)),))
    if ready_s is not None:
        story.saw(ready_s, "MODIFIED", pod("a", ready=True, restarts=restarts))
    return judged(story)


@pytest.mark.parametrize("name", ["not-ready", "network-partition"])
@pytest.mark.parametrize(("ready_s", "answer"), [(125, Answer.PASS), (170, Answer.FAIL), (None, Answer.FAIL)])
def test_a_replica_that_a_fault_keeps_unready_is_due_after_its_heal(
    name: str, ready_s: float | None, answer: Answer
) -> None:
    """Held for 90 s, it cannot be Ready within 43 s of its fall; but it has to be within as much of the heal."""
    finding = kept(name, ready_s)
    assert finding.answer is answer, finding.line()


def test_what_a_probe_can_end_is_due_however_long_it_is_held() -> None:
    """A hang is for liveness to end, and so is what turned unready and was restarted, whatever the fault."""
    assert kept("process-hang", 125).answer is Answer.FAIL
    assert kept("not-ready", 125, restarts=1).answer is Answer.FAIL
    assert kept("not-ready", 70, restarts=1).answer is Answer.PASS


@pytest.mark.parametrize("name", ["not-ready", "network-partition"])
@pytest.mark.parametrize(
    ("taken_s", "ready_s", "answer"),
    [
        pytest.param(100, 110, Answer.PASS, id="taken while it was held"),
        pytest.param(100, 150, Answer.FAIL, id="and replaced late"),
        pytest.param(200, 210, Answer.FAIL, id="taken when it was late already"),
    ],
)
def test_a_held_replica_that_others_take_is_due_from_then(
    name: str, taken_s: float, ready_s: float, answer: Answer
) -> None:
    """An autoscaler of nodes may take it as late as it likes: its controller had nothing to replace before."""
    story = Story(300).replicas("a", "b", "c").fault("a", name=name, healed_s=120)
    story.saw(33, "MODIFIED", pod("a", running=True))
    story.saw(taken_s, "DELETED", pod("a", running=True, disruption="EvictionByEvictionAPI"))
    finding = judged(story.replaced("d", taken_s + 0.2, ready_s=ready_s))
    assert finding.answer is answer, finding.line()
    assert finding.values["losses"][0]["path"] == "replaced"


@pytest.mark.parametrize(
    ("restarts_s", "ready_s", "answer"),
    [
        pytest.param((), 125, Answer.PASS, id="restarted after the heal"),
        pytest.param((), 170, Answer.FAIL, id="and late"),
        pytest.param((40, 60, 100), 175, Answer.PASS, id="in a crash loop, whose wait is longer"),
        pytest.param((40, 60, 100), 210, Answer.FAIL, id="and longer than that"),
    ],
)
def test_a_restart_ends_no_partition(restarts_s: tuple[float, ...], ready_s: float, answer: Answer) -> None:
    """A server that ends itself without its peers, and finds none of them again before the heal at 120 s."""
    story = Story(300).replicas("a", "b", "c").fault("a", name="network-partition", healed_s=120)
    story.saw(33, "MODIFIED", pod("a", running=True))
    for number, at_s in enumerate(restarts_s, 1):
        story.saw(at_s, "MODIFIED", pod("a", running=True, restarts=number))
    finding = judged(story.saw(ready_s, "MODIFIED", pod("a", ready=True, restarts=len(restarts_s) + 1)))
    assert finding.answer is answer, finding.line()
    assert finding.values["losses"][0]["path"] == "restarted"


def test_a_fault_that_was_never_healed_leaves_its_replica_open() -> None:
    """Nobody knows whether it would be Ready again without it."""
    assert kept("not-ready", None, healed_s=None).answer is Answer.UNKNOWN


def test_a_victim_that_falls_again_gives_no_new_time() -> None:
    """A hung replica that is restarted and falls again and again is the fault's doing only the first time."""
    story = Story().replicas("a", "b", "c").fault("a", name="process-hang").killed("c", 32)
    for second in (33, 50, 70, 90):
        story.saw(second, "MODIFIED", pod("a", running=True))
        story.saw(second + 5, "MODIFIED", pod("a", ready=True, restarts=second))
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    first, *others = finding.values["losses"]
    assert (first["victim_uid"], first["answer"], first["due_ns"]) == ("c", "FAIL", at(32 + 29))
    assert {loss["victim_uid"] for loss in others} == {"a"}


def test_a_replica_that_was_restarted_before_must_wait() -> None:
    """The kubelet's back-off after an earlier restart belongs to the bound."""
    story = Story().replicas("a", "b", "c").saw(10, "MODIFIED", pod("a", ready=True, restarts=1))
    story.fault("a", name="process-hang").saw(33, "MODIFIED", pod("a", running=True, restarts=1))
    finding = judged(story.saw(80, "MODIFIED", pod("a", ready=True, restarts=2)))
    assert finding.answer is Answer.PASS
    assert finding.values["losses"][0]["bound_s"] == 43 + 10


def test_a_hung_replica_that_is_never_restarted_fails() -> None:
    """A replica with a liveness probe that stays unready breaks a promise."""
    story = Story().replicas("a", "b", "c").fault("a", name="process-hang").saw(33, "MODIFIED", pod("a", running=True))
    assert judged(story).answer is Answer.FAIL


def test_a_hung_replica_without_liveness_probe_is_unknown() -> None:
    """Where no liveness probe is, nobody promised a restart."""
    probeless = {
        "containers": [{key: value for key, value in PROBED["containers"][0].items() if key != "livenessProbe"}]
    }
    story = Story().replicas("a", "b", "c", spec=probeless).fault("a", name="process-hang")
    finding = judged(story.saw(33, "MODIFIED", pod("a", running=True, spec=probeless)))
    assert finding.answer is Answer.UNKNOWN
    assert "liveness" in finding.reason


def test_a_lost_node_is_tolerated_first() -> None:
    """A pod on a lost node is given its toleration before its replacement's time begins to count."""
    finding = Recovered()(node_lost(toleration_s=60, ready_s=125))
    assert finding.answer is Answer.PASS
    assert finding.values["losses"][0]["cause"] == "replacement after the loss of a node"
    assert finding.values["losses"][0]["bound_s"] == 29 + 10 + 60


def test_a_lost_node_that_takes_longer_fails() -> None:
    """Longer than toleration and replacement together is a FAIL."""
    assert Recovered()(node_lost(toleration_s=20, ready_s=125)).answer is Answer.FAIL


def test_an_unwatched_node_excuses_the_unready_pod() -> None:
    """If nodes were not watched, an unready pod's node may have been lost, which has a longer bound."""
    story = Story().replicas("a", "b").fault("a", name="process-hang").saw(33, "MODIFIED", pod("a", running=True))
    history = story.history()
    unwatched = {kind: span for kind, span in history.covered_ns.items() if kind != "Node"}
    assert Recovered()(replace(history, covered_ns=unwatched)).answer is Answer.UNKNOWN


def test_a_stateful_set_is_given_the_grace_of_its_old_pod() -> None:
    """A StatefulSet makes a replacement only when the old pod is gone, so its grace belongs to the bound."""
    known = facts(workload_kind="StatefulSet")

    def of_set(uid: str, **more: Any) -> dict[str, Any]:
        raw = pod(uid, **more)
        raw["metadata"]["ownerReferences"] = [
            {"kind": "StatefulSet", "name": "model", "uid": "s-1", "controller": True}
        ]
        raw["metadata"]["name"] = "model-0"
        return raw

    workload = deployment(1)
    workload["metadata"]["uid"] = "s-1"
    story = Story().has(facts=known).saw(0, "LISTED", workload, "StatefulSet").saw(0, "LISTED", of_set("a", ready=True))
    story.fault("a").saw(30.2, "MODIFIED", of_set("a", ready=True, deleting=True)).saw(40.2, "DELETED", of_set("a"))
    story.saw(40.3, "ADDED", of_set("b")).saw(44, "MODIFIED", of_set("b", ready=True))
    covered = dict.fromkeys(("Pod", "StatefulSet", "Node"), (at(0), at(120)))
    finding = judged(story.has(covered_ns=covered))
    assert finding.answer is Answer.PASS
    assert finding.values["losses"][0]["bound_s"] == 29 + 10
    assert finding.values["losses"][0]["replacement_uid"] == "b"
