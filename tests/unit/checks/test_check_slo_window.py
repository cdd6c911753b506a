"""SloMet inside a window: the percentiles of that window, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from histories import Story, at

from chaos.checks import SloMet
from chaos.checks.traffic.windows import InPhase, InStream, WhileRaised
from chaos.checks.verdict import Answer, Finding
from chaos.slo import Slo
from loadgen.shapes import Ramp, Spike, Steady

SPIKE = Spike(10, 50, at_s=40, for_s=20)
SLO = Slo(availability=0.99, latency_p99_s=2.0)


def in_spike(story: Story, settle_s: float = 0, slo: Slo = SLO) -> Finding:
    """The finding on the window of the spike."""
    return SloMet(slo, within=WhileRaised(settle_s))(story.history())


def slow_between(begin_s: float, end_s: float) -> Story:
    """A spike in whose time some requests are slow."""
    return Story().shaped(SPIKE, latency_s=lambda at_s: 3.0 if begin_s <= at_s < end_s else 0.1)


def test_the_window_of_a_spike_has_its_own_percentiles() -> None:
    """A peak that is slow for half a second misses its p99, though the p99 of the whole run is kept."""
    story = slow_between(40, 40.3)
    finding = in_spike(story)
    assert SloMet(SLO)(story.history()).answer is Answer.PASS
    assert finding.answer is Answer.FAIL
    latency = finding.values["times"]["latency"]
    assert (finding.values["valid"], latency["over"], latency["allowed"]) == (1000, 15, 10)
    assert finding.check == "slo-met-while-raised"


def test_what_happens_outside_of_the_window_does_not_count() -> None:
    """Slow before and after, well within: the window passes, the run fails."""
    story = slow_between(10, 39)
    assert in_spike(story).answer is Answer.PASS
    assert SloMet(SLO)(story.history()).answer is Answer.FAIL


def test_a_system_may_be_given_time_to_follow() -> None:
    """From five seconds after the rise on the objective must be kept again."""
    assert in_spike(slow_between(40, 44), settle_s=5).answer is Answer.PASS
    assert in_spike(slow_between(40, 46), settle_s=5).answer is Answer.FAIL


def test_failures_in_the_window_are_counted_never_dropped() -> None:
    """Eleven quick failures of a thousand make p99 infinite and spend more than the budget."""
    story = Story().shaped(SPIKE)
    peak = [row["id"] for row in story.rows if at(40) <= row["intended_ns"] < at(60)]
    finding = in_spike(story.fate(peak[:11], "refused"))
    assert finding.answer is Answer.FAIL
    assert finding.values["bad"] == 11
    assert "p99 never answered" in finding.measured
    assert in_spike(Story().shaped(SPIKE).fate(peak[:10], "refused"), slo=Slo(availability=0.99)).answer is Answer.PASS


def test_a_missing_record_in_the_window_is_unknown_outside_it_is_not() -> None:
    """Each window is accounted for by itself."""
    for number, answer in ((450, Answer.UNKNOWN), (10, Answer.PASS)):
        story = Story().shaped(SPIKE)
        del story.rows[number]
        assert in_spike(story).answer is answer


def test_a_generator_that_fell_behind_in_the_window_is_unknown() -> None:
    """Its lag within the window decides, not that of the whole run."""
    story = Story().shaped(SPIKE)
    for row in story.rows[405:420]:
        for moment in ("sent_ns", "first_byte_ns", "first_token_ns", "end_ns"):
            row[moment] += 200_000_000
    assert SloMet(SLO)(story.history()).answer is Answer.PASS
    assert in_spike(story).answer is Answer.UNKNOWN
    busy = Story().shaped(SPIKE)
    samples = [replace(one, cpu_share=0.95) if one.at_ns == at(70) else one for one in busy.parts["generator"]]
    assert in_spike(busy.has(generator=tuple(samples))).answer is Answer.PASS


def test_a_second_stream_over_the_first_is_a_spike_too() -> None:
    """The window is where the sum of all streams is above what was offered at first."""
    story = Story().shaped(Steady(10)).shaped(Steady(40), begin_s=40, end_s=60)
    finding = in_spike(story)
    assert finding.answer is Answer.PASS
    assert (finding.values["begin_ns"], finding.values["end_ns"]) == (at(40), at(60))
    assert finding.values["valid"] == 1000


def test_a_ramp_is_raised_from_its_begin_to_the_end_of_traffic() -> None:
    """A load that never comes back is raised until it ends."""
    finding = in_spike(Story().shaped(Ramp(0, 50, over_s=50), end_s=90))
    assert (finding.values["begin_ns"], finding.values["end_ns"]) == (at(0), at(90))


@pytest.mark.parametrize(
    ("within", "story", "reason"),
    [
        (WhileRaised(), Story().shaped(Steady(10)), "the load was never raised"),
        (WhileRaised(25), Story().shaped(SPIKE), "raised for less than 25 s"),
        (WhileRaised(), Story(), "no stream has a rate"),
        (InPhase("fault"), Story().traffic().has(phases=()), "the phase fault is not in the record"),
    ],
)
def test_a_window_that_the_record_does_not_have_is_unknown(
    within: WhileRaised | InPhase, story: Story, reason: str
) -> None:
    """Nothing is judged in its place."""
    finding = SloMet(SLO, within=within)(story.history())
    assert finding.answer is Answer.UNKNOWN
    assert reason in finding.reason


def test_a_phase_is_a_window() -> None:
    """Slow in the fault phase only: it fails, the recovery passes."""
    story = Story().shaped(Steady(50), latency_s=lambda at_s: 3.0 if 30 <= at_s < 40 else 0.1)
    assert SloMet(SLO, within=InPhase("fault"))(story.history()).answer is Answer.FAIL
    assert SloMet(SLO, within=InPhase("recovery"))(story.history()).answer is Answer.PASS


def test_a_stream_is_a_window_too() -> None:
    """Of two streams, one after the other, each is judged by itself; one that is not there, or not over, is UNKNOWN."""
    story = Story().shaped(Steady(10), end_s=40).shaped(Steady(10), begin_s=50, end_s=90, latency_s=lambda _: 3.0)
    first, second = (SloMet(SLO, within=InStream(name))(story.history()) for name in ("steady-1", "steady-2"))
    assert (first.answer, second.answer) == (Answer.PASS, Answer.FAIL)
    assert "is not in the record" in SloMet(SLO, within=InStream("steady-3"))(story.history()).reason
    *_, last = story.parts["streams"]
    story.has(streams=(story.parts["streams"][0], replace(last, end_ns=None)))
    assert "never ended" in SloMet(SLO, within=InStream("steady-2"))(story.history()).reason


def cut_short(lost: int, cut_s: float = 30.2) -> Story:
    """Answers take 20 s, and of the 200 under way as a pod is killed at 30 s so many are cut; later ones are quick."""
    story = Story().shaped(Steady(10), latency_s=lambda at_s: 20.0 if at_s < 30 else 0.1).fault("a")
    ends = {"first_byte_ns": None, "first_token_ns": None, "end_ns": at(cut_s)}
    return story.fate(range(200, 200 + lost), "truncated", **ends)


QUICK = Slo(latency_p99_s=1.0)
GOOD_AND_QUICK = Slo(latency_p99_s=1.0, goodput=0.99)


@pytest.mark.parametrize("slo", [Slo(availability=0.99), QUICK, GOOD_AND_QUICK], ids=str)
@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(cut_short(20), Answer.UNKNOWN, id="a tenth was cut"),
        pytest.param(cut_short(3), Answer.PASS, id="few were cut"),
        pytest.param(cut_short(20, 29.9), Answer.PASS, id="cut before the fault"),
        pytest.param(cut_short(0), Answer.PASS, id="none was cut"),
    ],
)
def test_what_a_fault_cuts_that_began_before_its_phase_leaves_the_phase_open(
    story: Story, answer: Answer, slo: Slo
) -> None:
    """No request that was meant within the phase came to grief, and the fault cut those that were under way."""
    finding = SloMet(slo, within=InPhase("fault"))(story.history())
    assert finding.answer is answer, finding.line()
    assert ("20 of 200 requests that were under way" in finding.reason) is (answer is Answer.UNKNOWN)


def test_what_a_fault_cut_is_no_matter_of_the_recovery() -> None:
    """The recovery has no fault of its own; over all traffic what was cut counts."""
    history = cut_short(20).history()
    assert SloMet(Slo(availability=0.99), within=InPhase("recovery"))(history).answer is Answer.PASS
    assert SloMet(Slo(availability=0.99))(history).answer is Answer.FAIL


def test_a_fault_that_missed_cut_nothing() -> None:
    """What nobody proved to have happened is not what cut them."""
    story = cut_short(20)
    (fault,) = story.parts["faults"]
    story.has(faults=(replace(fault, landed_ns=None, missed="no pod"),))
    assert SloMet(Slo(availability=0.99), within=InPhase("fault"))(story.history()).answer is Answer.PASS


@pytest.mark.parametrize(("last", "answer"), [("failed", Answer.UNKNOWN), ("ok", Answer.PASS)])
def test_last_attempts_of_clients_are_under_way_as_a_fault_begins(last: str, answer: Answer) -> None:
    """Of an SLO after retries they decide, whatever came of the first ones before the fault."""
    story = Story().traffic().fault("a")
    story.fate(range(280, 300), "failed", attempts=3, last_outcome=last, last_end_ns=at(34))
    for row in story.rows[280:300]:
        row["end_ns"] = row["intended_ns"] + 10**7
    slo = Slo(availability=0.99, after_retries=True)
    assert SloMet(slo, within=InPhase("fault"))(story.history()).answer is answer
