"""GeneratorHealthy and RateOffered: whether what was measured is the service's doing, at the load that was meant."""

from __future__ import annotations

from dataclasses import replace

import pytest
from histories import Story, at

from chaos.checks import GeneratorHealthy, RateOffered, SloMet
from chaos.checks.traffic.windows import InStream
from chaos.checks.verdict import Answer
from chaos.clock import NS
from chaos.slo import Slo
from loadgen.shapes import Ramp, Spike, Steady
from loadgen.shapes.patterns import Poisson
from loadgen.shapes.trace import Replay

TIMES = ("sent_ns", "first_byte_ns", "first_token_ns", "end_ns")
SPIKE = Spike(10, 50, at_s=20, for_s=30)


def unsound(story: Story, check: GeneratorHealthy | None = None) -> str:
    """Why the generator is not sound; empty if it is."""
    finding = (check or GeneratorHealthy())(story.history())
    assert finding.answer is (Answer.UNKNOWN if finding.reason else Answer.PASS)
    return finding.reason


def test_a_generator_that_keeps_up_is_sound() -> None:
    """Its lag, its processor and its counts are within their limits, and are shown."""
    finding = GeneratorHealthy()(Story().traffic().history())
    assert finding.answer is Answer.PASS
    assert finding.values["arrivals"]["expected"] == 1000


def test_each_limit_of_the_generator_makes_it_unsound() -> None:
    """Lag, processor, unsent, missing, doubled: each alone is enough, and is named."""
    assert "started late: p99 0.060 s" in unsound(Story().traffic(lag_s=0.06))
    assert "95% of its core" in unsound(Story().traffic(cpu_share=0.95))
    assert "1 arrivals were never sent" in unsound(Story().traffic().fate([3], "unsent", sent_ns=None))
    assert "no account of itself" in unsound(Story().traffic().has(generator=()))
    assert "no request was made" in unsound(Story())
    story = Story().traffic()
    story.rows.append(dict(story.rows.pop(5) | {"id": 6}))
    assert "1 arrivals have more than one record; 1 of 1000 intended" in "; ".join(
        sorted(unsound(story).split("; "), key=lambda text: "intended" in text)
    )


def test_the_lag_limit_follows_the_objective() -> None:
    """A generator that judges 0.2 s may lag by a tenth of it."""
    story = Story().traffic(lag_s=0.03)
    assert not unsound(story)
    assert "limit 0.020 s" in unsound(story, GeneratorHealthy(Slo(latency_p99_s=0.2)))


@pytest.mark.parametrize(
    ("late", "lag_s", "end_s", "sound"),
    [
        pytest.param((7,), 0.2, 20, True, id="one, before the next was due"),
        pytest.param((7,), 0.3, 20, False, id="one, after the next was due"),
        pytest.param((79,), 0.2, 20, False, id="the last, so nothing tells how long it stood still"),
        pytest.param((7, 50), 0.2, 20, False, id="two of eighty"),
        pytest.param((7,), 0.3, 30, True, id="one of more than a hundred"),
        pytest.param((7, 50), 0.2, 30, False, id="two of more than a hundred"),
        pytest.param((), 0.0, 20, True, id="none"),
    ],
)
def test_a_machine_that_stood_still_once_is_no_generator_that_falls_behind(
    late: tuple[int, ...], lag_s: float, end_s: float, *, sound: bool
) -> None:
    """At 4/s one start that is late, but before its successor was due, leaves all that was offered as it was meant."""
    story = Story().traffic(rate_rps=4, end_s=end_s)
    for number in late:
        row = story.rows[number]
        story.fate((number,), "ok", **{key: row[key] + round(lag_s * NS) for key in TIMES})
    assert bool(unsound(story)) is not sound
    assert (SloMet(Slo(availability=1))(story.history()).answer is Answer.PASS) is sound


def test_a_window_is_judged_by_itself() -> None:
    """A generator that was late in the second stream was sound in the first; a window that is not there is UNKNOWN."""
    story = Story().traffic(end_s=40).traffic(begin_s=50, end_s=90, lag_s=0.3)
    assert not unsound(story, GeneratorHealthy(within=InStream("steady-1")))
    assert "started late" in unsound(story, GeneratorHealthy(within=InStream("steady-2")))
    assert "is not in the record" in unsound(story, GeneratorHealthy(within=InStream("steady-3")))


def test_kept_connections_are_unsound_where_fresh_ones_are_asked_for() -> None:
    """They pin traffic to replicas that were there before; without a count nobody knows."""
    story = Story().shaped(Steady(10))
    assert not unsound(story, GeneratorHealthy(fresh=True))
    last = replace(story.parts["generator"][-1], reused=7)
    story.has(generator=(*story.parts["generator"][:-1], last))
    assert "7 requests went over kept connections" in unsound(story, GeneratorHealthy(fresh=True))
    assert not unsound(story)
    assert "did not count" in unsound(Story().traffic(), GeneratorHealthy(fresh=True))


@pytest.mark.parametrize(
    "shape",
    [Steady(7), SPIKE, Ramp(0, 20, over_s=60), Poisson(SPIKE, 3), Replay(tuple(k * NS // 3 for k in range(200)))],
    ids=lambda shape: shape.words,
)
def test_a_load_that_was_sent_as_planned_passes(shape: Steady) -> None:
    """Whatever its shape, every arrival is counted by the plan, and the generator is sound."""
    history = Story().shaped(shape).history()
    assert RateOffered()(history).answer is Answer.PASS
    assert GeneratorHealthy()(history).answer is Answer.PASS


def test_a_peak_that_was_not_sent_is_unknown() -> None:
    """Half of the peak is missing: of the whole only a tenth, yet the stretch tells."""
    story = Story().shaped(SPIKE)
    for row in story.rows:
        if at(20) <= row["intended_ns"] < at(50) and row["id"] % 2:
            row.update(outcome="unsent", sent_ns=None)
    finding = RateOffered()(story.history())
    assert finding.answer is Answer.UNKNOWN
    assert finding.reason == "from 20.0 s to 50.0 s 750 of 1500 planned arrivals were sent"


def test_a_peak_that_was_sent_later_is_unknown() -> None:
    """Arrivals that were all sent, but after the peak was over, made no peak."""
    story = Story().shaped(SPIKE)
    for row in story.rows:
        if at(40) <= row["intended_ns"] < at(50):
            row.update(sent_ns=at(51), end_ns=at(52))
    assert "from 20.0 s to 50.0 s 1000 of 1500" in RateOffered()(story.history()).reason


def test_a_plan_that_never_reaches_the_peak_is_unknown() -> None:
    """A scenario that speaks of 50/s for 30 s is not proved by less of it."""
    history = Story().shaped(SPIKE).history()
    assert RateOffered(peak_rps=50, peak_s=30)(history).answer is Answer.PASS
    assert "50/s were planned for 30.0 s only" in RateOffered(peak_rps=50, peak_s=31)(history).reason
    assert "51/s were planned for 0.0 s only" in RateOffered(peak_rps=51)(history).reason
    cut = Story().shaped(SPIKE, end_s=30).history()
    assert "50/s were planned for 10.0 s only" in RateOffered(peak_rps=50, peak_s=30)(cut).reason


def test_no_load_is_unknown() -> None:
    """A trial without traffic offered none."""
    assert RateOffered()(Story().history()).reason == "no load was planned"


def test_records_that_are_not_of_the_plan_are_unknown() -> None:
    """Arrivals elsewhere than planned are another load."""
    story = Story().shaped(SPIKE)
    story.rows[9]["intended_ns"] += 10_000_000
    assert "records of traffic spike-1 are not where its plan puts them" in RateOffered()(story.history()).reason
    assert "1 records of traffic spike-1 are not where" in unsound(story)


def of_two_workers(**second: bool) -> Story:
    """A stream that two workers sent, each with its own samples and its own last word."""
    story = Story().shaped(Steady(10))
    *_, last = story.parts["generator"]
    first = [replace(last, due=500, opened=500, worker=0)]
    return story.has(generator=(*first, replace(last, due=500, opened=500, reused=3, worker=1, **second)))


def test_the_accounts_of_all_workers_are_added_up() -> None:
    """Half of the arrivals each is the whole, and so are their connections."""
    finding = GeneratorHealthy()(of_two_workers().history())
    assert finding.answer is Answer.PASS
    assert (finding.values["connections_opened"], finding.values["connections_reused"]) == (1000, 3)


def test_a_worker_without_a_last_word_is_unknown() -> None:
    """One that died left no whole account, whatever the other says."""
    assert unsound(of_two_workers(final=False)) == "workers 1 of the generator did not end in order"
