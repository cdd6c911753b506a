"""A load worker that was lost: what it owed is counted from the plan, doubted, and never the service's failure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from histories import Story, at

from chaos.checks import GeneratorHealthy, RateOffered, SloMet
from chaos.checks.traffic.accounting import account
from chaos.checks.verdict import Answer, Verdict
from chaos.history import LoadWorker
from chaos.slo import Slo
from reports import summarise

THREE = tuple(LoadWorker(number, 3, f"load-{number}", error_ns=1_000_000) for number in range(3))
SLO = Slo(availability=0.99)


def without(story: Story, number: int, since: int) -> Story:
    """The story in which worker `number` of three was lost, and its records from arrival `since` on with it."""
    story.rows = [row for row in story.rows if row["id"] % 3 != number or row["id"] < since]
    dead = replace(THREE[number], lost_ns=at(60), lost="pod load-1 was deleted")
    return story.has(load_workers=tuple(dead if one.number == number else one for one in THREE))


def test_workers_that_live_leave_no_doubt() -> None:
    """Their clocks are known well enough, and nothing is missing."""
    finding = GeneratorHealthy()(Story().traffic().has(load_workers=THREE).history())
    assert finding.answer is Answer.PASS
    assert finding.values["arrivals"]["lost"] == 0


def test_what_a_lost_worker_owed_is_counted_and_named() -> None:
    """UNKNOWN with worker, number and reason; no failure of the service; the advice is about the workers."""
    history = without(Story().traffic(), 1, 500).history()
    owed = len([k for k in range(500, 1000) if k % 3 == 1])
    sound, met = GeneratorHealthy()(history), SloMet(SLO)(history)
    assert (sound.answer, met.answer) == (Answer.UNKNOWN, Answer.UNKNOWN)
    assert f"worker 1 of the generator was lost, and {owed} arrivals of its own with it: pod load-1" in sound.reason
    assert sound.values["arrivals"]["lost"] == sound.values["arrivals"]["missing"] == owed
    assert f"{owed} lost with their worker" in sound.measured
    assert "load workers" in sound.settle
    assert "have no record" not in sound.reason
    assert met.values["bad"] == 0
    assert met.values["arrivals"]["lost"] == owed


def test_what_others_fail_to_record_is_not_put_on_the_lost_one() -> None:
    """A missing record of a worker that lived is missing, not lost."""
    story = without(Story().traffic(), 1, 500)
    story.rows = [row for row in story.rows if row["id"] != 600]
    finding = GeneratorHealthy()(story.history())
    missing, lost = finding.values["arrivals"]["missing"], finding.values["arrivals"]["lost"]
    assert (missing, lost) == (166 + 1, 166)
    assert "; 1 of 1000 intended arrivals have no record" in finding.reason


def test_a_worker_that_is_lost_after_all_was_sent_owes_nothing() -> None:
    """It is told all the same: nobody could compare what it kept."""
    finding = GeneratorHealthy()(without(Story().traffic(), 1, 1000).history())
    assert finding.answer is Answer.UNKNOWN
    assert "and 0 arrivals of its own with it" in finding.reason


@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_worker_s_own_arrivals_of_a_part_are_counted(number: int) -> None:
    """Of a span only what was intended in it, whoever's turn comes first there."""
    history = without(Story().traffic(), number, 0).history()
    stream = history.streams[0]
    span = (stream.begin_ns + 10**9, stream.begin_ns + 2 * 10**9)
    owed = sum(k % 3 == number for k in range(10, 20))
    assert account(history, span=span).counts.lost == owed


def test_a_failure_that_is_sure_stays_one() -> None:
    """What the others saw of the service is believed, if not even the lost arrivals could mend it."""
    story = without(Story().traffic(), 1, 990).fate(range(0, 900, 3), "failed")
    assert SloMet(SLO)(story.history()).answer is Answer.FAIL


def test_a_clock_that_is_not_known_well_enough_is_a_doubt() -> None:
    """By its first reading, or by how far it went apart since."""
    rough = replace(THREE[1], error_ns=80_000_000)
    apart = replace(THREE[1], drift_ns=-60_000_000, drift_error_ns=1_000_000)
    for one, words in ((rough, "0.080 s only"), (apart, "0.061 s only")):
        finding = GeneratorHealthy()(Story().traffic().has(load_workers=(THREE[0], one)).history())
        assert finding.answer is Answer.UNKNOWN
        assert f"the clock of worker 1 is known to {words}" in finding.reason


def test_the_report_tells_the_loss_among_what_happened() -> None:
    """At its moment, with the reason."""
    report = summarise(without(Story().traffic(), 1, 500).history(), Verdict(()))
    [told] = [moment for moment in report.story if "load worker" in moment.text]
    assert told.at_ns == at(60)
    assert told.text.endswith("pod load-1 was deleted")


def test_a_rate_that_was_not_offered_for_a_lost_worker_is_unknown() -> None:
    """What was missing of the load is the generator's doing: never a FAIL."""
    finding = RateOffered()(without(Story().traffic(), 1, 500).history())
    assert finding.answer is Answer.UNKNOWN
