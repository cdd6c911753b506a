"""From when on users were inside the SLO again: the whole rest of the spike must be, and be long enough to tell."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from histories import Story, at

from chaos.checks.autoscaling.scale_up import answered_rps, regained_ns, too_few
from chaos.slo import Slo

SLO = Slo(availability=0.99, latency_p99_s=2.0)


def told(*slow: int, rate_rps: float = 5, latency_s: float = 7.0) -> Story:
    """Traffic from 0 to 100 s, of which the requests intended in these seconds take long."""
    story = Story(110).traffic(rate_rps=rate_rps, end_s=100)
    for row in story.rows:
        if (row["intended_ns"] - at(0)) // 10**9 in slow:
            row["end_ns"] = row["intended_ns"] + round(latency_s * 1e9)
    return story


@pytest.mark.parametrize(
    ("slow", "since_s"),
    [
        ((), 30),
        (tuple(range(30, 60)), 60),
        # one slow second in the middle starts it anew
        ((*range(30, 50), 70), 71),
        # the last ten seconds must all be well
        (tuple(range(30, 79)), 79),
        (tuple(range(30, 82)), None),
        ((*range(30, 50), 89), None),
        (tuple(range(30, 90)), None),
    ],
)
def test_the_first_request_from_which_on_all_is_well(slow: tuple[int, ...], since_s: float | None) -> None:
    """Seconds outside of the spike (30 to 90 s) do not count."""
    found = regained_ns(told(*slow, 95).history(), SLO, at(30), at(90))
    assert found == (None if since_s is None else at(since_s))


def test_one_slow_request_in_a_hundred_is_allowed() -> None:
    """The percentile is by nearest rank: of 300 requests three may be slow."""
    story = told()
    for number in (160, 200, 300):
        story.rows[number]["end_ns"] = story.rows[number]["intended_ns"] + 7 * 10**9
    assert regained_ns(story.history(), SLO, at(30), at(90)) == at(30)
    story.rows[250]["end_ns"] = story.rows[250]["intended_ns"] + 7 * 10**9
    assert regained_ns(story.history(), SLO, at(30), at(90)) != at(30)


def test_what_was_never_answered_is_bad_and_slow() -> None:
    """Failures count for availability and for the percentile; what the generator never sent counts for nothing."""
    failing = told().fate(range(150, 250), "failed")
    assert regained_ns(failing.history(), SLO, at(30), at(90)) == at(50)
    unsent = told().fate(range(150, 250), "unsent")
    assert regained_ns(unsent.history(), SLO, at(30), at(90)) == at(50)


def test_few_requests_tell_nothing() -> None:
    """Twenty at least must say that users are well."""
    assert regained_ns(told(rate_rps=0.3).history(), SLO, at(30), at(90)) is None


@pytest.mark.parametrize(
    ("slow", "rate_rps", "few"),
    [
        pytest.param(range(30, 75), 1, True, id="fifteen at the end are well"),
        pytest.param(range(30, 82), 1, False, id="those of the last ten seconds are not"),
        pytest.param(range(30, 90), 1, False, id="none is"),
        pytest.param((), 0.3, True, id="all of eighteen are well"),
        pytest.param(range(30, 85), 0.3, True, id="the last of eighteen is"),
        pytest.param(range(30, 90), 0.3, False, id="none of eighteen is"),
    ],
)
def test_users_who_may_be_well_again_are_not_said_to_be_unwell(
    slow: Iterable[int], rate_rps: float, *, few: bool
) -> None:
    """Where twenty requests would have to say so and fewer do, it is open; where they are unwell it is not."""
    history = told(*slow, rate_rps=rate_rps).history()
    assert regained_ns(history, SLO, at(30), at(90)) is None
    assert too_few(history, SLO, at(30), at(90)) == few
    assert too_few(history, SLO, at(100), at(110)), "nobody asked"


def test_answers_are_counted_when_they_end() -> None:
    """Answers a second over a span, failures not among them; an empty span has none."""
    story = told().fate(range(25), "failed")
    assert answered_rps(story.history(), at(0), at(10)) == pytest.approx(2.5, abs=0.1)
    assert answered_rps(story.history(), at(10), at(10)) is None


def test_users_that_are_shed_are_well_up_to_the_share_of_the_slo() -> None:
    """Beyond it nobody is well again, however quick the answers of the others are."""
    slo = Slo(availability=0.99, latency_p99_s=2.0, shed_max=0.1)

    def shedding(every: int) -> Story:
        story = told()
        return story.fate((row["id"] for row in story.rows[150:450] if row["id"] % every == 0), "shed", status=429)

    assert regained_ns(shedding(11).history(), slo, at(30), at(90)) == at(30)
    assert regained_ns(shedding(2).history(), slo, at(30), at(90)) is None
    assert not too_few(shedding(2).history(), slo, at(30), at(90))
    early = told().fate(range(150, 250), "shed", status=429)
    found = regained_ns(early.history(), slo, at(30), at(90))
    assert found is not None
    assert at(42) < found <= at(50)
