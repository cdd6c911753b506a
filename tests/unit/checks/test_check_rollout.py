"""RolledOut and RollbackSafe: a rollout keeps to its strategy and ends in time; a bad one halts and can be undone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from histories import PROBED, at, facts, pod
from rollout_stories import BAD, NEW, OLD, Rolling, bad_story, owned, release, update_story

from chaos.checks import RollbackSafe, RolledOut
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap
from chaos.semantics import KUBERNETES
from chaos.semantics.rollout import Strategy, rollout_bound


def rolled(story: Rolling) -> Finding:
    """The finding of RolledOut."""
    return RolledOut()(story.history())


def safe(story: Rolling) -> Finding:
    """The finding of RollbackSafe."""
    return RollbackSafe()(story.history())


# --- the strategy -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rolling", "desired", "surge", "unavailable"),
    [
        ({}, 4, 1, 1),
        ({}, 3, 1, 0),
        ({"maxSurge": "0%", "maxUnavailable": "10%"}, 4, 0, 1),
        ({"maxSurge": "50%", "maxUnavailable": 0}, 3, 2, 0),
        ({"maxSurge": 0, "maxUnavailable": 9}, 3, 0, 3),
    ],
)
def test_a_strategy_rounds_as_kubernetes_does(
    rolling: dict[str, int | str], desired: int, surge: int, unavailable: int
) -> None:
    """A surge is rounded up, unavailability down, never both to nothing, and no more than there are."""
    strategy = Strategy.of({"strategy": {"rollingUpdate": rolling}})
    assert (strategy.surge(desired), strategy.unavailable(desired)) == (surge, unavailable)


def test_recreate_lets_all_go() -> None:
    """A Deployment that recreates its pods keeps none and makes none too many."""
    strategy = Strategy.of({"strategy": {"type": "Recreate"}})
    assert (strategy.surge(4), strategy.unavailable(4)) == (0, 4)


def test_the_bound_has_as_many_rounds_as_the_strategy_needs() -> None:
    """Five pods, two at a time, are three rounds; the time that pods must stay Ready counts in each."""
    spec = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}, "minReadySeconds": 7}
    bound = rollout_bound(PROBED, Strategy.of(spec), 5, KUBERNETES)
    # 29 s for a replacement, as in the stories
    assert bound.total_s == 3 * (29 + 7)


# --- a rolling update ---------------------------------------------------------------------------------------


def test_a_rolling_update_within_its_strategy_passes() -> None:
    """All pods are replaced within two rounds; never fewer than three ready, never more than five there."""
    finding = rolled(update_story())
    assert finding.answer is Answer.PASS, finding.line()
    (one,) = finding.values["rollouts"]
    assert (one["ready_min"], one["ready_floor"], one["pods_max"], one["pods_ceiling"]) == (3, 3, 5, 5)
    assert one["seconds"] == pytest.approx(7.9)
    assert one["bound_s"] == 58


def test_one_too_few_for_a_moment_fails() -> None:
    """A second pod taken before the first was replaced: two ready for 0.3 s, where three have to be."""
    finding = rolled(
        update_story().saw(31, "MODIFIED", pod("b", owner=OLD)).saw(31.3, "MODIFIED", pod("b", ready=True))
    )
    assert finding.answer is Answer.FAIL
    assert "2 healthy of 3 needed" in finding.reason


def test_one_too_many_fails() -> None:
    """A sixth pod that is not being deleted exceeds desired + maxSurge."""
    finding = rolled(update_story().made("x", 31, NEW, ready_s=None).ends("x", 32, NEW, ready=False))
    assert finding.answer is Answer.FAIL
    assert "6 pods were there at once" in finding.reason


def test_pods_that_are_being_deleted_do_not_count() -> None:
    """Terminating pods are beyond the surge's count, as Kubernetes documents; so are finished ones."""
    story = update_story()
    going = pod("y", ready=True, owner=OLD, deleting=True)
    finished = pod("z", owner=OLD)
    finished["status"]["phase"] = "Failed"
    story.saw(31, "ADDED", going).saw(31, "ADDED", finished)
    assert rolled(story).answer is Answer.PASS


def test_a_rollout_that_hangs_fails_after_its_bound() -> None:
    """Half of the pods are new, and no more: with the whole bound over, that is late."""
    story = update_story(180)
    story.events = [one for one in story.events if one.at_ns < at(34.05)]
    finding = rolled(story)
    assert finding.answer is Answer.FAIL
    assert "bound 58 s" in finding.reason


def test_a_rollout_that_was_not_waited_for_is_unknown() -> None:
    """A trial that ended within the bound did not see whether it would be kept."""
    story = update_story(60)
    story.events = [one for one in story.events if one.at_ns < at(34.05)]
    finding = rolled(story)
    assert finding.answer is Answer.UNKNOWN
    assert "waits for the rollout" in finding.settle


def test_a_late_rollout_of_pods_that_promise_nothing_is_unknown() -> None:
    """Without a startup probe nothing limits how long a pod takes, so being late breaks no promise."""
    story = update_story(180)
    story.events = [one for one in story.events if one.at_ns <= at(34.2) and one.object["metadata"]["uid"] != "h"]
    bare = {"containers": [{"name": "m", "imagePullPolicy": "Never"}]}
    for place, one in enumerate(story.events):
        if one.kind in ("Deployment", "ReplicaSet"):
            spec = one.object["spec"]
            raw = {**one.object, "spec": {**spec, "template": {**spec["template"], "spec": bare}}}
            story.events[place] = replace(one, object=raw)
        elif one.kind == "Pod":
            story.events[place] = replace(one, object={**one.object, "spec": {**one.object["spec"], **bare}})
    finding = rolled(story)
    assert finding.answer is Answer.UNKNOWN
    assert "no startup probe" in finding.reason


def test_an_old_pod_that_stays_is_no_complete_rollout() -> None:
    """All new pods Ready and an old one still serving: not complete."""
    story = update_story(180)
    story.events = [one for one in story.events if one.object["metadata"]["uid"] != "d" or one.at_ns < at(30)]
    assert rolled(story).answer is Answer.FAIL


def test_a_change_of_scale_meanwhile_is_lenient() -> None:
    """If fewer are desired while pods are replaced, neither bound is held to the stricter number."""
    story = Rolling().stands("a", "b", "c", "d").fault(name="rolling-update", at_s=30, healed_s=45)
    story.changes(NEW, 30.2).saw(30.4, "MODIFIED", release(NEW, replicas=2), "Deployment")
    story.ends("a", 30.5).ends("b", 30.6).made("e", 30.7, NEW, ready_s=33).ends("c", 33.1)
    story.made("f", 33.2, NEW, ready_s=35).ends("d", 35.1)
    finding = rolled(story)
    assert finding.answer is Answer.PASS, finding.line()


def test_a_system_that_was_not_whole_before_is_unknown() -> None:
    """A pod that was missing before the rollout began is not laid on it."""
    story = update_story().saw(20, "MODIFIED", pod("c", owner=OLD)).saw(20.5, "MODIFIED", pod("d", owner=OLD))
    finding = rolled(story)
    assert finding.answer is Answer.UNKNOWN
    assert "before the rollout began" in finding.reason


def drawn_out(template_s: float, end_s: float) -> Rolling:
    """The rolling update, of whose template word comes at one moment, and which ends at another."""
    story = update_story(180)
    story.events = [one for one in story.events if one.object["metadata"]["uid"] != "d" or one.at_ns < at(30)]
    for place, one in enumerate(story.events):
        if one.kind == "Deployment" and one.at_ns == at(30.2):
            story.events[place] = replace(one, at_ns=at(template_s))
    return story.ends("d", end_s)


@pytest.mark.parametrize(
    ("template_s", "end_s", "late", "answer"),
    [
        pytest.param(60, 100, None, Answer.PASS, id="in time"),
        pytest.param(60, 100, Gap("Deployment", at(29), at(60), "reset"), Answer.UNKNOWN, id="begun before, perhaps"),
        pytest.param(60, 100, Gap("Deployment", at(55), at(60), "reset"), Answer.PASS, id="begun a little before"),
        pytest.param(30.2, 95, None, Answer.FAIL, id="too late"),
        pytest.param(30.2, 95, Gap("Pod", at(50), at(95), "reset"), Answer.UNKNOWN, id="complete before, perhaps"),
        pytest.param(30.2, 95, Gap("Pod", at(92), at(95), "reset"), Answer.FAIL, id="complete a little before"),
    ],
)
def test_late_news_of_a_rollout_is_read_both_ways(
    template_s: float, end_s: float, late: Gap | None, answer: Answer
) -> None:
    """A watch that was cut off tells late when the template changed, or when the last pod went; the bound is 58 s."""
    story = drawn_out(template_s, end_s).has(late=(late,) if late else ())
    finding = rolled(story)
    assert finding.answer is answer, finding.line()


def test_the_rollout_ends_where_the_next_begins() -> None:
    """Undoing a change of the environment rolls the pods once more: that is another rollout."""
    assert rolled(update_story().changes(OLD, 46)).answer is Answer.PASS


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "ReplicaSet"])
def test_a_gap_in_a_rollout_is_unknown(kind: str) -> None:
    """What was not seen may have been otherwise, whether it looks right or wrong."""
    assert rolled(update_story().gap(35, 36, kind)).answer is Answer.UNKNOWN
    worse = update_story().made("x", 31, NEW, ready_s=None).ends("x", 32, NEW, ready=False)
    assert rolled(worse.gap(35, 36, kind)).answer is Answer.UNKNOWN


def test_no_rolling_update_is_unknown() -> None:
    """Nothing rolled out proves nothing; nor does a template that nobody saw change, or a dry run."""
    assert rolled(bad_story()).answer is Answer.UNKNOWN
    unchanged = Rolling().stands("a", "b").fault(name="rolling-update")
    assert rolled(unchanged).answer is Answer.UNKNOWN
    dry_run = update_story().has(facts=facts(dry_run=True))
    assert rolled(dry_run).answer is Answer.UNKNOWN


# --- a bad rollout ------------------------------------------------------------------------------------------


def test_a_bad_rollout_that_halts_and_is_undone_passes() -> None:
    """Three old replicas serve all the while, and 3 s after the undoing all four are of the former release."""
    finding = safe(bad_story())
    assert finding.answer is Answer.PASS, finding.line()
    (one,) = finding.values["rollouts"]
    assert one["template_restored"]
    assert (one["ready_min"], one["ready_floor"], one["back_after_s"]) == (3, 3, 3)


def test_word_of_pods_may_come_before_word_of_the_template() -> None:
    """Each kind has a watch of its own: bad pods, and the former ones, that are there before it count all the same."""
    story = bad_story()
    for index, one in enumerate(story.events):
        late = {("Deployment", at(30.2)): at(30.6), ("Deployment", at(45)): at(49)}
        if (moved := late.get((one.kind, one.at_ns))) is not None:
            story.events[index] = replace(one, at_ns=moved)
    story.events.sort(key=lambda one: one.at_ns)
    finding = safe(story)
    assert finding.answer is Answer.PASS, finding.line()
    assert finding.values["rollouts"][0]["back_after_s"] == 0


def test_a_bad_rollout_that_goes_on_fails() -> None:
    """A second old replica taken while no new one is Ready: the rollout did not halt."""
    finding = safe(bad_story().ends("b", 35))
    assert finding.answer is Answer.FAIL
    assert "2 healthy of 3 needed" in finding.reason


def test_too_few_while_it_is_undone_fails() -> None:
    """The old replicas have to serve until the former release is back whole."""
    story = bad_story().saw(46, "MODIFIED", pod("b", owner=OLD)).saw(46.5, "MODIFIED", pod("b", ready=True, owner=OLD))
    assert safe(story).answer is Answer.FAIL


def test_another_template_than_the_former_fails() -> None:
    """Undone means the very template of before, not another that works."""
    story = bad_story()
    story.events = [one for one in story.events if not (one.kind == "Deployment" and one.at_ns > at(40))]
    story.saw(45, "MODIFIED", release(NEW), "Deployment").saw(45.1, "ADDED", owned(NEW, 1), "ReplicaSet")
    finding = safe(story)
    assert finding.answer is Answer.FAIL
    assert "not the former one" in finding.reason


def test_a_template_that_stays_bad_fails() -> None:
    """A heal that says it was done, and the template is still the bad one."""
    story = bad_story()
    story.events = [one for one in story.events if not (one.kind == "Deployment" and one.at_ns > at(40))]
    assert safe(story).answer is Answer.FAIL


def test_a_former_release_that_does_not_come_back_fails() -> None:
    """The template is the former one, but a replica of it is missing after the whole bound."""
    story = bad_story(180).has(phases=())
    story.events = [one for one in story.events if one.object["metadata"]["uid"] != "g"]
    last = story.history()
    story.has(faults=(replace(last.faults[0], healed_ns=at(170)),))
    finding = safe(story)
    assert finding.answer is Answer.FAIL
    assert "the former release: not complete" in finding.reason


def test_a_former_release_that_was_not_waited_for_is_unknown() -> None:
    """A trial that ends 5 s after the undoing did not give it the time."""
    story = bad_story(50)
    story.events = [one for one in story.events if one.object["metadata"]["uid"] != "g"]
    assert safe(story).answer is Answer.UNKNOWN


def test_a_bad_rollout_that_was_never_healed_is_unknown() -> None:
    """A run that died in the fault says nothing of the way back."""
    story = bad_story()
    story.events = [one for one in story.events if one.at_ns < at(44)]
    story.has(faults=(replace(story.parts["faults"][0], healed_ns=None),))
    assert safe(story).answer is Answer.UNKNOWN


def test_a_release_that_became_ready_was_not_bad() -> None:
    """If every pod of the new release is Ready, nothing halted, and nothing was bad."""
    story = update_story().saw(50, "MODIFIED", release(OLD), "Deployment")
    story.has(faults=(replace(story.parts["faults"][0], name="bad-rollout", healed_ns=at(51)),))
    finding = safe(story)
    assert finding.answer is Answer.UNKNOWN
    assert "not bad" in finding.reason


def test_a_strategy_that_keeps_nobody_proves_nothing() -> None:
    """With maxUnavailable 100% no old replica need serve, so that some did is luck."""
    finding = safe(bad_story(unavailable="100%"))
    assert finding.answer is Answer.UNKNOWN
    assert "none need serve" in finding.reason


def test_a_bad_release_that_was_never_seen_is_unknown() -> None:
    """If no pod of it was made, nothing was there to halt."""
    story = bad_story()
    story.events = [one for one in story.events if one.object["metadata"]["uid"] not in ("e", "f")]
    assert safe(story).answer is Answer.UNKNOWN


def test_a_gap_in_a_bad_rollout_is_unknown() -> None:
    """What was not seen may have been a dip, or none."""
    story = bad_story().gap(35, 36)
    assert safe(story).answer is Answer.UNKNOWN
    worse = bad_story().ends("b", 35).gap(36, 37)
    assert safe(worse).answer is Answer.UNKNOWN
    assert BAD in {one.object["metadata"]["uid"] for one in worse.events}
