"""How an answer is read, and when a mutation is sent again."""

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from chaos.cluster import Done, Mutation, RetryingExecutor, mutations
from chaos.cluster import executor as patience
from chaos.cluster.executor import judged, worth_asking_again
from chaos.cluster.transport import Answer
from chaos.history import Outcome
from chaos.objects.base import Ref


def _status(code: int, reason: str = "", message: str = "") -> bytes:
    status = {"kind": "Status", "status": "Failure", "code": code, "message": message}
    return json.dumps(status | ({"reason": reason} if reason else {})).encode()


TWO_BUDGETS = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b'{"kind":"Pod"}', "ok"),
        (201, b'{"kind":"Status","status":"Success"}', "ok"),
        (202, b"", "info"),
        (200, b"<!doctype html><title>Sign in</title>", "info"),
        (200, b'{"error": "login required"}', "info"),
        (200, b'["kind"]', "info"),
        (201, _status(500, message=TWO_BUDGETS), "fail"),
        (500, _status(500, message=TWO_BUDGETS), "fail"),
        (301, b"", "fail"),
        (400, _status(400, "BadRequest"), "fail"),
        (401, b"Unauthorized", "fail"),
        (403, _status(403, "Forbidden"), "fail"),
        (404, _status(404, "NotFound"), "fail"),
        (408, b"", "info"),
        (409, _status(409, "Conflict"), "fail"),
        (422, _status(422, "Invalid"), "fail"),
        (429, _status(429, "TooManyRequests"), "fail"),
        (500, _status(500, "InternalError"), "info"),
        (500, _status(500, "ServerTimeout"), "info"),
        (500, _status(500, message="etcdserver: request timed out"), "info"),
        (500, b"<html>", "info"),
        (502, b"bad gateway", "info"),
        (503, _status(503, "ServiceUnavailable"), "fail"),
        (503, b"upstream connect error or disconnect/reset before headers", "info"),
        (504, _status(504, "Timeout"), "info"),
    ],
)
def test_every_answer_has_an_outcome(status: int, body: bytes, outcome: Outcome) -> None:
    """It happened, it did not, or nobody can know; and unless it happened there is a reason in words."""
    done = judged(Answer(status, body))
    assert done.outcome == outcome
    assert done.status == status
    assert bool(done.reason) == (outcome != "ok")


def test_only_a_budgets_refusal_is_one() -> None:
    """A 429 counts as the budget's refusal by its cause, never by its words."""
    refusal: dict[str, Any] = {"kind": "Status", "status": "Failure", "code": 429, "reason": "TooManyRequests"}
    causes = {"causes": [{"reason": "DisruptionBudget", "message": "needs 3 healthy pods"}]}
    assert judged(Answer(429, json.dumps(refusal | {"details": causes}).encode())).budget_refused
    assert not judged(Answer(429, json.dumps(refusal | {"message": "disruption budget"}).encode())).budget_refused


def test_the_journal_keeps_what_tells_refusals_apart() -> None:
    """Status, causes and the time to wait are kept; what is unknown is left out."""
    body = json.dumps({"kind": "Status", "status": "Failure", "code": 429, "message": "busy"}).encode()
    done = judged(Answer(429, body, {"retry-after": "1"}))
    assert done.detail() == {"reason": "429 busy", "status": 429, "retry_after_s": 1.0}


def test_what_happened_is_kept_with_uid_and_version() -> None:
    """The version that a mutation made is what ties it to the watch."""
    done = judged(Answer(200, b'{"kind":"Pod","metadata":{"uid":"u-1","resourceVersion":"7"}}'))
    assert done.detail() == {"status": 200, "uid": "u-1", "rv": "7"}


POD = Ref("Pod", "ns", "model-0", "u-1")
NODE = Ref("Node", "", "n1", "u-2")
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "ns"}}

KILL = mutations.delete_pod(POD, grace_s=0)
CORDON = mutations.patch(NODE, {"spec": {"unschedulable": True}})
APPLY = mutations.apply(MAP)
CREATE = mutations.create(MAP)
EVICT = mutations.evict_pod(POD)
TESTED = mutations.patch(NODE, [{"op": "test", "path": "/spec", "value": 1}], mutations.JSON)
VERSIONED = mutations.patch(NODE, {"metadata": {"resourceVersion": "7"}, "spec": {}})
UNNAMED = mutations.delete(Ref("ConfigMap", "ns", "m"))
OURS = replace(UNNAMED, idempotent=True)

OK = Done("ok", 200)
LOST = Done("info", reason="the connection broke")
UNREACHED = Done("fail", reason="cannot be reached")


@pytest.mark.parametrize(
    "asked", ["nan", "inf", "-5", "1e9", "0x1", "٣", "9" * 400, "", "Wed, 21 Oct 2015 07:28:00 GMT"]
)
def test_a_wait_that_is_none_is_not_heeded(asked: str) -> None:
    """A drain would ask for evictions without any rest: `nan` is over no bound, and below none."""
    assert judged(Answer(429, b"{}", {"retry-after": asked})).retry_after_s is None
    assert judged(Answer(429, b"{}", {"retry-after": " 7 "})).retry_after_s == 7.0


BUSY = Done("fail", 429, reason="429 too many requests", retry_after_s=1.0)
AWAY = Done("fail", 503, reason="503 unable")
GONE = Done("fail", 404, reason="404 not found")
RACED = Done("fail", 409, reason="409 the object has been modified")
OWNED = Done("fail", 409, {"details": {"causes": [{"reason": "FieldManagerConflict"}]}}, "409 conflict")
SPENT = Done("fail", 429, {"details": {"causes": [{"reason": "DisruptionBudget"}]}}, "429 budget", 10.0)
DENIED = Done("fail", 403, reason="403 denied")


class Scripted:
    """A hand that gets these answers, and the last of them for ever."""

    def __init__(self, *answers: Done) -> None:
        self.asked = 0
        self._answers = itertools.chain(answers[:-1], itertools.repeat(answers[-1]))

    def do(self, mutation: Mutation) -> Done:  # noqa: ARG002  # the role's shape
        """Give the next answer."""
        self.asked += 1
        return next(self._answers)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are asked for and not taken."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)


@pytest.mark.parametrize("mutation", [KILL, CORDON, APPLY, CREATE, EVICT, TESTED, VERSIONED, UNNAMED])
@pytest.mark.parametrize("done", [UNREACHED, BUSY, AWAY])
def test_what_cannot_have_happened_is_asked_again_whatever_it_is(mutation: Mutation, done: Done) -> None:
    """No connection, a busy server, one that is away: nothing happened, so nothing can be doubled."""
    executor = Scripted(done, done, OK)
    assert RetryingExecutor(executor).do(mutation) is OK
    assert executor.asked == 3


@pytest.mark.parametrize(
    ("mutation", "again"),
    [
        (KILL, True),
        (CORDON, True),
        (APPLY, True),
        (CREATE, False),
        (EVICT, False),
        (TESTED, False),
        (VERSIONED, False),
        (UNNAMED, False),
    ],
)
def test_what_may_have_happened_is_asked_again_only_if_twice_is_as_good(mutation: Mutation, *, again: bool) -> None:
    """After an answer that never came the kind of request decides."""
    assert worth_asking_again(mutation, LOST) is again
    executor = Scripted(LOST, OK)
    assert RetryingExecutor(executor).do(mutation).outcome == ("ok" if again else "info")


@pytest.mark.parametrize("done", [SPENT, DENIED, GONE, OWNED, OK])
def test_an_answer_is_an_answer(done: Done) -> None:
    """A spent disruption budget, a denial, what is not there and what another owns are not asked again."""
    executor = Scripted(done)
    assert RetryingExecutor(executor).do(CORDON) is done
    assert executor.asked == 1


@pytest.mark.parametrize(
    ("mutation", "again"), [(CORDON, True), (APPLY, True), (OURS, True), (KILL, False), (VERSIONED, False)]
)
def test_a_lost_race_is_run_again_where_nothing_hangs_on_what_was_read(mutation: Mutation, *, again: bool) -> None:
    """What lost a race is asked again; the conflict of a deletion by UID is about that, another's about a version."""
    assert worth_asking_again(mutation, RACED) is again


def test_a_doubt_stays_when_nothing_clears_it() -> None:
    """Gone after an answer that was lost: it may have been us, and that is what is said."""
    done = RetryingExecutor(Scripted(LOST, GONE)).do(KILL)
    assert (done.outcome, done.status) == ("info", 404)
    assert "the connection broke" in done.reason


def test_it_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that stays away is asked so many times, and its last answer is told."""
    executor = Scripted(AWAY)
    assert RetryingExecutor(executor).do(CORDON) is AWAY
    assert executor.asked == patience.ATTEMPTS


def test_what_the_server_asks_for_is_kept_within_the_patience() -> None:
    """A Retry-After beyond our patience is not waited for: the answer is told as it is."""
    executor = Scripted(Done("fail", 429, reason="429 busy", retry_after_s=60.0))
    assert RetryingExecutor(executor).do(CORDON).status == 429
    assert executor.asked == 1
