"""Falls of desired replicas after which the pods stay, or are somebody else's to take."""

from __future__ import annotations

from dataclasses import replace

import pytest
from autoscaler_stories import ASKING, Scaling, hpa, spike_story
from histories import at, pod, replica_set

from chaos.checks import ScaledDown
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap
from chaos.history.facts.autoscaler import KIND
from chaos.objects.workload_kind import WorkloadKind


def judged(story: Scaling) -> Finding:
    """What the check says of a story."""
    return ScaledDown()(story.history())


def stuck(*, until_s: float = 180, taken: str = "", at_s: float = 132.1) -> Scaling:
    """The number falls from 7 to 2 at 132 s as it should, but of the five extra pods only these are taken."""
    story = spike_story(until_s=until_s)
    story.events = [one for one in story.events if one.kind != "Pod" or one.at_ns < at(132)]
    return story.ends(at_s, *taken)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(stuck(taken="cdefg"), Answer.PASS, id="all are taken"),
        pytest.param(stuck(taken="cdefg", at_s=137), Answer.PASS, id="all are taken 5 s later"),
        pytest.param(stuck(), Answer.FAIL, id="none is taken"),
        pytest.param(stuck(taken="cdef"), Answer.FAIL, id="one is left"),
        pytest.param(stuck(taken="cdefg", at_s=150), Answer.FAIL, id="all are taken 18 s later"),
        pytest.param(stuck(until_s=140), Answer.UNKNOWN, id="the trial ends 3 s later"),
    ],
)
def test_a_fall_takes_its_pods(story: Scaling, answer: Answer) -> None:
    """A webhook that forbids to delete pods leaves seven of them, with their devices, where two are desired."""
    finding = judged(story)
    assert finding.answer is answer, finding.line()
    assert ("too many stayed" in finding.reason) is (answer is not Answer.PASS)


@pytest.mark.parametrize(
    ("at_s", "late", "answer"),
    [
        pytest.param(137, Gap("Pod", at(133), at(137), "reset"), Answer.PASS, id="in time however late the news"),
        pytest.param(150, Gap("Pod", at(133), at(150), "reset"), Answer.UNKNOWN, id="they may be taken in time"),
        pytest.param(150, Gap("Pod", at(148), at(150), "reset"), Answer.FAIL, id="late in any case"),
        pytest.param(137, Gap("Deployment", at(115), at(132), "reset"), Answer.UNKNOWN, id="the fall may be older"),
    ],
)
def test_late_news_of_pods_that_are_taken_is_read_both_ways(at_s: float, late: Gap, answer: Answer) -> None:
    """The watch was cut off, and brought the deletions, or the fall, when it came back."""
    finding = judged(stuck(taken="cdefg", at_s=at_s).has(late=(late,)))
    assert finding.answer is answer, finding.line()
    assert ("news came late from the watch" in finding.reason) == (answer is Answer.UNKNOWN)


def test_pods_that_end_slowly_are_taken_all_the_same() -> None:
    """A pod that is being deleted has its own grace: whoever asked for its end did what was owed."""
    story = stuck()
    for uid in "cdefg":
        story.saw(132.1, "MODIFIED", pod(uid, ready=True, deleting=True, spec=ASKING))
    finding = judged(story)
    assert finding.answer is Answer.PASS, finding.line()


def test_a_number_that_rises_again_at_once_takes_none() -> None:
    """Three seconds after the fall seven are desired again."""
    story = spike_story()
    story.events = [one for one in story.events if one.at_ns < at(132)]
    story.rescaled(132, 2, measured=10).rescaled(135, 7, measured=100)
    finding = judged(story.saw(170, "MODIFIED", hpa(7, measured=50), KIND))
    assert "stayed" not in finding.reason, finding.line()


def test_the_surge_of_a_release_may_stay() -> None:
    """A release that begins with the fall has a pod more for a while: its own ReplicaSet asks for it."""
    story = stuck(taken="cdefg")
    story.saw(132.2, "MODIFIED", replica_set(2), "ReplicaSet").saw(132.2, "ADDED", replica_set(1, "rs-2"), "ReplicaSet")
    story.saw(132.3, "ADDED", pod("new", node="", owner="rs-2", spec=ASKING))
    finding = judged(story)
    assert finding.answer is Answer.PASS, finding.line()


def of_kind(story: Scaling, kind: str) -> Scaling:
    """The story of a workload of another kind."""
    events = []
    for one in story.events:
        raw = one.object
        if one.kind == KIND:
            ref = {**raw["spec"]["scaleTargetRef"], "apiVersion": "apps/v1", "kind": kind}
            raw = {**raw, "spec": {**raw["spec"], "scaleTargetRef": ref}}
        if one.kind == "Pod":
            owner = {**raw["metadata"]["ownerReferences"][0], "kind": kind, "name": "model"}
            raw = {**raw, "metadata": {**raw["metadata"], "ownerReferences": [owner]}}
        events.append(replace(one, object=raw, kind=kind if one.kind == "Deployment" else one.kind))
    facts, spans = story.history().facts, story.history().covered_ns
    own = WorkloadKind.named(kind)
    system = {**facts.raw["system"], "workload": own.plain() | {"name": "model"}}
    story.events = events
    raw_facts = {**facts.raw, "system": system}
    return story.has(
        facts=replace(facts, workload_kind=kind, raw=raw_facts), covered_ns={**spans, kind: spans["Deployment"]}
    )


@pytest.mark.parametrize(
    ("taken", "answer"),
    [
        pytest.param("cdefg", Answer.PASS, id="all are taken"),
        pytest.param("", Answer.UNKNOWN, id="none is taken"),
    ],
)
def test_a_stateful_set_may_wait_for_its_members(taken: str, answer: Answer) -> None:
    """It takes no member while another is not Ready, for as long as that lasts."""
    finding = judged(of_kind(stuck(taken=taken, until_s=260), "StatefulSet"))
    assert finding.answer is answer, finding.line()


# --- a metrics pipeline that is set otherwise --------------------------------------------------------------------


def fallen_late(*assumed: str, falls_s: float | None = 215) -> Scaling:
    """A spike from 30 s to 90 s; the metric is low from 100 s on, and the fall to two comes so late, or never."""
    story = Scaling(330).stands("a", "b").loaded(1, 0, 325).loaded(4, 30, 90)
    story.rescaled(42, 4, measured=100).made("c", 42.1, 46).made("d", 42.2, 46)
    story.saw(100 if falls_s is None else falls_s - 45, "MODIFIED", hpa(4, measured=10), KIND)
    if falls_s is not None:
        story.rescaled(falls_s, 2, measured=10).ends(falls_s + 0.1, "c", "d")
    known = story.parts["facts"]
    given = {name: value for name, value in known.raw["timings"].items() if name not in assumed}
    return story.has(facts=replace(known, raw={**known.raw, "timings": given}))


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(fallen_late(falls_s=130), Answer.PASS, id="in time"),
        pytest.param(fallen_late(), Answer.FAIL, id="late, all on record"),
        pytest.param(fallen_late("metrics_resolution_s"), Answer.UNKNOWN, id="late, the metric's age is not"),
        pytest.param(fallen_late("hpa_sync_s"), Answer.UNKNOWN, id="late, the sync's period is not"),
        pytest.param(fallen_late("hpa_tolerance"), Answer.FAIL, id="late, what matters is on record"),
        pytest.param(
            fallen_late("metrics_resolution_s", falls_s=None), Answer.FAIL, id="never, though its status asks"
        ),
    ],
)
def test_a_late_fall_may_be_how_the_cluster_is_set(story: Scaling, answer: Answer) -> None:
    """A metrics-server that measures once a minute shows the end of a spike late, and the fall waits for it."""
    finding = judged(story)
    assert finding.answer is answer, finding.line()
