"""SloMet on clients as they are: turned away, gone, trying again, talking on."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from histories import Story, at, request

from chaos.checks import GeneratorHealthy, RateOffered, SloMet
from chaos.checks.verdict import Answer, Finding
from chaos.slo import Slo
from loadgen.records import TURN

AVAILABLE = Slo(availability=0.99)
BOTH = Slo(availability=0.99, latency_p99_s=2.0)


def judged(story: Story, slo: Slo = BOTH) -> Finding:
    """The finding on a story."""
    return SloMet(slo)(story.history())


@pytest.mark.parametrize(
    ("shed", "share", "answer"),
    [
        (10, None, Answer.PASS),
        (11, None, Answer.FAIL),
        (50, 0.05, Answer.PASS),
        (51, 0.05, Answer.FAIL),
        (1, 0.0, Answer.FAIL),
        (0, 0.0, Answer.PASS),
        (1000, 0.5, Answer.FAIL),
    ],
)
def test_shed_requests_are_bad_unless_the_slo_has_a_share_for_them(
    shed: int, share: float | None, answer: Answer
) -> None:
    """With one they spend nothing of any other objective; never are they good."""
    story = Story().traffic().fate(range(shed), "shed", status=429)
    finding = judged(story, Slo(availability=0.99, latency_p99_s=2.0, shed_max=share))
    assert finding.answer is answer, finding.line()
    assert finding.values["shed"] == shed
    assert finding.values["valid"] == 1000 - (shed if share is not None else 0)


def test_shedding_excuses_no_other_failure() -> None:
    """What is left over is judged as ever."""
    story = Story().traffic().fate(range(50), "shed").fate(range(50, 61), "failed")
    assert judged(story, Slo(availability=0.99, shed_max=0.1)).answer is Answer.FAIL


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_to_shed_is_one(share: float) -> None:
    """All of them is no promise at all."""
    with pytest.raises(ValueError, match="shed_max"):
        Slo(availability=0.9, shed_max=share)


def leaving(story: Story, ids: Iterable[int], outcome: str = "disconnected") -> Story:
    """Some clients were to leave; what became of them."""
    return story.fate(ids, outcome, leaves_after=1)


def test_who_left_is_in_no_figure() -> None:
    """Neither bad nor good, nor slow, and every arrival is accounted for all the same."""
    finding = judged(leaving(Story().traffic(), range(200)))
    assert finding.answer is Answer.PASS, finding.line()
    assert (finding.values["valid"], finding.values["bad"]) == (800, 0)
    assert finding.values["outcomes"]["disconnected"] == 200
    assert GeneratorHealthy()(leaving(Story().traffic(), range(200)).history()).answer is Answer.PASS


def test_failures_of_those_who_were_to_leave_do_not_weigh_more() -> None:
    """Half of the clients leave, one in a hundred fails: judged by the other half, that is one in a hundred."""
    story = leaving(Story().traffic(), range(0, 1000, 2))
    leaving(story, range(0, 20, 2), "failed").fate(range(1, 10, 2), "failed")
    finding = judged(story, AVAILABLE)
    assert (finding.values["valid"], finding.values["bad"]) == (500, 5)
    assert finding.answer is Answer.PASS, finding.line()


def test_nobody_who_stayed_decides_nothing() -> None:
    """If all clients leave, there is nothing to judge."""
    assert judged(leaving(Story().traffic(), range(1000))).answer is Answer.UNKNOWN


def retried(story: Story, ids: Iterable[int], attempts: int, last: str) -> Story:
    """Some requests failed at first, and clients tried again."""
    return story.fate(ids, "failed", attempts=attempts, last_outcome=last, last_end_ns=at(99.9))


def test_first_attempts_are_judged_and_the_others_told() -> None:
    """A service that fails at first fails, whatever its clients do about it."""
    story = retried(Story().traffic(), range(100), 3, "ok")
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert (finding.values["attempts"], finding.values["attempts_per_request"]) == (1200, 1.2)
    assert "1.2 attempts a request" in finding.measured


def test_an_slo_may_be_about_what_clients_got_in_the_end() -> None:
    """Then the last outcome counts, with all the time that it took."""
    in_the_end = Slo(availability=0.99, after_retries=True)
    assert judged(retried(Story().traffic(), range(100), 3, "ok"), in_the_end).answer is Answer.PASS
    assert judged(retried(Story().traffic(), range(100), 3, "failed"), in_the_end).answer is Answer.FAIL
    slow = Slo(availability=0.99, latency_p99_s=2.0, after_retries=True)
    assert judged(retried(Story().traffic(), range(100), 3, "ok"), slow).answer is Answer.FAIL
    with pytest.raises(ValueError, match="after_retries"):
        Slo(first_token_p99_s=1, after_retries=True)


def talking(story: Story, count: int = 200, *, latency_s: float = 0.1, outcome: str = "ok") -> Story:
    """So many conversations go on for a second turn."""
    for number in range(count):
        row = request(number + TURN, "steady-1", at(number / 10 + 5), latency_s=latency_s)
        story.rows.append({**row, "turn": 1, "outcome": outcome})
    return story


def test_further_turns_are_no_arrivals() -> None:
    """They were not planned, so none is missing, none is too many, and the rate is what it was."""
    story = talking(Story().traffic())
    finding = judged(story)
    assert finding.answer is Answer.PASS, finding.line()
    assert (finding.values["valid"], finding.values["arrivals"]["expected"]) == (1000, 1000)
    assert RateOffered()(story.history()).answer is Answer.PASS
    assert any(one.subject == "further turns" for one in finding.obligations)


@pytest.mark.parametrize("changes", [{"latency_s": 9.0}, {"outcome": "truncated"}])
def test_further_turns_that_miss_the_slo_fail(changes: dict[str, object]) -> None:
    """Slow ones and lost ones: no closed loop makes a service look worse than it is."""
    finding = judged(talking(Story().traffic(), **changes))  # type: ignore[arg-type]
    assert finding.answer is Answer.FAIL
    assert "further turns" in finding.reason


def test_further_turns_that_are_shed_are_held_to_the_share_of_the_slo() -> None:
    """A share of shed requests takes them out of availability, not out of the SLO."""
    slo = Slo(availability=0.99, shed_max=0.05)
    assert judged(talking(Story().traffic(), outcome="shed"), slo).answer is Answer.FAIL
    story = talking(Story().traffic())
    for row in story.rows[-10:]:
        row["outcome"] = "shed"
    assert judged(story, slo).answer is Answer.PASS


def test_one_bad_turn_of_a_few_is_no_share() -> None:
    """One of 1020 requests was lost: that it was a further turn makes it no worse."""
    story = talking(Story().traffic(), 20)
    story.rows[-1]["outcome"] = "truncated"
    assert judged(story, AVAILABLE).answer is Answer.PASS
    story.rows[-2]["outcome"] = "truncated"
    assert judged(story, AVAILABLE).answer is Answer.FAIL


def test_good_further_turns_do_not_thin_out_bad_first_ones() -> None:
    """A thousand quick second turns change nothing about first answers that are slow."""
    story = talking(Story().traffic().fate(range(11), "late", end_ns=at(60)), 1000)
    assert judged(story, Slo(latency_p99_s=2.0)).answer is Answer.FAIL


def test_goodput_is_a_rate_as_well() -> None:
    """Requests a second that kept every time, over the time in which traffic flowed."""
    finding = judged(Story().traffic(end_s=50).fate(range(100), "failed"))
    assert finding.values["goodput_rps"] == pytest.approx(8)


def test_records_of_earlier_versions_are_judged_as_ever() -> None:
    """They lack turns, attempts and what clients were to do."""
    story = Story().traffic()
    assert not {"turn", "attempts", "leaves_after"} & set(story.rows[0])
    assert judged(story).answer is Answer.PASS
    assert judged(story).values["attempts_per_request"] == 1
