"""What an answer says about a mutation, for every kind of answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chaos.cluster.executor import judged
from chaos.cluster.transport import Answer
from chaos.history import Outcome


def _status(code: int, reason: str = "", message: str = "") -> bytes:
    status = {"kind": "Status", "status": "Failure", "code": code, "message": message}
    return json.dumps(status | ({"reason": reason} if reason else {})).encode()


TWO_BUDGETS = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b'{"kind":"Pod"}', "ok"),
        (201, b'{"kind":"Status","status":"Success"}', "ok"),
        (202, b"", "ok"),
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
