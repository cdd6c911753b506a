"""Answers of engines that batch requests: they differ now and then, which no data are to blame for."""

from __future__ import annotations

import pytest
from data_stories import CLAIMED, killed_claimant, read
from histories import node, pod
from hypothesis import given
from hypothesis import strategies as st

from chaos.checks import DataSurvived
from chaos.checks.trial.same_answers import SURE, unlike
from chaos.checks.verdict import Answer
from chaos.history import Action

USUAL = ("a",) * 6


@pytest.mark.parametrize("answers", [USUAL, ("b", "c", "a"), ("a",), ()])
def test_one_answer_as_before_is_enough(answers: tuple[str, ...]) -> None:
    """An engine that differs now and then gives the usual answer too; other weights never do."""
    assert unlike(answers, [USUAL, USUAL]) == ("", "")


def test_a_replica_that_never_answers_as_before_is_another() -> None:
    """Six answers that nobody gave before, where six or more were alike."""
    why, settle = unlike(("b",) * 6, [USUAL])
    assert (why, settle) == ("6 times, 6 of 6 alike before the first fault", "")


@pytest.mark.parametrize(
    ("answers", "before"),
    [
        (("b",), [("a",)]),
        (("b",), [("a",), ("a",)]),
        (("b",) * 6, [("a",)]),
        (("b",) * 6, [("a", "c", "d"), ("a", "e", "f")]),
        (("b",) * 6, []),
    ],
)
def test_what_may_be_chance_is_left_open(answers: tuple[str, ...], before: list[tuple[str, ...]]) -> None:
    """Few answers, or unlike ones before; as records of earlier versions have them."""
    why, settle = unlike(answers, before)
    assert why
    assert settle


@given(st.floats(0, 1), st.integers(1, 3))
def test_an_engine_that_differs_at_any_rate_seldom_looks_like_another(rate: float, replicas: int) -> None:
    """All six answers new after the fault and none before: so seldom as is claimed, whatever the rate."""
    assert (1 - rate) ** (6 * replicas) * rate**6 <= SURE


def story_of(*answers: str) -> Answer:
    """The verdict where the successor gave these answers, and two replicas the usual one before."""
    story = read(read(read(killed_claimant(), "a", 20), "b", 21), "d", 50)
    *before, last = story.parts["actions"]
    assert isinstance(last, Action)
    detail = {**last.detail, "answer": answers[0], "answers": list(answers)}
    changed = Action(last.id, last.name, last.target, last.begin_ns, last.end_ns, last.outcome, last.fault, detail)
    return DataSurvived()(story.has(actions=(*before, changed)).history()).answer


def test_the_check_tells_chance_from_other_data() -> None:
    """Now and then another answer passes; never the usual one fails; once another is left open."""
    assert story_of("Bye", "Hello", "Bye", "So", "Hello", "Bye") is Answer.PASS
    assert story_of(*["Bye"] * 6) is Answer.FAIL
    assert story_of("Bye") is Answer.UNKNOWN


def on_machines(before: str, since: str) -> Answer:
    """The verdict where the successor runs on a node of this type, after others did on one of that."""
    story = killed_claimant()
    for name, kind in (("n1", before), ("n2", since)):
        story.saw(0.5, "MODIFIED", node(name, labels={"node.kubernetes.io/instance-type": kind}), "Node")
    story.saw(35, "MODIFIED", pod("d", ready=True, node="n2", spec=CLAIMED))
    return DataSurvived()(read(read(read(story, "a", 20), "b", 21), "d", 50, answer="Bye").history()).answer


def test_other_processors_may_answer_otherwise() -> None:
    """They add up in another order: it is no proof of other data, unless such a machine answered before."""
    assert on_machines("g6.xlarge", "g5.xlarge") is Answer.UNKNOWN
    assert on_machines("g6.xlarge", "g6.xlarge") is Answer.FAIL
