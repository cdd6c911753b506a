"""Recovered where a lost replica is of a former template, and comes back as such: its time goes by its own spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from histories import PROBED, T0, Story, at, facts, node, pod
from member_stories import PATIENT, member, stateful_set
from rollout_stories import NEW, OLD, owned, release

from chaos.checks import Recovered
from chaos.checks.verdict import Answer
from chaos.history import Phase

SPECS: Mapping[str, Mapping[str, Any]] = {"o": PATIENT, "n": PROBED}
"""What the former revision and the new one say: a start of 60 s at most, and of 5 s."""


def of(revision: str, uid: str, ordinal: int, **state: Any) -> dict[str, Any]:
    """A member of that revision."""
    raw = member(uid, ordinal, **state)
    placed = {"nodeName": raw["spec"]["nodeName"]} if raw["spec"].get("nodeName") else {}
    labels = {**raw["metadata"]["labels"], "controller-revision-hash": revision}
    return {**raw, "spec": {**SPECS[revision], **placed}, "metadata": {**raw["metadata"], "labels": labels}}


def members(update: Mapping[str, Any]) -> Story:
    """Three members, of which `c`, the last, is of the new revision that the StatefulSet asks for."""
    wanted = stateful_set("Parallel") | {"status": {"updateRevision": "n"}}
    wanted["spec"] |= {"template": {"spec": PROBED}, "updateStrategy": dict(update)}
    story = Story(300).saw(0, "LISTED", wanted, "StatefulSet").saw(0, "LISTED", node("n1"), "Node")
    for number, (uid, revision) in enumerate(zip("abc", "oon", strict=True)):
        story.saw(0, "LISTED", of(revision, uid, number, ready=True))
    covered = dict.fromkeys(("Pod", "StatefulSet", "Node"), (T0, at(300)))
    return story.has(
        facts=facts(workload_kind="StatefulSet"),
        covered_ns=covered,
        phases=(Phase("baseline", at(5), at(25)), Phase("recovery", at(50), at(290))),
    ).traffic(end_s=295)


def replaced(uid: str, revision: str, ready_s: float, *, partition: int = 2) -> Story:
    """A member is killed at 30.2 s, and made anew of that revision."""
    ordinal, former = "abc".index(uid), "oon"["abc".index(uid)]
    story = members({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}).fault(uid)
    story.saw(30.2, "DELETED", of(former, uid, ordinal, ready=True))
    story.saw(30.4, "ADDED", of(revision, "z", ordinal, node="")).saw(30.5, "MODIFIED", of(revision, "z", ordinal))
    story.saw(31.5, "MODIFIED", of(revision, "z", ordinal, running=True))
    return story.saw(ready_s, "MODIFIED", of(revision, "z", ordinal, ready=True))


def restarted(uid: str, ready_s: float) -> Story:
    """The server of a member ends at 30.2 s, and is started anew in the same pod; the release waits (OnDelete)."""
    ordinal, revision = "abc".index(uid), "oon"["abc".index(uid)]
    story = (
        members({"type": "OnDelete"}).fault(uid, name="process-crash").saw(30.2, "MODIFIED", of(revision, uid, ordinal))
    )
    story.saw(32, "MODIFIED", of(revision, uid, ordinal, running=True, restarts=1))
    return story.saw(ready_s, "MODIFIED", of(revision, uid, ordinal, ready=True, restarts=1))


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(replaced("a", "o", 100), Answer.PASS, id="below the partition, in its own time"),
        pytest.param(replaced("a", "o", 140), Answer.FAIL, id="below the partition, late for its own"),
        pytest.param(replaced("c", "n", 100), Answer.FAIL, id="above the partition, late for the new one"),
        pytest.param(replaced("a", "n", 100, partition=0), Answer.FAIL, id="released as it is replaced, and late"),
        pytest.param(restarted("a", 110), Answer.PASS, id="restarted in place, in its own time"),
        pytest.param(restarted("c", 110), Answer.FAIL, id="restarted in place, late for the new one"),
    ],
)
def test_a_member_of_a_former_revision_has_that_ones_time(story: Story, answer: Answer) -> None:
    """A member is due within 94 s by the former revision and 39 s by the new one; restarted within 98 s and 43 s."""
    finding = Recovered()(story.history())
    assert finding.answer is answer, finding.line()


def paused(ready_s: float, *, of_new: bool = False) -> Story:
    """A release with a quicker start is paused before its first pod; `a` of the former one is killed and replaced.

    `of_new`: the pods are of the new template already.
    """
    owner, spec = (NEW, PROBED) if of_new else (OLD, PATIENT)
    replica_set = owned(owner, 2)
    replica_set["spec"]["template"]["spec"] = dict(spec)
    story = Story(300).saw(0, "LISTED", release(NEW, replicas=2, paused=True), "Deployment")
    story.saw(0, "LISTED", replica_set, "ReplicaSet").saw(0, "LISTED", node("n1"), "Node").fault("a")
    for uid in "ab":
        story.saw(0, "LISTED", pod(uid, ready=True, owner=owner, spec=spec))
    story.saw(30.2, "DELETED", pod("a", ready=True, owner=owner, spec=spec))
    return story.replaced("e", 30.4, ready_s=ready_s, owner=owner, spec=spec).traffic()


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(paused(90), Answer.PASS, id="in its own time"),
        pytest.param(paused(130), Answer.FAIL, id="late for its own"),
        pytest.param(paused(90, of_new=True), Answer.FAIL, id="late for the new one"),
    ],
)
def test_a_replica_set_makes_pods_of_its_own_template(story: Story, answer: Answer) -> None:
    """While a release is paused, the former ReplicaSet replaces its pods: within 84 s, where the new one has 29 s."""
    finding = Recovered()(story.history())
    assert finding.answer is answer, finding.line()
