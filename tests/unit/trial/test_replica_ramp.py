"""What a short ramp says of a replica's capacity, and where it says nothing."""

import random

import pytest
from histories import Story, pod
from ramp_stories import SLO, Service, measurement, ramped

from chaos.checks.traffic.capacity_steps import rate_steps
from chaos.checks.verdict import Answer
from chaos.errors import UsageError
from chaos.slo import Slo
from chaos.trial.capacity.ramp import RAMP_S, capacity_from


@pytest.mark.parametrize("work_s", [2.0, 0.9, 0.33, 0.05])
@pytest.mark.parametrize("replicas", [1, 3])
def test_a_service_that_saturates_tells_its_capacity(work_s: float, replicas: int) -> None:
    """Within a third of what a replica really answers, though the SLO is so wide that a short queue hides in it."""
    service, asked = Service(work_s, replicas=replicas), measurement(replicas)
    history, tried = ramped(service, asked)
    found = capacity_from(history, asked)
    assert found.replicas == replicas
    assert 0.7 / work_s <= found.replica_rps <= 1.2 / work_s
    assert sum(map(asked.duration_s, tried)) <= RAMP_S


@pytest.mark.parametrize("seed", range(8))
def test_noise_moves_the_capacity_but_little(seed: int) -> None:
    """Where some answers take several times as long it is the same within a factor of two, lower rather than higher."""
    service, asked = Service(0.2, noise=0.5, seed=seed), measurement()
    found = capacity_from(ramped(service, asked)[0], asked)
    assert 0.4 * service.limit_rps / 1.5 <= found.replica_rps <= 1.2 * service.limit_rps


def test_one_hiccup_is_no_limit() -> None:
    """A single slow request of a step is what a hundredth may be; two are not."""
    for slow, answer in ((1, Answer.PASS), (2, Answer.FAIL)):
        story = (
            Story(200).replicas("a").traffic(rate_rps=2, begin_s=5, end_s=25).traffic(rate_rps=2, begin_s=30, end_s=42)
        )
        for row in story.rows[-slow:]:
            row["end_ns"] = row["intended_ns"] + 7_000_000_000
        assert rate_steps(story.history(), SLO, brief=True)[-1].answer is answer


@pytest.mark.parametrize(("shed", "answer"), [(0, Answer.PASS), (2, Answer.PASS), (3, Answer.FAIL), (20, Answer.FAIL)])
def test_a_service_that_sheds_more_than_its_slo_allows_carries_no_more(shed: int, answer: Answer) -> None:
    """What it answers is quick, and what it turns away is in no figure but the share of its own."""
    slo = Slo(availability=0.99, latency_p99_s=5.0, shed_max=0.1)
    story = Story(200).replicas("a").traffic(rate_rps=2, begin_s=5, end_s=25).traffic(rate_rps=2, begin_s=30, end_s=40)
    for row in story.rows[40 : 40 + shed]:
        row.update(outcome="shed", status=429)
    (step,) = rate_steps(story.history(), slo, brief=True)
    assert step.answer is answer, step.reason
    assert ("requests were shed" in step.reason) is (answer is Answer.FAIL)


def test_a_growing_queue_within_the_objective_is_no_capacity() -> None:
    """Every answer within the SLO, and each later than the one before: a longer step would break."""
    story = Story(200).replicas("a").traffic(rate_rps=2, begin_s=5, end_s=25).traffic(rate_rps=4, begin_s=30, end_s=40)
    for number, row in enumerate(story.rows[40:]):
        row["end_ns"] = row["intended_ns"] + 200_000_000 + 100_000_000 * number
    (step,) = rate_steps(story.history(), SLO, brief=True)
    assert step.answer is Answer.FAIL
    assert "a queue grows" in step.reason


def test_a_late_generator_gives_no_capacity() -> None:
    """What was sent late says nothing of the service, however well that answered."""
    asked = measurement()
    with pytest.raises(UsageError, match="could not be learned") as refused:
        capacity_from(ramped(Service(0.3, lag_s=1.0), asked)[0], asked)
    assert "generator" in refused.value.what or "start lag" in refused.value.what
    assert "replica_rps" in (refused.value.fix or "")


def test_replicas_that_come_and_go_give_no_capacity() -> None:
    """A ramp in each of whose steps a replica turned unready is one of an unknown number of replicas."""
    asked = measurement(2)

    def unready(story: Story, begin_s: float, _step: int) -> None:
        story.saw(begin_s + 2, "MODIFIED", pod("b"))
        story.saw(begin_s + 4, "MODIFIED", pod("b", ready=True))

    with pytest.raises(UsageError, match="of 2 replicas were Ready in the step"):
        capacity_from(ramped(Service(0.3, replicas=2), asked, unready)[0], asked)


def test_a_service_that_carries_nothing_has_no_capacity() -> None:
    """Failures at every rate down to the lowest are no capacity near zero, but none."""
    asked = measurement()
    with pytest.raises(
        UsageError, match=r"not even 0\.25/s were carried within the SLO \(\d+ of \d+ requests were bad\)"
    ):
        capacity_from(ramped(Service(0.1, fails=1.0), asked)[0], asked)


def test_a_limit_of_the_owners_that_is_too_low_gives_none() -> None:
    """That the SLO held at the most that was allowed says that a replica carries more, not how much."""
    asked = measurement(most_rps=2.0)
    history, tried = ramped(Service(0.01), asked)
    assert max(tried) == 2.0
    with pytest.raises(UsageError, match=r"still held at 2/s, the most that a ramp may offer here"):
        capacity_from(history, asked)
    with pytest.raises(UsageError, match=r"rps_max allows no more than 0\.3/s"):
        measurement(most_rps=0.3)


def test_a_ramp_that_was_stopped_gives_none() -> None:
    """The reason is that of the stop."""
    asked = measurement()
    story = Story(60).replicas("a").traffic(rate_rps=2, begin_s=5, end_s=25).has(stopped="the error budget is spent")
    with pytest.raises(UsageError, match="the error budget is spent"):
        capacity_from(story.history(), asked)
    with pytest.raises(UsageError, match="no step was made on 1 ready replica"):
        capacity_from(Story(60).replicas("a").traffic(rate_rps=2, begin_s=5, end_s=25).history(), asked)


def test_rates_too_far_apart_give_none() -> None:
    """A search that ran out of time between a rate and its double says so."""
    story = Story(400).replicas("a").traffic(rate_rps=2, begin_s=5, end_s=25).traffic(rate_rps=2, begin_s=30, end_s=40)
    story.traffic(rate_rps=4, begin_s=60, end_s=70, latency_s=9.0)
    with pytest.raises(UsageError, match=r"held 2/s, not 4/s, which leaves too much open"):
        capacity_from(story.history(), measurement())


def test_an_slo_of_all_requests_allows_none_to_fail() -> None:
    """One failure is one too many where all have to be good."""
    story = Story(200).replicas("a").traffic(rate_rps=2, begin_s=5, end_s=25).traffic(rate_rps=2, begin_s=30, end_s=42)
    story.rows[-1]["outcome"] = "failed"
    assert rate_steps(story.history(), Slo(availability=1.0), brief=True)[-1].answer is Answer.FAIL
    assert rate_steps(story.history(), Slo(availability=0.99), brief=True)[-1].answer is Answer.PASS


def test_no_chance_makes_a_ramp_run_on() -> None:
    """Whatever answers fall, the steps are few and never over the limit."""
    for seed in range(20):
        chance = random.Random(seed)  # noqa: S311  # replayable
        asked = measurement(most_rps=40.0)
        service = Service(chance.choice((0.02, 0.2, 1.0)), fails=chance.choice((0.0, 0.02, 0.2)), seed=seed)
        _, tried = ramped(service, asked)
        assert len(tried) <= 12
        assert all(0.25 <= rate <= 40 for rate in tried)
