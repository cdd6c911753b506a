"""GracefulTermination and the end of a pod, on systems whose clients give up and whose hooks run for long."""

from __future__ import annotations

from typing import Any

import pytest
from histories import PROBED, WORKLOAD, facts, pod
from termination_stories import Ending, container, drained_story, standing

from chaos.checks import GracefulTermination
from chaos.checks.verdict import Answer, Finding
from chaos.semantics import KUBERNETES, grace_needed, node_loss_bound, pre_stop_needed_s, termination, unpromised_start


def judged(story: Ending) -> Finding:
    """The finding on a story."""
    return GracefulTermination()(story.history())


def lost_meanwhile(outcome: str, *, waited_s: float) -> Ending:
    """While `a` ends, twenty requests that no replica put its name to come to nothing, each after so long."""
    story = drained_story()
    for number in range(20):
        begin_s = 30.1 + number / 10
        story.stream(None, begin_s, begin_s + waited_s, outcome, status=None)
    return story


def test_a_replica_that_ends_its_requests_passes() -> None:
    """A replica that answers all it took before it goes ends gracefully."""
    assert judged(drained_story()).answer is Answer.PASS


def test_requests_that_nobody_answered_leave_it_open() -> None:
    """Clients that gave up waiting while a replica ended may have been that replica's own."""
    finding = judged(lost_meanwhile("unanswered", waited_s=29.9))
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_requests_that_failed_without_a_name_do_not_pass() -> None:
    """Connections that broke while a replica ended are never taken for a graceful end."""
    finding = judged(lost_meanwhile("failed", waited_s=0.2))
    assert finding.answer in {Answer.UNKNOWN, Answer.FAIL}, finding.line()


def test_a_client_that_waited_since_before_may_have_been_its_own() -> None:
    """A request sent 20 s before the deletion, and given up 5 s after it, may have been lost with the replica."""
    finding = judged(drained_story().stream(None, 10, 35, "unanswered", status=None))
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_a_client_that_had_given_up_before_says_nothing() -> None:
    """One that was given up 5 s before the deletion was not lost by it."""
    assert judged(drained_story().stream(None, 10, 25, "unanswered", status=None)).answer is Answer.PASS


def test_one_graceful_end_does_not_speak_for_idle_replicas() -> None:
    """Three replicas end, and only one of them held a request: the claim is proved for that one alone."""
    story = standing().stream("a", 28, 32).ends("a", 30, 36).replaced("d", 30.1, ready_s=34)
    finding = judged(story.ends("b", 82, 83).ends("c", 84, 85))
    assert finding.answer is Answer.UNKNOWN, finding.line()


def hooked(hook: dict[str, Any], grace_s: int | None = None) -> dict[str, Any]:
    """A pod spec whose only container has a preStop hook."""
    grace = {} if grace_s is None else {"terminationGracePeriodSeconds": grace_s}
    return {**grace, "containers": [{"name": "vllm", "lifecycle": {"preStop": hook}}]}


@pytest.mark.parametrize(
    ("spec", "hook_s", "kill_s"),
    [
        (hooked({"exec": {"command": ["/shutdown.sh"]}}), (0, 30), (30, 37)),
        (hooked({"sleep": {"seconds": 60}}), (30, 30), (32, 37)),
        (hooked({"exec": {"command": ["/bin/sleep", "15"]}}, 60), (0, 60), (60, 67)),
    ],
    ids=["a script of unknown length", "a sleep over the grace", "a program that sleeps"],
)
def test_a_hook_takes_at_most_the_grace(
    spec: dict[str, Any], hook_s: tuple[float, float], kill_s: tuple[float, float]
) -> None:
    """The kubelet ends a hook with the grace, and gives 2 s more before it kills; an exec hook has no known length."""
    found = termination(spec, KUBERNETES)
    assert (found.pre_stop.best_s, found.pre_stop.worst_s) == hook_s
    assert (found.kill.best_s, found.kill.worst_s) == kill_s


def test_the_grace_holds_the_longest_answer_and_the_sleep() -> None:
    """A sleep of 7 s lets every node learn of the end, and an answer of 120 s after a sleep of 10 s needs 135 s."""
    assert pre_stop_needed_s(KUBERNETES) == 7
    assert grace_needed(120, 10, KUBERNETES).total_s == 135


def test_nothing_replaces_a_members_pod_on_a_lost_node() -> None:
    """A StatefulSet makes no second pod of a name while the lost node may still run the first."""
    bound = node_loss_bound({"containers": [{"name": "c"}]}, KUBERNETES, workload_kind="StatefulSet")
    assert "a StatefulSet waits until the lost node is back or removed" in [one.reason for one in bound.unpromised]


def test_a_liveness_delay_is_no_limit_of_a_start() -> None:
    """A container without a startup probe promises no time for its start, whatever its liveness probe says."""
    probe = {"periodSeconds": 10, "initialDelaySeconds": 30}
    (said,) = unpromised_start({"containers": [{"name": "vllm", "livenessProbe": probe}]})
    assert said.reason == "container 'vllm' has no startup probe to limit its start"


# --- ends that chance left idle -------------------------------------------------------------------------------------


def idle_end(*, outcome: str = "ok", replica: str | None = "c") -> Ending:
    """`a` ended with a request under way; `b` holds none as it ends at 50 s, while `c` answers all that come."""
    story = standing().stream("a", 28, 32).ends("a", 30, 36).replaced("d", 30.1, ready_s=34)
    for row in story.rows:
        row["replica"] = "model-c" if row["replica"] == "model-b" else row["replica"]
    story.stream(replica, 50.2, 51, outcome)
    return story.ends("b", 50, 52)


def test_an_end_that_chance_left_idle_lost_nothing() -> None:
    """One end held a request and answered it; another held none, and every request of its time was answered by name."""
    finding = judged(idle_end())
    assert finding.answer is Answer.PASS, finding.line()


@pytest.mark.parametrize("told", [{"replica": None}, {"outcome": "truncated"}, {"outcome": "unanswered"}], ids=str)
def test_an_idle_end_in_doubt_is_unknown(told: dict[str, Any]) -> None:
    """Where a request of the time names nobody, or came to grief, nobody knows that the idle one did not have it."""
    finding = judged(idle_end(**told))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "no request was under way when model-b was told to end" in finding.reason


def test_ends_that_were_all_idle_prove_nothing() -> None:
    """Where no end held a request, no answer was ever brought to its end."""
    story = standing().ends("a", 30, 36).replaced("d", 30.1, ready_s=34)
    assert judged(story).answer is Answer.UNKNOWN


# --- what the kubelet and the end itself tell -----------------------------------------------------------------------


def hook_failed(story: Ending) -> Ending:
    """The kubelet reports that the preStop hook of `a` failed."""
    about = {"involvedObject": {"uid": "a"}, "reason": "FailedPreStopHook", "message": "PreStopHook failed: no sleep"}
    raw = {"metadata": {"uid": "e-1", "name": "e-1"}, **about}
    return story.saw(30.1, "ADDED", raw, "Event")


def test_a_hook_that_failed_is_told() -> None:
    """A hook that could not run is named beside the requests that it cost, and where it cost none."""
    cut = standing().stream("a", 28, 30.2, "truncated").ends("a", 30, 31)
    assert "its preStop hook failed: PreStopHook failed: no sleep" in judged(hook_failed(cut)).reason
    whole = judged(hook_failed(drained_story()))
    assert whole.answer is Answer.PASS
    assert "its preStop hook failed" in whole.reason


def test_a_server_that_is_killed_after_all_its_grace_is_told() -> None:
    """Its last answer was out after 2 s, and SIGKILL ended it 8 s later: it does not end on SIGTERM."""
    story = standing().stream("a", 28, 32).ends("a", 30, 40.2, code=137).replaced("d", 30.1, ready_s=34)
    finding = judged(story)
    assert finding.answer is Answer.PASS, finding.line()
    assert "container m was killed after the whole grace of 10 s" in finding.reason
    assert "does not end on SIGTERM" in finding.reason


@pytest.mark.parametrize(("last_s", "gone_s", "code"), [(39.9, 40.2, 137), (32, 33, 137), (32, 40.2, 0)])
def test_a_server_that_answers_to_the_end_is_not_called_deaf(last_s: float, gone_s: float, code: int) -> None:
    """One that is killed while it answers, before its grace is over, or that ends by itself at its end is another."""
    story = standing().stream("a", 28, last_s, "ok" if last_s < 39 else "truncated").ends("a", 30, gone_s, code=code)
    assert "does not end on SIGTERM" not in judged(story).reason


def test_an_aborted_answer_was_cut() -> None:
    """A server that breaks every stream off as it is told to end, each in order, brings nothing to its end."""
    finding = judged(standing().stream("a", 28, 30.2, "truncated", finish_reason="abort").ends("a", 30, 32))
    assert finding.answer is Answer.FAIL, finding.line()


def test_aborted_answers_without_a_name_are_not_called_refused() -> None:
    """A server that names no replica and cuts its streams on SIGTERM is told to finish them, not to take more."""
    story = drained_story().stream(None, 29, 30.2, "truncated", finish_reason="abort")
    finding = judged(story.stream(None, 29.5, 30.2, "truncated", finish_reason="abort"))
    assert finding.answer is Answer.FAIL, finding.line()
    assert "2 requests cut (finish reason abort) while model-a ended" in finding.reason
    assert "taking connections" not in finding.reason


# --- error answers, and replicas that are Ready before they listen ---------------------------------------------------


def test_an_error_in_place_of_an_answer_is_a_lost_request() -> None:
    """A server that answers what is under way with 500 as it is told to end brings nothing to its end."""
    story = standing().stream("a", 28, 30.4, "failed", status=500).stream("a", 28.5, 31)
    finding = judged(story.ends("a", 30, 32).replaced("d", 30.1, ready_s=34))
    assert finding.answer is Answer.FAIL, finding.line()
    assert "answered 1 request with status 500 after its deletion" in finding.reason


def test_an_error_that_the_system_gives_at_all_times_is_open() -> None:
    """Where a replica that nobody ends answers with 500 too, one more says nothing of the end."""
    story = standing().stream("b", 50, 51, "failed", status=500)
    story.stream("a", 28, 30.4, "failed", status=500).stream("a", 28.5, 31)
    assert judged(story.ends("a", 30, 32).replaced("d", 30.1, ready_s=34)).answer is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("outcome", "status", "answer"),
    [
        ("failed", 429, Answer.UNKNOWN),
        ("failed", 503, Answer.UNKNOWN),
        ("failed", 502, Answer.FAIL),
        ("failed", None, Answer.FAIL),
        ("refused", None, Answer.FAIL),
    ],
)
def test_an_error_that_names_nobody_may_be_anybodys(outcome: str, status: int | None, answer: Answer) -> None:
    """Replicas that are left and overloaded refuse with 429 or 503; a closed port and a gateway's 502 are another."""
    story = drained_story()
    for number in range(5):
        story.stream(None, 30.5 + number, 30.6 + number, outcome, status=status)
    finding = judged(story)
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("connections", "outcome", "waited_s", "answer"),
    [
        pytest.param("reuse", "failed", 0.1, Answer.UNKNOWN, id="kept, and closed as it was sent"),
        pytest.param("reuse", "failed", 3, Answer.FAIL, id="kept, and taken for three seconds"),
        pytest.param("reuse", "refused", 0.1, Answer.FAIL, id="no new connection"),
        pytest.param("fresh", "failed", 0.1, Answer.FAIL, id="each its own connection"),
    ],
)
def test_a_server_may_close_the_connections_that_it_keeps(
    connections: str, outcome: str, waited_s: float, answer: Answer
) -> None:
    """A replica that ends closes what is idle, and a client that sends just then has to ask again (RFC 9112)."""
    system = {"selector": {"app": WORKLOAD}, "connections": connections}
    story = drained_story().has(facts=facts(raw={"system": system}))
    for number in range(5):
        end_s = 32 + number / 10
        story.stream(None, end_s - waited_s, end_s, outcome, status=None)
    finding = judged(story)
    assert finding.answer is answer, finding.line()


UNPROBED_SERVER = {"name": "m", "imagePullPolicy": "Never", "ports": [{"containerPort": 8000}]}
PROBED_PROXY = {"name": "proxy", "imagePullPolicy": "Never", "readinessProbe": {"periodSeconds": 1}}


@pytest.mark.parametrize("beside", [[], [PROBED_PROXY]], ids=["alone", "beside a proxy with a probe"])
@pytest.mark.parametrize(("refused_s", "answer"), [(33.0, Answer.UNKNOWN), (31.0, Answer.FAIL)])
def test_a_server_without_a_probe_may_refuse_while_it_loads(
    beside: list[dict[str, Any]], refused_s: float, answer: Answer
) -> None:
    """The replacement is Ready at 32 s as soon as it runs, and answers from 50 s on: it may be the one that refuses."""
    spec = {"terminationGracePeriodSeconds": 10, "containers": [UNPROBED_SERVER, *beside]}
    story = standing(spec=spec).stream("a", 28, 32).stream("a", 30.5, 35).ends("a", 30, 36, spec=spec)
    story.replaced("d", 30.1, ready_s=32, spec=spec).stream("d", 49, 50)
    finding = judged(story.stream(None, refused_s, refused_s + 0.1, "refused", status=None))
    assert finding.answer is answer, finding.line()


def test_a_server_with_a_probe_listens_when_it_is_ready() -> None:
    """The replacement passed its readiness probe: what is refused is the ended one's."""
    finding = judged(drained_story().stream(None, 34.5, 34.6, "refused", status=None))
    assert finding.answer is Answer.FAIL, finding.line()


@pytest.mark.parametrize(("reason", "answer"), [("TerminationByKubelet", Answer.UNKNOWN), ("", Answer.PASS)])
def test_a_replica_that_its_kubelet_ended_is_open(reason: str, answer: Answer) -> None:
    """For want of memory a kubelet ends `b` too, in a hurry: that `a` ended its answers proves nothing of that end."""
    ended = pod("b", disruption=reason)
    ended["status"] |= {"phase": "Failed", "containerStatuses": [container(137)]}
    finding = judged(drained_story().saw(50.3, "MODIFIED", ended))
    assert finding.answer is answer, finding.line()


# --- who killed what -------------------------------------------------------------------------------------------------


def beside_a_sidecar(*, cut: bool) -> Finding:
    """`a` ends its one answer in full 2 s after its deletion; its native sidecar is killed at the end of the grace."""
    spec = {**PROBED, "initContainers": [{"name": "proxy", "restartPolicy": "Always"}]}
    story = standing(spec=spec).stream("a", 28, 32)
    if cut:
        story.stream("a", 29, 30.5, "truncated")
    done = pod("a", deleting=True, spec=spec)
    done["status"]["containerStatuses"] = [container(0)]
    done["status"]["initContainerStatuses"] = [{**container(137), "name": "proxy"}]
    story.saw(30, "MODIFIED", pod("a", ready=True, deleting=True, spec=spec)).saw(40.5, "MODIFIED", done)
    return judged(story.saw(40.6, "DELETED", done))


def test_a_sidecar_that_is_killed_is_no_deaf_server() -> None:
    """A sidecar is told to end after the others, with what they leave of the grace: that it was killed says nothing."""
    finding = beside_a_sidecar(cut=False)
    assert finding.answer is Answer.PASS, finding.line()
    assert "does not end on SIGTERM" not in finding.reason


@pytest.mark.parametrize("story", ["a sidecar", "the server"])
def test_what_was_cut_before_sigkill_was_not_cut_by_it(story: str) -> None:
    """The answer broke off half a second after the deletion, and something was killed ten seconds later."""
    if story == "a sidecar":
        finding = beside_a_sidecar(cut=True)
    else:
        finding = judged(standing().stream("a", 28, 30.5, "truncated").ends("a", 30, 40.2, code=137))
    assert finding.answer is Answer.FAIL, finding.line()
    assert "by SIGKILL" not in finding.reason
    assert "its server does not finish what it has taken" in finding.reason


@pytest.mark.parametrize(
    ("proxy_s", "server_s", "words"),
    [
        pytest.param(33, 39, "as container istio-proxy (exit code 0) ended, while m ran on", id="the proxy goes first"),
        pytest.param(
            39, 33, "as container m (exit code 0) ended, while istio-proxy ran on", id="the server goes first"
        ),
        pytest.param(33, 33.1, "its server does not finish what it has taken", id="both go"),
        pytest.param(39, 39.1, "its server does not finish what it has taken", id="neither goes"),
    ],
)
def test_what_ended_as_an_answer_was_cut_is_told(proxy_s: float, server_s: float, words: str) -> None:
    """A proxy that stops 3 s after SIGTERM cuts what its server would have answered: another mend than the server's."""
    story = standing().stream("a", 28, 33, "truncated")
    going = pod("a", ready=True, deleting=True)
    for at_s, name in sorted(((30, ""), (proxy_s, "istio-proxy"), (server_s, "m"))):
        statuses = [*going["status"]["containerStatuses"]] if name else []
        going = pod("a", ready=not name, deleting=True)
        running = {"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "restartCount": 0}
        known = {one["name"]: one for one in statuses} or {n: {"name": n, **running} for n in ("m", "istio-proxy")}
        known |= {name: container(0) | {"name": name}} if name else {}
        going["status"]["containerStatuses"] = list(known.values())
        story.saw(at_s, "MODIFIED", going)
    finding = judged(story.saw(39.5, "DELETED", going).replaced("d", 30.1, ready_s=34))
    assert finding.answer is Answer.FAIL
    assert words in finding.reason, finding.line()
