"""GracefulTermination: what replicas hold when they are told to end, they answer in full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from histories import PROBED, Story, at, node, pod
from termination_stories import Ending, drained_story, prompt, standing, streams

from chaos.checks import GracefulTermination, InRole
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap
from chaos.history.facts.terminations import endings


def judged(story: Ending) -> Finding:
    """The finding on a story."""
    return GracefulTermination()(story.history())


def of_a(finding: Finding) -> dict[str, Any]:
    """What was counted of the first replica that ended."""
    return dict(finding.values["replicas"][0])


def test_a_drain_passes() -> None:
    """A request under way and one accepted afterwards are answered in full: PASS, with the room that was left."""
    finding = judged(drained_story())
    assert finding.answer is Answer.PASS, finding.line()
    counted = of_a(finding)
    assert (counted["under_way"], counted["accepted_after"], counted["cut"]) == (1, 1, 0)
    assert (counted["exit_codes"], counted["stopped_s"], counted["accepted_last_s"]) == ((0,), 5.9, 0.5)
    assert finding.margin == "5.5 s of grace to spare"
    assert "longest answer 4.500 s" in finding.measured


def test_sigkill_fails_with_the_arithmetic() -> None:
    """The grace is over before an answer is: the replica, the count, and the grace that would have sufficed."""
    story = standing().stream("a", 28, 40.1, "truncated").stream("a", 29, 40.1, "truncated").stream("c", 30, 44)
    finding = judged(story.ends("a", 30, 41, code=137))
    assert finding.answer is Answer.FAIL
    assert finding.reason == (
        "model-a cut 2 requests by SIGKILL (exit code 137) 10.1 s after its deletion, grace 10 s"
        " (2 s until no new connection comes + 14 s longest answer + 5 s margin:"
        " a grace of 21 s would have sufficed)"
    )


def test_what_was_cut_may_have_been_the_longest() -> None:
    """An answer that was cut tells only how long it was at least."""
    story = standing(spec=prompt(sleep={"seconds": 4}))
    story.stream("a", 28, 40.1, "truncated")
    finding = judged(story.ends("a", 30, 41, code=137, spec=prompt(sleep={"seconds": 4})))
    assert "4 s preStop + 12.1 s longest answer + 5 s margin: a grace of at least 22 s would" in finding.reason


def test_a_server_that_closes_at_once_fails() -> None:
    """Cut early, with grace left: it is not the grace that was short."""
    finding = judged(standing().stream("a", 28, 30.3, "truncated").ends("a", 30, 31, code=0, grace_s=30))
    assert finding.answer is Answer.FAIL
    assert "cut 1 request 0.3 s after its deletion and ended (exit code 0), with 29.7 s of its grace left" in (
        finding.reason
    )
    assert "a grace of 11 s suffices" in finding.reason


def test_a_server_that_gives_up_at_the_end_of_its_grace_fails() -> None:
    """A server that cuts its answers itself a second before SIGKILL has a grace that is too short."""
    finding = judged(standing().stream("a", 28, 39, "truncated").ends("a", 30, 39.5))
    assert finding.answer is Answer.FAIL
    assert "cut 1 request 9.0 s after its deletion, at the end of its grace of 10 s" in finding.reason


def test_a_broken_exchange_is_cut_too() -> None:
    """A whole answer that never came, by a replica whose headers did, is as lost as a stream."""
    story = standing().stream("a", 28, 30.2, "failed", error="connection reset").ends("a", 30, 31)
    assert judged(story).answer is Answer.FAIL


def test_what_was_cut_before_the_deletion_is_not_the_ends_doing() -> None:
    """A stream that broke two seconds before says nothing of the end."""
    assert judged(drained_story().stream("a", 20, 28, "truncated")).answer is Answer.PASS


def test_errors_after_the_deletion_fail() -> None:
    """A replica that answers 503 because it ends has not served what it took."""
    story = drained_story().stream("a", 30.4, 30.5, "failed", status=503, error="status 503")
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert finding.reason == "model-a answered 1 request with status 503 after its deletion"


def test_errors_that_others_give_too_are_in_doubt() -> None:
    """Where others are overloaded as well, a 503 of a replica that ends need not come of its end."""
    story = drained_story().stream("a", 30.4, 30.5, "failed", status=503, error="status 503")
    assert judged(story.stream("b", 30.4, 30.5, "failed", status=503)).answer is Answer.UNKNOWN


def test_refused_only_while_a_replica_ended_fails() -> None:
    """Nobody refuses but while `a` ends, and others had been Ready for long: its server closed too early."""
    story = drained_story().stream(None, 30.2, 30.2, "refused", status=None)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "1 request (refused) found nobody while model-a ended" in finding.reason
    assert "a preStop sleep of 7 s suffices" in finding.reason


@pytest.mark.parametrize(("outcome", "status"), [("refused", None), ("failed", 502)])
def test_a_gateway_that_names_itself_answered_for_no_replica(outcome: str, status: int | None) -> None:
    """Its own error is as nameless as one without a name, also where the answers of replicas name these."""
    story = drained_story().stream(None, 30.2, 30.2, outcome, status=status, replica="gateway-1")
    assert judged(story).answer is Answer.FAIL
    finding = judged(story.stream(None, 80, 80, outcome, status=status, replica="gateway-1"))
    assert finding.answer is Answer.UNKNOWN
    assert "nothing says by whom" in finding.reason


@pytest.mark.parametrize(("gap", "answer"), [((31, 35), Answer.UNKNOWN), ((90, 95), Answer.FAIL)])
def test_refused_while_nobody_saw_the_others_is_in_doubt(gap: tuple[float, float], answer: Answer) -> None:
    """In the gap another replica may have been restarted, and refused as well; long afterwards it does not matter."""
    story = drained_story().stream(None, 33.2, 33.2, "refused", status=None)
    assert judged(story.gap(*gap)).answer is answer


@pytest.mark.parametrize(("gap", "answer"), [((29, 35), Answer.UNKNOWN), ((90, 95), Answer.FAIL)])
def test_a_router_that_nobody_saw_may_have_cut_it(gap: tuple[float, float], answer: Answer) -> None:
    """Its own record had a gap as the answer was cut."""
    history = standing().stream("a", 28, 30.3, "truncated").ends("a", 30, 31, code=0, grace_s=30).history()
    router = Story().replicas("r").gap(*gap).history()
    assert GracefulTermination()(replace(history, roles={"router": router})).answer is answer


def test_refused_at_other_times_too_is_in_doubt() -> None:
    """Something else refuses requests as well, so it may have been that."""
    story = drained_story().stream(None, 30.2, 30.2, "refused", status=None)
    finding = judged(story.stream(None, 80, 80, "refused", status=None))
    assert finding.answer is Answer.UNKNOWN
    assert "1 request was lost meanwhile, and nothing says by whom" in finding.reason


def test_refused_while_nobody_else_was_ready_is_in_doubt() -> None:
    """Where no endpoint is left, kube-proxy refuses: that is no server's doing."""
    story = Ending().replicas("a").fault("a").stream("a", 28, 32).ends("a", 30, 36).replaced("d", 30.1, ready_s=34)
    finding = judged(story.stream(None, 31, 31, "refused", status=None))
    assert finding.answer is Answer.UNKNOWN
    assert "1 request was lost meanwhile" in finding.reason


def test_refused_while_another_replica_was_in_trouble_is_in_doubt() -> None:
    """`b` turned not Ready a few seconds later: it may have refused as well."""
    story = drained_story().stream(None, 30.2, 30.2, "refused", status=None).saw(33, "MODIFIED", pod("b", running=True))
    assert judged(story).answer is Answer.UNKNOWN


def test_luck_is_no_proof() -> None:
    """An answer of 12 s does not fit into a grace of 10 s, though none was under way at the end."""
    finding = judged(drained_story().stream("b", 50, 62))
    assert finding.answer is Answer.UNKNOWN
    assert "model-a cut nothing by luck" in finding.reason
    assert finding.margin == ""


def test_the_hook_takes_its_part_of_the_grace() -> None:
    """With a preStop sleep of 7 s a grace of 10 s does not hold an answer of 4 s."""
    spec = prompt(sleep={"seconds": 7})
    story = standing(spec=spec).stream("a", 28, 32).ends("a", 30, 38, spec=spec)
    assert "does not hold preStop (7 s)" in judged(story).reason
    roomy = {**spec, "terminationGracePeriodSeconds": 20}
    story = standing(spec=roomy).stream("a", 28, 32).ends("a", 30, 38, spec=roomy, grace_s=20)
    assert judged(story).answer is Answer.PASS


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (standing, "no replica was deleted"),
        (lambda: standing().ends("a", 30, 36), "no request was under way"),
        (lambda: standing().stream("a", 30.5, 35).ends("a", 30, 36), "no request was under way"),
        (lambda: drained_story().gap(60, 61), "the watch of Pods had 1 gap"),
        (lambda: standing().stream("a", 28, 30.2, "truncated").ends("a", 30, 30.2, code=None), "deleted by force"),
        (
            lambda: standing().stream("a", 28, 30.2, "truncated").ends("a", 30, 30.2, code=None, grace_s=0),
            "deleted by force, which is not graceful, and lost 1 request",
        ),
        (lambda: standing().stream("a", 28, 30.2, "truncated").killed("a", 30), "deleted by force"),
        (lambda: drained_story().stream("a", 28, 58, "unanswered"), "what became of 1 request that model-a held"),
        (
            lambda: drained_story().saw(31, "MODIFIED", node("n1", ready=False), "Node"),
            "the node of model-a was lost",
        ),
        (lambda: drained_story().has(late=(Gap("Pod", at(25), at(30), "reset"),)), "was not seen"),
        (
            lambda: standing().stream("a", 28, 29, "truncated").gap(27, 31).ends("a", 30, 36),
            "when model-a was deleted was not seen",
        ),
        (
            lambda: Ending().replicas("a", "b").stream(None, 28, 32).ends("a", 30, 36),
            "no answer names the replica",
        ),
    ],
)
def test_what_proves_nothing_is_unknown(spoil: Callable[[], Ending], reason: str) -> None:
    """No end, nothing under way, force, a lost node, a gap, nobody named: UNKNOWN, and why."""
    finding = judged(spoil())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert reason in finding.reason
    assert finding.settle


def test_a_gap_elsewhere_does_not_hide_a_failure() -> None:
    """A cut that was seen is a FAIL, whatever was missed later."""
    story = standing().stream("a", 28, 30.2, "truncated").ends("a", 30, 31).gap(80, 81)
    assert judged(story).answer is Answer.FAIL


def test_a_forced_deletion_does_not_hide_anothers_failure() -> None:
    """`b` cut an answer in its own grace, while `a` was killed by force."""
    story = standing().stream("a", 28, 30.2, "truncated").ends("a", 30, 30.2, code=None, grace_s=0)
    finding = judged(story.stream("b", 48, 50.5, "truncated").ends("b", 50, 51))
    assert finding.answer is Answer.FAIL
    assert finding.reason.startswith("model-b cut 1 request")


def test_every_end_is_judged() -> None:
    """In a rollout the one replica of three that cut is named, and only that one."""
    story = drained_story().stream("b", 38, 42).ends("b", 40, 46).replaced("e", 40.1, ready_s=44)
    finding = judged(story.stream("c", 48, 50.2, "truncated").ends("c", 50, 51, code=1))
    assert finding.answer is Answer.FAIL
    assert finding.reason.startswith("model-c cut 1 request 0.2 s after its deletion and ended (exit code 1)")
    assert [one["pod"] for one in finding.values["replicas"]] == ["model-a", "model-b", "model-c"]


def test_a_replica_that_still_ends_when_the_record_does_is_judged_by_its_requests() -> None:
    """All that it held was answered, so nothing can be cut any more."""
    assert judged(standing().stream("a", 28, 32).ends("a", 30, None)).answer is Answer.PASS


def test_a_successor_of_the_same_name_is_another() -> None:
    """What a later pod of that name cuts, as a StatefulSet makes them, is not the first one's doing."""
    assert judged(drained_story().stream("a", 50, 60, "truncated")).answer is Answer.PASS


def test_pods_that_never_served_have_no_end_to_judge() -> None:
    """A bad release's pods that were never Ready held nothing."""
    story = streams(Ending().replicas("b", "c")).saw(20, "ADDED", pod("x"))
    assert endings(story.ends("x", 30, 33, code=1).history()) == ()


@pytest.mark.parametrize(("reason", "killed"), [("Error", True), ("OOMKilled", False)])
def test_sigkill_is_told_from_lack_of_memory(reason: str, killed: bool) -> None:  # noqa: FBT001  # a table's column
    """Exit code 137 is SIGKILL's; who ran out of memory got it for that."""
    (ending,) = endings(standing().ends("a", 30, 41, code=137, reason=reason).history())
    assert bool(ending.killed) is killed
    assert ending.grace_s == PROBED["terminationGracePeriodSeconds"]
    assert not ending.forced


def test_a_grace_that_was_shortened_counts() -> None:
    """Deleted again with less grace: the least is what it had."""
    story = standing().ends("a", 30, None, grace_s=30).ends("a", 32, 36, grace_s=5)
    (ending,) = endings(story.history())
    assert ending.grace_s == 5


def test_a_client_that_left_proves_no_end_in_full() -> None:
    """It went at a token after the deletion: what its replica would have done with the rest nobody knows."""
    story = standing().stream("a", 28, 31, "disconnected", leaves_after=9).ends("a", 30, 36)
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "no request was under way" in finding.reason
    assert judged(story.stream("a", 28, 32)).answer is Answer.PASS


@pytest.mark.parametrize("last", ["truncated", "failed", "refused", "shed", "unanswered"])
def test_a_last_attempt_that_was_lost_meanwhile_may_have_been_cut(last: str) -> None:
    """Its first was refused long before; whom the last was with is not on record."""
    story = drained_story().stream(None, 10, 10.1, "failed", status=502)
    story.rows[-1].update(attempts=3, last_outcome=last, last_end_ns=at(34))
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    story.rows[-1].update(last_outcome="ok")
    assert judged(story).answer is Answer.PASS
    story.rows[-1].update(last_outcome=last, last_end_ns=at(20))
    assert judged(story).answer is Answer.PASS


@pytest.mark.parametrize("name", ["a", None])
def test_what_is_cut_while_a_router_ends_may_be_its_doing(name: str | None) -> None:
    """A drain takes a replica and the router's pod before it: which of them cut the answer nobody knows."""
    story = drained_story().stream(name, 28, 31, "truncated")
    alone = story.history()
    assert GracefulTermination()(alone).answer is Answer.FAIL
    router = Story().replicas("x", "y").killed("x", 30.9).history()
    finding = GracefulTermination()(replace(alone, roles={"router": router}))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    stood = Story().replicas("x", "y").history()
    assert GracefulTermination()(replace(alone, roles={"router": stood})).answer is Answer.FAIL


def test_what_an_engine_cuts_is_not_laid_to_a_router_that_ends() -> None:
    """The router's pod ends in order at 30 s, and an engine's is killed a second later."""
    engine = streams(Ending().replicas("b", "c", "z")).stream("z", 28, 31, "truncated").killed("z", 31)
    router = Ending().replicas("x", "y").ends("x", 30, 36).history()
    history = engine.history()
    seen = replace(router, requests=history.requests, streams=history.streams)
    finding = InRole("router", GracefulTermination())(replace(history, roles={"router": seen}))
    assert finding.answer is Answer.UNKNOWN, finding.line()
