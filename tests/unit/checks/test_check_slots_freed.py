"""SlotsFreed on hand-written histories of clients that go away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from canary_stories import asked
from engine_stories import VLLM, Values, disconnected_story, metered, restarted_pod, served_story, values
from histories import Story, at, request

from chaos.checks import SlotsFreed
from chaos.checks.verdict import Answer, Finding
from chaos.history import Canary, EngineRecord


def judged(story: Story, within_s: float = 5.0) -> Finding:
    """What the check says of a story."""
    return SlotsFreed(within_s=within_s)(story.history())


def test_slots_that_are_freed_in_time_pass() -> None:
    """Within a second of each disconnect nothing ran without a client."""
    finding = judged(disconnected_story())
    assert finding.answer is Answer.PASS, finding.line()
    assert finding.values["freed"] == 3
    assert finding.values["slowest_s"] < 3


def test_a_slot_that_is_lost_with_each_disconnect_fails() -> None:
    """Three are held to the end."""
    finding = judged(disconnected_story(leaks=True))
    assert finding.answer is Answer.FAIL, finding.line()
    assert finding.values["held"] == 3
    assert "3 requests still ran without a client" in finding.reason


@pytest.mark.parametrize(
    ("title", "later", "answer"),
    [
        ("vLLM", (), Answer.UNKNOWN),
        ("SGLang", (52.0,), Answer.UNKNOWN),
        ("vLLM", (70.0,), Answer.FAIL),
        ("llama.cpp", (), Answer.FAIL),
    ],
)
def test_a_server_that_is_idle_may_show_what_it_ran_last(title: str, later: tuple[float, ...], answer: Answer) -> None:
    """Gauges that are written as an engine steps tell of what was aborted last once it has something to do again."""
    story = disconnected_story(leaks=True, later=later)
    story.has(engine=EngineRecord({"vllm": replace(VLLM, title=title)}, story.parts["engine"].samples))
    finding = judged(story)
    assert finding.answer is answer, finding.line()
    assert ("did nothing since" in finding.reason) is (answer is Answer.UNKNOWN)


def test_slots_that_are_freed_too_late_are_unknown() -> None:
    """That they were computed to their end is no leak, and what ran may have been others'."""
    finding = judged(disconnected_story(held_s=8.0))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "no reading within 5 s" in finding.reason


def test_others_that_asked_before_never_fail() -> None:
    """Two requests of somebody else run all along, before the first disconnect too."""
    finding = judged(disconnected_story(others=lambda _s: 2.0))
    assert finding.answer is Answer.UNKNOWN, finding.line()


def queued(*, leaks: bool, slots: int = 4, tells: bool = True, streamed: bool = False) -> Story:
    """Ten users wait all along for a server of so many slots, whose queue holds the others, if it tells of that."""
    story = disconnected_story()
    for number in range(10):
        row = request(20 + number, "steady-1", at(5), latency_s=105) | {"replica": "model-a"}
        story.rows.append(row | ({"first_token_ns": at(6)} if streamed else {}))

    def page(_uid: str, s: float) -> Values:
        ours = sum(second - 2 <= s and (leaks or s < second + 1) for second in (30.0, 40.0, 50.0))
        there = ours + (10 if 5 < s < 110 else 0)
        said = {"vllm:num_requests_running": min(slots, there), "vllm:num_requests_waiting": max(0, there - slots)}
        rest = (one for one in values() if one[0] not in said)
        names = said if tells else {"vllm:num_requests_running"}
        return (*((name, {}, float(said[name])) for name in names), *rest)

    return metered(story, page, uids=("a",))


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        (queued(leaks=False), Answer.PASS),
        (queued(leaks=True), Answer.UNKNOWN),
        (queued(leaks=True, slots=40), Answer.UNKNOWN),
        (queued(leaks=False, tells=False), Answer.UNKNOWN),
        (queued(leaks=False, slots=40, tells=False, streamed=True), Answer.PASS),
        (queued(leaks=True, slots=40, tells=False, streamed=True), Answer.UNKNOWN),
    ],
)
def test_users_that_wait_hide_no_slot_that_is_held(story: Story, answer: Answer) -> None:
    """A full server runs no more than it can, however many it leaks: those that it has yet to run count, too."""
    finding = judged(story)
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("streamed", "answer"), [(True, Answer.PASS), (False, Answer.UNKNOWN)])
def test_users_may_wait_with_a_router_in_front(streamed: bool, answer: Answer) -> None:  # noqa: FBT001  # a column
    """Only those that have a token by then are surely run by the servers behind it."""
    history = queued(leaks=False, slots=40, streamed=streamed).history()
    finding = SlotsFreed(within_s=5)(replace(history, roles={"router": history}))
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("read_from_s", "answer"), [(0.0, Answer.FAIL), (60.0, Answer.FAIL), (200.0, Answer.UNKNOWN)])
def test_a_replica_that_is_not_read_may_run_what_users_wait_for(read_from_s: float, answer: Answer) -> None:
    """`b` has ten users, and `a` holds three slots that it has lost: together no more than clients wait for."""
    story = disconnected_story().replaced("b", 2, ready_s=4)
    for number in range(10):
        row = request(20 + number, "steady-1", at(5), latency_s=114)
        story.rows.append(row | {"replica": "model-b", "first_token_ns": at(6)})

    def page(uid: str, s: float) -> Values | None:
        if uid == "b":
            return values(running=10.0 if s > 5 else 0.0, tokens=s) if s >= read_from_s else None
        return values(running=float(sum(second - 2 <= s for second in (30.0, 40.0, 50.0))), tokens=s)

    assert judged(metered(story, page, uids=("a", "b"))).answer is answer


def test_more_than_left_is_not_theirs() -> None:
    """Five requests that begin later are more than three disconnects can have left."""
    assert judged(disconnected_story(others=lambda s: 5.0 if s > 45 else 0.0)).answer is Answer.UNKNOWN


def test_canaries_beside_a_leak_hide_none_of_it() -> None:
    """A request of a second now and then: the least that runs still tells."""
    finding = judged(disconnected_story(leaks=True, others=lambda s: float(int(s) % 2)))
    assert finding.answer is Answer.FAIL, finding.line()
    assert finding.values["held"] == 2


def test_neighbours_that_come_later_never_fail() -> None:
    """Their requests end, and more of them run all along: what stays is theirs."""
    story = disconnected_story()

    def page(_uid: str, s: float) -> Values:
        ours = sum(second - 2 <= s < second + 1 for second in (30.0, 40.0, 50.0))
        return values(running=ours + (2.0 if s > 45 else 0.0), stop=max(0, int(s - 45) * 3))

    finding = judged(metered(story, page, uids=("a",)))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "of others ended meanwhile" in finding.reason


@pytest.mark.parametrize(("rate", "answer"), [(0.0, Answer.FAIL), (20.0, Answer.UNKNOWN)])
def test_a_server_that_counts_no_ends_is_held_to_its_tokens(rate: float, answer: Answer) -> None:
    """llama.cpp: slots that are held while nothing is generated are lost."""
    story = disconnected_story(leaks=True)
    llama = replace(VLLM, title="llama.cpp", finished=())
    metered(story, lambda _uid, s: values(running=3.0 if s > 50 else 0.0, tokens=rate * s), uids=("a",))
    story.has(engine=EngineRecord({"vllm": llama}, story.parts["engine"].samples))
    assert judged(story).answer is answer


def test_a_request_whose_outcome_nobody_waited_for_is_no_leak() -> None:
    """The generator stopped before it ended."""
    story = disconnected_story()
    row = {**story.rows[-1], "id": 9, "sent_ns": at(51), "intended_ns": at(51), "end_ns": at(119), "outcome": "unsent"}
    story.rows.append(row)

    def page(_uid: str, s: float) -> Values:
        return values(running=sum(second - 2 <= s < second + 1 for second in (30.0, 40.0, 50.0)) + (s > 51))

    assert judged(metered(story, page, uids=("a",))).answer is Answer.PASS


def test_clients_that_try_again_hold_slots_of_their_own() -> None:
    """Two clients have tried again without an answer since 58 s: what runs for them is no leak."""
    story = disconnected_story()
    for number in (7, 8):
        row = request(number, "steady-1", at(57)) | {"outcome": "failed", "status": 503, "replica": "model-a"}
        story.rows.append(row | {"attempts": 3, "last_outcome": "unanswered", "last_end_ns": at(119)})

    def page(_uid: str, s: float) -> Values:
        return values(running=sum(second - 2 <= s < second + 1 for second in (30.0, 40.0, 50.0)) + 2 * (s > 58))

    finding = judged(metered(story, page, uids=("a",)), within_s=10)
    assert finding.answer is Answer.PASS, finding.line()


def test_long_answers_of_the_canary_are_no_leak() -> None:
    """A victim is held with one after the other to the end."""
    story = disconnected_story(others=lambda s: 1.0 if s > 58 else 0.0)
    story.has(canary=Canary("its way", "", (), tuple(asked("a", [(58, 119, "ok")]))))
    finding = judged(story, within_s=10)
    assert finding.answer is Answer.PASS, finding.line()


def test_a_server_that_ended_freed_nothing() -> None:
    """It was restarted right after the disconnects: that no slot is held proves nothing."""
    story = disconnected_story()
    metered(
        story, lambda _uid, s: values(running=1.0 if 28 <= s < 31 else 0.0, tokens=1 if s > 31 else 90), uids=("a",)
    )
    story.saw(31.5, "MODIFIED", restarted_pod("a", 1))
    story.rows[1:] = []
    assert judged(story).answer is Answer.UNKNOWN


def test_without_disconnects_there_is_nothing_to_prove() -> None:
    """No client left."""
    finding = judged(served_story())
    assert finding.answer is Answer.UNKNOWN
    assert "no client disconnected" in finding.reason


def test_without_metrics_it_is_unknown() -> None:
    """The servers do not say how many they run, or one of them is not heard."""
    assert judged(metered(disconnected_story(), lambda _uid, _s: "404", uids=("a",))).answer is Answer.UNKNOWN


def test_a_gap_in_the_watch_leaves_it_open() -> None:
    """There may be replicas that nobody saw."""
    assert judged(disconnected_story(leaks=True).gap(40, 60)).answer is Answer.UNKNOWN
