"""ScaledToZero and ColdStart: what KEDA, or an autoscaler with a minimum of zero, takes away and brings back."""

from __future__ import annotations

from typing import Any

import pytest
from autoscaler_stories import ASKING, LAB_TIMES, Scaling, hpa
from histories import at, deployment, facts
from zero_stories import from_zero, scaled_object, timed_zero, to_zero

from chaos.checks import ColdStart, EndState, ScaledToZero, SloMet, SteadyBefore
from chaos.checks.verdict import Answer
from chaos.history import Canary, CanaryRequest, Phase
from chaos.history.facts.autoscaler import KIND
from chaos.objects.scaled_object import SCALED_OBJECT
from chaos.slo import Slo
from loadgen.records import TURN


def test_zero_within_the_cooldown_passes() -> None:
    """Two looks of 5 s, a cooldown of 20 s, a metric 5 s old, and 5 s of ours: 40 s; it took 30 s."""
    finding = ScaledToZero()(timed_zero(to_zero()).history())
    assert finding.answer is Answer.PASS, finding.line()
    (quiet,) = finding.values["quiet"]
    assert quiet["bound_s"] == 40
    assert quiet["zero_s"] == pytest.approx(30.4, abs=0.5)


NEVER = {"minReplicaCount": 1}


@pytest.mark.parametrize(
    ("story", "within_s", "answer", "words"),
    [
        pytest.param(timed_zero(to_zero(75)), None, Answer.FAIL, "at zero only", id="late by the cooldown"),
        pytest.param(timed_zero(to_zero(None)), None, Answer.FAIL, "not at zero", id="never"),
        pytest.param(to_zero(60), 20, Answer.FAIL, "bound 20 s", id="late by the scenario"),
        pytest.param(to_zero(None), None, Answer.UNKNOWN, "metric_delay_s", id="the age of the metric is not known"),
        pytest.param(to_zero(60), None, Answer.PASS, "", id="came, however late the metric"),
        pytest.param(timed_zero(to_zero(None, until_s=60)), None, Answer.UNKNOWN, "when the trial ended", id="short"),
        pytest.param(to_zero(None, scaled=scaled_object(**NEVER)), None, Answer.UNKNOWN, "may go to zero", id="min"),
        pytest.param(
            to_zero(None, scaled=scaled_object(**NEVER)), 40, Answer.FAIL, "may go to zero", id="min, claimed"
        ),
        pytest.param(
            to_zero(None, scaled=scaled_object(annotations={"autoscaling.keda.sh/paused": "true"})),
            40,
            Answer.UNKNOWN,
            "is paused",
            id="paused",
        ),
        pytest.param(to_zero().gap(55, 65, "Deployment"), 40, Answer.UNKNOWN, "gap", id="not seen"),
    ],
)
def test_zero_is_owed_in_time(story: Scaling, within_s: float | None, answer: Answer, words: str) -> None:
    """By the scenario's word, else by the ScaledObject's own; what nobody promises is open."""
    finding = ScaledToZero(within_s=within_s)(story.history())
    assert finding.answer is answer, finding.line()
    assert words in finding.line()


@pytest.mark.parametrize(("ended_s", "answer"), [(120, Answer.PASS), (145, Answer.FAIL)])
def test_the_end_of_a_trial_after_a_cold_start_owes_no_second_zero(ended_s: float, answer: Answer) -> None:
    """As long as none is due: the last answer came at 99 s, and zero replicas are due 40 s later."""
    story = timed_zero(from_zero(until_s=150)).has(phases=(Phase("recovery", at(100), at(ended_s)),))
    finding = ScaledToZero()(story.history())
    assert finding.answer is answer, finding.line()


def test_a_replica_that_comes_back_while_nobody_asks_fails() -> None:
    """A trigger that is never quiet, or a cooldown of nothing, brings it back; kubectl is somebody else."""
    flapped = timed_zero(to_zero())
    back = deployment(1, spec=ASKING)
    finding = ScaledToZero()(flapped.saw(90, "MODIFIED", back, "Deployment").made("z", 90.1, 95).history())
    assert finding.answer is Answer.FAIL
    assert "while nobody asked" in finding.reason
    by_hand = deployment(1, spec=ASKING)
    writer = {"manager": "kubectl", "operation": "Update", "subresource": "scale", "time": "2026-01-01T00:00:00Z"}
    by_hand["metadata"]["replicasSetBy"] = [writer]
    story = timed_zero(to_zero()).saw(90, "MODIFIED", by_hand, "Deployment").made("z", 90.1, 95)
    finding = ScaledToZero()(story.history())
    assert finding.answer is Answer.UNKNOWN
    assert "kubectl did that" in finding.reason


def test_a_pod_that_stays_at_zero_fails() -> None:
    """None is desired, and one goes on."""
    story = timed_zero(to_zero(None)).saw(50, "MODIFIED", deployment(0, spec=ASKING), "Deployment").ends(50.1, "a")
    finding = ScaledToZero()(story.history())
    assert finding.answer is Answer.FAIL
    assert "too many stayed" in finding.reason


def test_an_autoscaler_with_a_minimum_of_zero_goes_there_by_its_window() -> None:
    """HPAScaleToZero: the bound is that of any fall."""
    external: dict[str, Any] = {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "5"}}
    metrics = [{"type": "External", "external": external}]
    least = hpa(2, limits=(0, 8), metrics=metrics, window_s=10)
    story = Scaling(120).stands("a", "b", scaler=least).loaded(2, 0, 30)
    story.saw(55, "MODIFIED", deployment(0, spec=ASKING), "Deployment").ends(55.1, "a", "b")
    story.saw(55.1, "MODIFIED", hpa(0, limits=(0, 8), metrics=metrics, window_s=10), KIND)
    finding = ScaledToZero()(timed_zero(story).history())
    assert finding.answer is Answer.PASS, finding.line()


@pytest.mark.parametrize(("known", "answer"), [(True, Answer.FAIL), (False, Answer.UNKNOWN)])
def test_a_window_that_nobody_recorded_fails_no_autoscaler(known: bool, answer: Answer) -> None:  # noqa: FBT001  # a column
    """Its controller may wait for longer than Kubernetes' default of 300 s."""
    external: dict[str, Any] = {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "5"}}
    least = hpa(2, limits=(0, 8), metrics=[{"type": "External", "external": external}])
    del least["spec"]["behavior"]
    story = Scaling(600).stands("a", "b", scaler=least).loaded(2, 0, 30)
    timings = {**LAB_TIMES, "metric_delay_s": 5, **({"hpa_downscale_stabilization_s": 300} if known else {})}
    story.has(facts=facts(raw={"system": {"selector": {"app": "model"}}, "timings": timings}))
    story.has(phases=(Phase("baseline", at(5), at(25)), Phase("calm", at(30), at(590))))
    finding = ScaledToZero()(story.history())
    assert finding.answer is answer, finding.line()
    assert ScaledToZero(within_s=400)(story.history()).answer is Answer.FAIL


def broken() -> dict[str, Any]:
    """A ScaledObject of which KEDA says that it cannot work."""
    raw = scaled_object()
    why = {"type": "Ready", "status": "False", "reason": "ScaledObjectCheckFailed", "message": "no such query"}
    return raw | {"status": {"conditions": [why]}}


def test_what_keda_says_of_its_failure_is_quoted() -> None:
    """A trigger that cannot be read takes no replica, and brings none."""
    finding = ScaledToZero()(timed_zero(to_zero(None, scaled=broken())).history())
    assert finding.answer is Answer.FAIL
    assert "KEDA says: ScaledObjectCheckFailed: no such query" in finding.reason
    slow = aged(from_zero(decided_s=90, ready_s=95, scaled=broken()), 3)
    late = ColdStart(within_s=60, at_zero="held")(slow.history())
    assert "KEDA says: ScaledObjectCheckFailed: no such query" in late.reason


@pytest.mark.parametrize(
    ("triggers", "within_s", "answer", "words"),
    [
        (["prometheus"], None, Answer.FAIL, "not at zero"),
        (["cpu"], None, Answer.UNKNOWN, "nothing that scales the workload may go to zero"),
        (["cpu", "memory"], 40, Answer.FAIL, "nothing that scales it may go to zero"),
        (["cpu", "prometheus"], None, Answer.FAIL, "not at zero"),
        (["cron", "prometheus"], None, Answer.UNKNOWN, "by the clock"),
    ],
)
def test_keda_goes_to_zero_by_triggers_that_may(
    triggers: list[str], within_s: float | None, answer: Answer, words: str
) -> None:
    """CPU and memory alone never take the last replica, and cron asks for some whether or not anybody else does."""
    scaled = scaled_object(triggers=[{"type": one} for one in triggers])
    finding = ScaledToZero(within_s=within_s)(timed_zero(to_zero(None, scaled=scaled)).history())
    assert finding.answer is answer, finding.line()
    assert words in finding.line()


def test_replicas_that_come_by_the_clock_are_their_owners_wish() -> None:
    """The same number that comes back fails where no trigger is of type cron."""
    scaled = scaled_object(triggers=[{"type": "cron"}, {"type": "prometheus"}])
    story = timed_zero(to_zero(scaled=scaled)).saw(90, "MODIFIED", deployment(1, spec=ASKING), "Deployment")
    finding = ScaledToZero()(story.made("z", 90.1, 95).history())
    assert finding.answer is Answer.UNKNOWN
    assert "by the clock" in finding.reason


def test_a_cold_start_is_told_stage_by_stage() -> None:
    """Decided after 5 s, Ready after 20 s, and the first token then."""
    finding = ColdStart(within_s=30)(timed_zero(from_zero(), at_zero="held").history())
    assert finding.answer is Answer.PASS, finding.line()
    (wake,) = finding.values["wakes"]
    assert wake["stages"]["decided"] == pytest.approx(5)
    assert wake["stages"]["ready"] == pytest.approx(20)
    assert wake["stages"]["first_token"] == pytest.approx(20.1)


@pytest.mark.parametrize(
    ("story", "within_s", "at_zero", "answer", "words"),
    [
        pytest.param(from_zero(), 15, "held", Answer.FAIL, "budget 15 s; longest: ready", id="over its budget"),
        pytest.param(from_zero(held=False), 30, "held", Answer.FAIL, "to be held", id="refused, declared held"),
        pytest.param(from_zero(held=False), 30, "refused", Answer.PASS, "", id="refused as declared"),
        pytest.param(from_zero(held=False), 30, None, Answer.UNKNOWN, "nobody declared", id="refused, undeclared"),
        pytest.param(from_zero(), None, "held", Answer.PASS, "", id="no budget"),
        pytest.param(from_zero(ready_s=None), 30, "refused", Answer.FAIL, "not ready", id="never Ready"),
        pytest.param(from_zero(ready_s=None), 90, "refused", Answer.UNKNOWN, "not ready", id="the trial ended before"),
        pytest.param(to_zero(), 30, "held", Answer.UNKNOWN, "no request came", id="nobody asked at zero"),
    ],
)
def test_a_cold_start_is_owed_within_its_budget(
    story: Scaling, within_s: float | None, at_zero: Any, answer: Answer, words: str
) -> None:
    """And requests meanwhile are what the owner declared."""
    finding = ColdStart(within_s=within_s, at_zero=at_zero)(story.history())
    assert finding.answer is answer, finding.line()
    assert words in finding.line()


@pytest.mark.parametrize(
    ("polling_s", "delay_s", "answer"), [(5, 5, Answer.PASS), (5, None, Answer.PASS), (1, 0.5, Answer.PASS)]
)
def test_keda_decides_at_its_next_look(polling_s: float, delay_s: float | None, answer: Answer) -> None:
    """Its interval, the declared age of the metric and 5 s of ours are enough for the 5 s that it took."""
    story = from_zero(scaled=scaled_object(pollingInterval=polling_s))
    finding = ColdStart(within_s=30, at_zero="held")(aged(story, delay_s).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("delay_s", "answer"), [(3, Answer.FAIL), (None, Answer.UNKNOWN), (20, Answer.PASS)])
def test_a_decision_later_than_its_next_look_is_keda_s_fault(delay_s: float | None, answer: Answer) -> None:
    """Asked for 15 s after the first request, with an interval of 5 s: late, unless the metric may be that old."""
    story = from_zero(decided_s=65, ready_s=75)
    finding = ColdStart(within_s=60, at_zero="held")(aged(story, delay_s).history())
    assert finding.answer is answer, finding.line()


def aged(story: Scaling, delay_s: float | None) -> Scaling:
    """The same with a metric of a declared age."""
    raw = {"system": {"selector": {"app": "model"}}, "timings": {**LAB_TIMES, "metric_delay_s": delay_s}}
    return story.has(facts=facts(raw=raw))


def test_a_request_that_hangs_at_zero_is_no_refusal() -> None:
    """Declared is that users are told at once."""
    story = from_zero(held=False)
    story.rows[-40]["outcome"] = "refused"
    for row in story.rows:
        row["outcome"] = "unanswered" if row["outcome"] == "refused" else row["outcome"]
    finding = ColdStart(within_s=30, at_zero="refused")(story.history())
    assert finding.answer is Answer.FAIL
    assert "unanswered" in finding.reason


def test_at_the_end_nobody_need_be_there() -> None:
    """Zero replicas are the wanted end where what scales the workload may want none; else nothing is proved."""
    story = to_zero().saw(0, "LISTED", scaled_object(), SCALED_OBJECT)
    assert EndState()(story.history()).answer is Answer.PASS
    assert EndState()(to_zero(scaled=scaled_object(**NEVER)).history()).answer is Answer.UNKNOWN


SLO = Slo(availability=0.99)


@pytest.mark.parametrize(
    ("story", "at_zero", "answer", "words"),
    [
        (from_zero(held=False), "refused", Answer.PASS, "20 requests refused at zero replicas, as declared"),
        (from_zero(held=False), None, Answer.FAIL, "20 bad requests"),
        (from_zero(held=False), "held", Answer.FAIL, "20 bad requests"),
        (from_zero(held=False, ready_s=None), "refused", Answer.UNKNOWN, "none was Ready again"),
        (from_zero(held=False, scaled=scaled_object(**NEVER)), "refused", Answer.FAIL, "20 bad requests"),
    ],
)
def test_requests_that_may_be_refused_at_zero_are_no_breach(
    story: Scaling, at_zero: str | None, answer: Answer, words: str
) -> None:
    """Only where the owner declared it, what scales the workload may want none, and until one is Ready."""
    finding = SloMet(SLO)(timed_zero(story, at_zero=at_zero).history())
    assert finding.answer is answer, finding.line()
    assert words in finding.line()


def test_a_request_that_hangs_at_zero_counts_against_the_slo() -> None:
    """Declared is a refusal, not silence."""
    story = timed_zero(from_zero(held=False), at_zero="refused")
    for row in story.rows:
        row["outcome"] = "unanswered" if row["outcome"] == "refused" else row["outcome"]
    assert SloMet(SLO)(story.history()).answer is Answer.FAIL


def asleep(scaled: dict[str, Any]) -> Scaling:
    """No replica is desired from 1 s on, and nobody asks before 60 s; the baseline is from 10 s to 30 s."""
    story = to_zero(1, scaled=scaled).loaded(1, 60, 100)
    story.rows[:] = [row for row in story.rows if row["intended_ns"] >= at(60)]
    return story.has(streams=story.parts["streams"][1:], phases=(Phase("baseline", at(10), at(30)),))


def test_a_baseline_at_zero_is_steady_where_that_is_allowed() -> None:
    """Nobody asks, and none is there; a workload that somebody scaled to zero by hand is not steady."""
    assert SteadyBefore()(asleep(scaled_object()).history()).answer is Answer.PASS
    by_hand = SteadyBefore()(asleep(scaled_object(**NEVER)).history())
    assert by_hand.answer is Answer.UNKNOWN
    assert "no replica was desired" in by_hand.reason


def canaried(story: Scaling) -> Scaling:
    """The canary asks both replicas once a second, all the time that users do not."""
    asked = [CanaryRequest(f"model-{uid}", uid, at(s), at(s), at(s + 0.1), "ok") for s in range(31, 75) for uid in "ab"]
    return story.has(canary=Canary("its way", "", tuple(asked)))


@pytest.mark.parametrize(
    ("story", "within_s", "answer"),
    [
        (timed_zero(to_zero(75)), None, Answer.UNKNOWN),
        (timed_zero(to_zero(None)), None, Answer.UNKNOWN),
        (timed_zero(to_zero()), None, Answer.PASS),
        (timed_zero(to_zero(None, scaled=scaled_object(**NEVER))), 40, Answer.FAIL),
    ],
)
def test_a_canary_that_goes_on_asking_may_keep_replicas(story: Scaling, within_s: float | None, answer: Answer) -> None:
    """A trigger that counts requests counts the canary's; what may not go to zero at all stays without it, too."""
    finding = ScaledToZero(within_s=within_s)(canaried(story).history())
    assert finding.answer is answer, finding.line()
    assert ("the canary went on asking" in finding.reason) is (answer is Answer.UNKNOWN)


def test_a_client_that_tries_again_asks_all_the_while() -> None:
    """It was refused at 75 s, and at 90 s its last attempt brought the replica up that it was after."""
    story = timed_zero(to_zero()).loaded(1, 75, 76)
    row = story.rows[-1]
    row.update(outcome="refused", first_token_ns=None, attempts=5, last_outcome="ok", last_end_ns=at(96))
    story.saw(90, "MODIFIED", deployment(1, spec=ASKING), "Deployment").made("z", 90.1, 95)
    story.saw(98, "MODIFIED", deployment(0, spec=ASKING), "Deployment").ends(98.1, "z")
    finding = ScaledToZero()(story.history())
    assert finding.answer is Answer.PASS, finding.line()


@pytest.mark.parametrize("outcome", ["disconnected", "unsent"])
def test_who_left_or_never_asked_was_held_all_the_same(outcome: str) -> None:
    """A client that leaves at its first token was answered; one that was never sent is the generator's own doing."""
    story = from_zero()
    row = next(row for row in story.rows if row["intended_ns"] >= at(60))
    row.update(outcome=outcome, leaves_after=1 if outcome == "disconnected" else None)
    finding = ColdStart(within_s=30, at_zero="held")(story.history())
    assert finding.answer is Answer.PASS, finding.line()


def test_a_further_turn_that_is_refused_at_zero_is_as_declared() -> None:
    """A user thought for longer than the cooldown: the next turn is refused like any request then."""
    story = timed_zero(from_zero(held=False), at_zero="refused")
    row = {**story.rows[-1], "id": TURN, "turn": 1, "outcome": "refused", "intended_ns": at(60), "sent_ns": at(60)}
    story.rows.extend(
        {**row, "id": number + TURN, "end_ns": at(60.1), "first_byte_ns": None, "first_token_ns": None}
        for number in range(20)
    )
    finding = SloMet(SLO)(story.history())
    assert finding.answer is Answer.PASS, finding.line()
    for one in story.rows:
        one["outcome"] = "unanswered" if one.get("turn") else one["outcome"]
    assert SloMet(SLO)(story.history()).answer is Answer.FAIL


def test_a_client_whose_last_attempt_failed_after_zero_is_not_excused() -> None:
    """It was refused at zero, as declared, and failed once more when a replica was Ready."""
    story = timed_zero(from_zero(held=False), at_zero="refused")
    refused = [row for row in story.rows if row["outcome"] == "refused"]
    for row in refused:
        row.update(attempts=3, last_outcome="failed", last_end_ns=at(80))
    in_the_end = Slo(availability=0.99, after_retries=True)
    assert SloMet(in_the_end)(story.history()).answer is Answer.FAIL
    assert SloMet(SLO)(story.history()).answer is Answer.PASS
    for row in refused:
        row.update(last_outcome="refused", last_end_ns=at(65))
    assert SloMet(in_the_end)(story.history()).answer is Answer.PASS


def zeroed_by(manager: str, at_s: float = 60, **spec: Any) -> Scaling:
    """The story of `to_zero`, in which the API server remembers who set the number."""
    story = timed_zero(to_zero(None, scaled=scaled_object(**spec)))
    none = deployment(0, spec=ASKING)
    writer = {"manager": manager, "operation": "Update", "subresource": "scale", "time": "2026-01-01T00:00:00Z"}
    none["metadata"]["replicasSetBy"] = [writer]
    return story.saw(at_s, "MODIFIED", none, "Deployment").ends(at_s + 0.1, "a", "b")


@pytest.mark.parametrize(
    ("story", "within_s", "answer", "words"),
    [
        (zeroed_by("keda"), None, Answer.PASS, ""),
        (zeroed_by("keda", 75), None, Answer.FAIL, "at zero only"),
        (zeroed_by("kubectl"), None, Answer.UNKNOWN, "but kubectl did that"),
        (zeroed_by("kubectl", 90), None, Answer.FAIL, "at zero only"),
        (zeroed_by("argocd-controller"), None, Answer.UNKNOWN, "but argocd-controller did that"),
        (timed_zero(to_zero(scaled=scaled_object(**NEVER))), None, Answer.UNKNOWN, "nothing that is known to scale it"),
        (timed_zero(to_zero(scaled=scaled_object(**NEVER))), 60, Answer.UNKNOWN, "nothing that is known to scale it"),
        (
            timed_zero(to_zero(scaled=scaled_object(annotations={"autoscaling.keda.sh/paused-replicas": "0"}))),
            60,
            Answer.UNKNOWN,
            "is paused",
        ),
    ],
)
def test_a_zero_that_others_set_is_not_what_scales_it(
    story: Scaling, within_s: float | None, answer: Answer, words: str
) -> None:
    """Somebody who scales by hand does not show that the system goes to zero by itself, and excuses no delay."""
    finding = ScaledToZero(within_s=within_s)(story.history())
    assert finding.answer is answer, finding.line()
    assert words in finding.line()


def dozing(set_by: str = "keda") -> Scaling:
    """Two requests a second all along; no replica is desired from 60.3 s to 70.3 s, nor Ready before 75 s."""
    story = timed_zero(to_zero(None).loaded(2, 30, 110), at_zero="refused")
    none = deployment(0, spec=ASKING)
    writer = {"manager": set_by, "operation": "Update", "subresource": "scale", "time": "2026-01-01T00:00:00Z"}
    none["metadata"]["replicasSetBy"] = [writer]
    story.saw(60.3, "MODIFIED", none, "Deployment").ends(60.4, "a", "b")
    story.saw(70.3, "MODIFIED", deployment(1, spec=ASKING), "Deployment").made("c", 70.4, 75)
    for row in story.rows:
        if at(60.5) <= row["intended_ns"] < at(75):
            row.update(outcome="refused", first_token_ns=None, first_byte_ns=None)
    return story


def test_going_to_zero_while_users_ask_proves_nothing() -> None:
    """Between two requests there is always a moment in which nobody asks: that is no time as long as the cooldown."""
    finding = ScaledToZero()(dozing().history())
    assert finding.answer is Answer.UNKNOWN
    assert "within its cooldown of 20 s" in finding.reason


@pytest.mark.parametrize(("set_by", "words"), [("keda", "0.3 s after a request came"), ("kubectl", "kubectl did that")])
def test_refusals_at_a_zero_that_was_not_due_are_in_doubt(set_by: str, words: str) -> None:
    """The owner declared them for a workload that nobody asks, and that what scales it puts to sleep."""
    finding = SloMet(SLO)(dozing(set_by).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert words in finding.reason


@pytest.mark.parametrize(("set_by", "answer"), [("keda", Answer.PASS), ("kubectl", Answer.UNKNOWN)])
def test_a_trial_that_ends_at_a_zero_that_others_set_proves_nothing(set_by: str, answer: Answer) -> None:
    """Nobody knows whether the replicas that were desired before would be there."""
    finding = EndState()(zeroed_by(set_by).history())
    assert finding.answer is answer, finding.line()


def test_a_trial_that_ends_at_zero_while_users_ask_proves_nothing() -> None:
    """As above: what it went by did not count them."""
    story = dozing()
    story.events[:] = [one for one in story.events if one.at_ns < at(70)]
    finding = EndState()(story.history())
    assert finding.answer is Answer.UNKNOWN
    assert "0.3 s after a request came" in finding.reason


def test_what_a_pod_of_before_answers_on_its_way_out_is_no_cold_start() -> None:
    """It answered the first request at zero; the others were refused until a new replica was Ready, 64 s later."""
    story = timed_zero(to_zero(45, until_s=160).loaded(1, 46, 150), at_zero="refused")
    story.saw(55, "MODIFIED", deployment(1, spec=ASKING), "Deployment").made("c", 55.2, 110)
    for row in story.rows:
        if at(47) <= row["intended_ns"] < at(110):
            row.update(outcome="refused", first_token_ns=None, first_byte_ns=None)
    finding = ColdStart(within_s=20)(story.history())
    assert finding.answer is Answer.FAIL
    assert "first token after 63.1 s, budget 20 s" in finding.reason
    finding = ColdStart(within_s=70)(story.history())
    assert finding.answer is Answer.PASS, finding.line()
    for row in story.rows:
        if row["intended_ns"] >= at(47):
            row["intended_ns"] = row["sent_ns"] = at(148)
    finding = ColdStart(within_s=20)(story.history())
    assert finding.answer is Answer.UNKNOWN
    assert "no request came while no replica was desired" in finding.reason


def test_an_answer_of_somebody_else_before_a_replica_is_ready_ends_no_cold_start() -> None:
    """A gateway that answers itself meanwhile, or by another pool, is no replica."""
    story = timed_zero(from_zero(ready_s=110, until_s=160), at_zero="held")
    for row in story.rows:
        if at(50) <= row["intended_ns"] < at(70):
            quick = row["intended_ns"] + 100_000_000
            row.update(first_token_ns=quick, first_byte_ns=quick, end_ns=quick)
    assert ColdStart(within_s=20)(story.history()).answer is Answer.FAIL
    assert ColdStart(within_s=62)(story.history()).answer is Answer.PASS
