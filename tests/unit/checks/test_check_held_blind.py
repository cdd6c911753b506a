"""HeldBlind: without metrics nothing falls, and afterwards it follows."""

from __future__ import annotations

import pytest
from autoscaler_stories import ASKING, Scaling, hpa
from histories import deployment
from zero_stories import blind_story, scaled_object

from chaos.checks import HeldBlind
from chaos.checks.verdict import Answer
from chaos.history.facts.autoscaler import KIND
from chaos.objects.scaled_object import SCALED_OBJECT


def changed(desired: int, *, by: str = "") -> Scaling:
    """Desired replicas change at 45 s, while there are no metrics, by the autoscaler or somebody else."""
    raw = deployment(desired, spec=ASKING)
    if by:
        raw["metadata"]["replicasSetBy"] = [{"manager": by, "operation": "Apply", "time": "2026-01-01T00:00:00Z"}]
    story = blind_story().saw(45, "MODIFIED", raw, "Deployment")
    if not by:
        story.saw(45.1, "MODIFIED", hpa(desired, inactive="FailedGetExternalMetric"), KIND)
    return story.saw(60, "MODIFIED", hpa(desired, measured=40), KIND)


FALLBACK = scaled_object(fallback={"failureThreshold": 3, "replicas": 4})


@pytest.mark.parametrize(
    ("story", "answer", "words"),
    [
        pytest.param(blind_story(), Answer.PASS, "", id="held"),
        pytest.param(changed(1), Answer.FAIL, "2 to 1 while the autoscaler had no metrics", id="fell"),
        pytest.param(changed(4), Answer.FAIL, "2 to 4", id="rose"),
        pytest.param(changed(4).saw(0, "LISTED", FALLBACK, SCALED_OBJECT), Answer.PASS, "", id="the fallback"),
        pytest.param(changed(6).saw(0, "LISTED", FALLBACK, SCALED_OBJECT), Answer.FAIL, "", id="over the fallback"),
        pytest.param(changed(3, by="argocd-controller"), Answer.UNKNOWN, "argocd-controller did", id="somebody else"),
        pytest.param(blind_story(fails="AmbiguousSelector"), Answer.UNKNOWN, "never lacked", id="not for metrics"),
        pytest.param(blind_story().gap(40, 45, "Deployment"), Answer.UNKNOWN, "gap", id="not seen"),
    ],
)
def test_nothing_changes_without_metrics(story: Scaling, answer: Answer, words: str) -> None:
    """But by the fallback that the owner declared, and by whoever is not the autoscaler."""
    finding = HeldBlind()(story.history())
    assert finding.answer is answer, finding.line()
    assert words in finding.line()


def fallen_early(desired: int) -> Scaling:
    """The autoscaler acts on the first fallback, of which the watch tells 20 ms later, by the count alone."""
    kind = scaled_object(minReplicaCount=1, fallback={"failureThreshold": 1, "replicas": desired})
    health = {"s0-prometheus": {"numberOfFailures": 3, "status": "Happy"}}
    false = {"conditions": [{"type": "Fallback", "status": "False", "reason": "NoFallbackFound"}], "health": health}
    story = Scaling(120).stands("a", "b").loaded(2, 0, 115).saw(0, "LISTED", kind, SCALED_OBJECT)
    story.saw(45, "MODIFIED", deployment(desired, spec=ASKING), "Deployment")
    story.saw(45.01, "MODIFIED", hpa(desired, measured=60), KIND)
    story.saw(45.02, "MODIFIED", {**kind, "status": false}, SCALED_OBJECT)
    return story.saw(60, "MODIFIED", kind, SCALED_OBJECT)


def fell_back(desired: int, *, at_s: float = 55, until_s: float | None = 60) -> Scaling:
    """No metrics from 30 s on; from 40 s on KEDA shows its fallback, which the autoscaler then follows."""
    fails = {"conditions": [{"type": "Fallback", "status": "True", "reason": "FallbackExists"}]}
    kind = scaled_object(minReplicaCount=1, fallback={"failureThreshold": 3, "replicas": desired})
    story = blind_story().saw(0, "LISTED", kind, SCALED_OBJECT)
    story.saw(40, "MODIFIED", {**kind, "status": fails}, SCALED_OBJECT).saw(40.5, "MODIFIED", hpa(2, measured=60), KIND)
    story.saw(at_s, "MODIFIED", deployment(desired, spec=ASKING), "Deployment")
    story.saw(at_s + 0.1, "MODIFIED", hpa(desired, measured=60), KIND)
    return story if until_s is None else story.saw(until_s, "MODIFIED", kind, SCALED_OBJECT)


@pytest.mark.parametrize(
    ("story", "answer", "words"),
    [
        pytest.param(fell_back(1), Answer.FAIL, "2 to 1 while the autoscaler had no metrics", id="too low"),
        pytest.param(fell_back(1, until_s=None), Answer.FAIL, "KEDA showed it the fallback of 1", id="for good"),
        pytest.param(fell_back(4), Answer.PASS, "", id="up to it"),
        pytest.param(fallen_early(1), Answer.FAIL, "KEDA showed it the fallback of 1", id="told after it acted"),
        pytest.param(fallen_early(3), Answer.PASS, "", id="up to it, told after"),
        pytest.param(fell_back(1, at_s=65), Answer.PASS, "", id="metrics were back"),
    ],
)
def test_a_fallback_that_is_too_low_takes_replicas(story: Scaling, answer: Answer, words: str) -> None:
    """The autoscaler takes it for a metric, and takes away what the owner did not ask for: nobody measured that."""
    finding = HeldBlind()(story.history())
    assert finding.answer is answer, finding.line()
    assert words in finding.line()


@pytest.mark.parametrize(
    ("risen_s", "until_s", "answer"), [(66.0, 120, Answer.PASS), (None, 120, Answer.FAIL), (None, 66, Answer.UNKNOWN)]
)
def test_with_metrics_it_follows_again(risen_s: float | None, until_s: float, answer: Answer) -> None:
    """At twice its target from 60 s on a rise is due one look later."""
    story = blind_story(until_s=until_s).saw(60.1, "MODIFIED", hpa(2, measured=120), KIND)
    story.saw(60, "MODIFIED", hpa(2, measured=120), KIND)
    if risen_s is not None:
        story.rescaled(risen_s, 4, measured=120).made("c", risen_s + 0.1, risen_s + 4).made("d", risen_s + 0.1, 75)
    finding = HeldBlind()(story.history())
    assert finding.answer is answer, finding.line()


def test_somebody_else_who_follows_is_not_the_autoscaler() -> None:
    """A script raises the number as soon as the metrics are back; whether the autoscaler would have, nobody knows."""
    story = blind_story().saw(60, "MODIFIED", hpa(2, measured=120), KIND)
    raw = deployment(4, spec=ASKING)
    raw["metadata"]["replicasSetBy"] = [{"manager": "kubectl", "operation": "Update", "time": "2026-01-01T00:00:00Z"}]
    finding = HeldBlind()(story.saw(62, "MODIFIED", raw, "Deployment").history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "kubectl did" in finding.reason


@pytest.mark.parametrize(
    ("least", "risen", "answer"), [(1, False, Answer.PASS), (2, False, Answer.UNKNOWN), (2, True, Answer.PASS)]
)
def test_at_the_minimum_there_is_nothing_to_take(least: int, risen: bool, answer: Answer) -> None:  # noqa: FBT001  # a column
    """That none was taken proves something where one could be, or where a load was there that it had to hold for."""
    story = blind_story(least=least)
    if risen:
        for at_s in (60, 60.1):
            story.saw(at_s, "MODIFIED", hpa(2, measured=120, limits=(least, 8)), KIND)
        story.rescaled(66, 4, measured=120, limits=(least, 8)).made("c", 66.1, 70).made("d", 66.1, 75)
    finding = HeldBlind()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("held at its minimum of 2" in finding.reason) is (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(("later", "answer"), [(4, Answer.PASS), (3, Answer.FAIL)])
def test_a_time_at_the_minimum_takes_nothing_from_one_above_it(later: int, answer: Answer) -> None:
    """As where no metrics had come yet when the record began: what held, or fell, later is what is judged."""
    story = blind_story(least=2, until_s=150).rescaled(80, 4, measured=100).made("c", 80.1, 84).made("d", 80.1, 85)
    story.saw(100, "MODIFIED", hpa(4, inactive="FailedGetResourceMetric"), KIND)
    if later != 4:
        story.rescaled(105, later, inactive="FailedGetResourceMetric")
    finding = HeldBlind()(story.saw(110, "MODIFIED", hpa(later, measured=60), KIND).history())
    assert finding.answer is answer, finding.line()
