"""EngineAgrees on hand-written histories: what servers count, held against what clients took for whole."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from canary_stories import asked
from engine_stories import VLLM, Values, ended_by, metered, restarted_pod, served_story, values
from histories import Story, at

from chaos.checks import EngineAgrees
from chaos.checks.verdict import Answer, Finding
from chaos.history import Canary, EngineRecord


def judged(story: Story) -> Finding:
    """What the check says of a story."""
    return EngineAgrees()(story.history())


def cut_story(*, hidden: int = 5, named: bool = True, others: int = 0, told: bool = False) -> Story:
    """Replicas that cut off some answers at 50 s; `told`: and say so to the clients. `others` ask them too."""
    story = served_story()
    cut = {row["id"] for row in story.rows[500 : 500 + hidden]}

    def page(uid: str, s: float) -> Values:
        mine = [row for row in story.rows if row["id"] in cut and row["replica"] == f"model-{uid}"]
        gone = sum(row["end_ns"] <= at(s) for row in mine)
        return values(stop=1000 + ended_by(story, uid, s) - gone + int(others * s / 100), abort=gone)

    metered(story, page)
    if told:
        story.fate(sorted(cut), "truncated", finish_reason="abort")
    if not named:
        for row in story.rows:
            row["replica"] = None
    return story


@pytest.mark.parametrize("named", [True, False], ids=["named", "nameless"])
def test_counts_that_agree_pass(*, named: bool) -> None:
    """As many answers were ended in order as clients have."""
    finding = judged(served_story(named=named))
    assert finding.answer is Answer.PASS, finding.line()
    assert "0 cut off; clients: 1000 whole" in finding.measured


@pytest.mark.parametrize("named", [True, False], ids=["named", "nameless"])
def test_answers_that_were_cut_and_passed_for_whole_fail(*, named: bool) -> None:
    """The counts of both sides are told."""
    finding = judged(cut_story(named=named))
    assert finding.answer is Answer.FAIL, finding.line()
    assert "passed for whole" in finding.reason
    assert "servers: 995 whole, 5 cut off; clients: 1000 whole" in finding.measured
    assert any("more that it cut off" in one.text for one in finding.evidence)


@pytest.mark.parametrize("named", [True, False], ids=["named", "nameless"])
def test_answers_that_were_cut_and_told_pass(*, named: bool) -> None:
    """Their clients know: that is what other checks judge."""
    finding = judged(cut_story(told=True, named=named))
    assert finding.answer is Answer.PASS, finding.line()


def test_requests_of_others_hide_but_never_fail() -> None:
    """They are counted too: what was cut may be theirs."""
    finding = judged(cut_story(others=60))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "the others' cannot be told from theirs" in finding.reason


def test_aborted_requests_of_others_never_fail() -> None:
    """A neighbour that gives up its own requests says nothing of ours."""
    story = served_story()
    metered(story, lambda uid, s: values(stop=1000 + ended_by(story, uid, s), abort=int(s / 3)))
    assert judged(story).answer is Answer.PASS


def test_requests_of_others_without_any_cut_pass() -> None:
    """No answer at all was cut off, whoever asked."""
    assert judged(served_story(others=lambda _uid, s: int(s * 2))).answer is Answer.PASS


def test_counters_that_count_something_else_are_unknown() -> None:
    """Where a cache in front answers, clients have more than servers ended, in the baseline too."""
    story = served_story()
    metered(story, lambda uid, s: values(stop=1000 + ended_by(story, uid, s) // 2, abort=int(s * 5)))
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "do not count what clients get" in finding.reason


def test_a_replica_that_dies_between_readings_is_unknown_for_the_rest() -> None:
    """Answers that it gave after its last reading may have been cut, and nobody counted them."""
    story = served_story()
    metered(
        story,
        lambda uid, s: None if uid == "a" and s > 60 else values(stop=1000 + ended_by(story, uid, s)),
    )
    story.killed("a", 62.0)
    for row in story.rows:
        if row["replica"] == "model-a" and row["end_ns"] > at(62):
            row["replica"] = "model-b"
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "model-a may have given ended when its counters were not read" in finding.reason


def test_a_restart_between_readings_is_no_difference() -> None:
    """The counters begin anew at zero; what ended just before is unknown, all else agrees."""
    story = served_story()

    def page(uid: str, s: float) -> Values:
        whole = ended_by(story, uid, s)
        return values(stop=whole - ended_by(story, uid, 60) if uid == "a" and s >= 61 else 1000 + whole)

    metered(story, page)
    story.saw(61.5, "MODIFIED", restarted_pod("a", 1))
    for row in story.rows:
        if row["replica"] == "model-a" and at(58) < row["end_ns"] < at(62):
            row["replica"] = "model-b"
    metered(story, page)
    finding = judged(story)
    assert finding.answer is Answer.PASS, finding.line()
    assert finding.values["clients_whole"] == sum(one["whole"] for one in finding.values["replicas"])


def beside_a_cut(story: Story, *, ours: int = 1) -> Story:
    """One answer that passed for whole was cut off at 50 s, and the server ended others of ours in order."""
    cut = story.rows[500]["end_ns"]

    def page(uid: str, s: float) -> Values:
        gone = int(uid == story.rows[500]["replica"][-1] and cut <= at(s))
        mine = ours if uid == "c" and s > 60 else 0
        return values(stop=1000 + ended_by(story, uid, s) - gone + mine, abort=gone)

    return metered(story, page)


def test_an_answer_that_is_wrong_was_ended_in_order() -> None:
    """It is none that hides another, which was cut off and passed for whole."""
    story = served_story()
    story.fate([599], "wrong")
    story.rows[599]["replica"] = None
    finding = judged(beside_a_cut(story))
    assert finding.answer is Answer.FAIL, finding.line()


def test_the_last_attempt_of_a_client_is_an_answer_too() -> None:
    """Its first failed: the server counts the last as whole, which hides none that was cut off."""
    story = served_story()
    story.fate([598], "failed", status=503, attempts=2, last_outcome="ok", last_end_ns=at(61), replica=None)
    finding = judged(beside_a_cut(story))
    assert finding.answer is Answer.FAIL, finding.line()
    whole = served_story().fate([598], "failed", status=503, replica=None)
    whole.rows[598].update(attempts=2, last_outcome="ok", last_end_ns=at(61))
    metered(whole, lambda uid, s: values(stop=1000 + ended_by(whole, uid, s) + (uid == "c" and s > 61)))
    assert judged(whole).answer is Answer.PASS


def test_long_answers_of_the_canary_hide_nothing() -> None:
    """The server counts them among those that it ended in order."""
    story = served_story().has(canary=Canary("its way", "", (), tuple(asked("c", [(55, 59, "ok")]))))
    assert judged(beside_a_cut(story)).answer is Answer.FAIL
    alone = served_story().has(canary=Canary("its way", "", (), tuple(asked("c", [(55, 59, "ok")]))))
    metered(alone, lambda uid, s: values(stop=1000 + ended_by(alone, uid, s) + (uid == "c" and s > 60)))
    assert judged(alone).answer is Answer.PASS


def test_a_replica_that_was_never_read_is_unknown() -> None:
    """It serves, and does not show what it counts."""
    story = served_story(named=False)
    metered(story, lambda uid, s: "403 forbidden" if uid == "c" else values(stop=int(s), abort=1))
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "no metrics of model-c" in finding.reason


def _aborts(most: float, _uid: str, s: float) -> Values:
    return (("aborts", {}, most if s > 50 else 0.0),)


def test_a_server_that_counts_only_what_it_cut_passes_without_any() -> None:
    """SGLang counts aborts: none is none; some may be anybody's."""
    sglang = replace(VLLM, finished=(("aborts", "", ""),), finished_label="", cut_reasons=())
    for aborts, answer in ((0.0, Answer.PASS), (2.0, Answer.UNKNOWN)):
        story = served_story()
        metered(story, partial(_aborts, aborts))
        story.has(engine=EngineRecord({"vllm": sglang}, story.parts["engine"].samples))
        assert judged(story).answer is answer


def test_a_server_without_counters_is_unknown() -> None:
    """llama.cpp does not count how requests end."""
    story = served_story()
    story.has(engine=EngineRecord({"vllm": replace(VLLM, finished=())}, story.parts["engine"].samples))
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "does not count how its requests end" in finding.reason


def test_preemptions_are_told_and_no_fault() -> None:
    """Their requests are computed again."""
    story = served_story()
    metered(story, lambda uid, s: values(stop=1000 + ended_by(story, uid, s), preempted=int(s / 50)))
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert "6 preemptions" in finding.measured


def test_a_gap_in_the_watch_leaves_a_difference_open() -> None:
    """A replica that nobody saw may have given the answers."""
    assert judged(cut_story().gap(40, 60)).answer is Answer.UNKNOWN


def test_without_metrics_there_is_nothing_to_prove() -> None:
    """Nobody asked, or nobody answered."""
    story = served_story()
    assert judged(metered(story, lambda _uid, _s: "404")).answer is Answer.UNKNOWN
    assert judged(story.has(engine=EngineRecord())).answer is Answer.UNKNOWN
