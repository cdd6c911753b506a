"""Limits that stop a trial: read off the run folder's files as they grow."""

import json
from pathlib import Path
from typing import Any

import pytest

from chaos.clock import NS, Clock
from chaos.safety.abort_conditions import NO_LIMITS, AbortConditions, AbortLimits, SpentLimit, UsageLimit


def requests(path: Path, *outcomes: str) -> None:
    """Append a request with each of these outcomes, as the generator writes it."""
    with path.open("a") as file:
        for number, outcome in enumerate(outcomes):
            file.write(json.dumps({"id": number, "outcome": outcome, "error": None}, separators=(",", ":")) + "\n")


def test_the_error_budget_may_be_spent_and_not_more(tmp_path: Path) -> None:
    """One bad request of a hundred is all of 0.99's budget; the second one stops the trial, in words."""
    path = tmp_path / "requests.jsonl"
    limit = SpentLimit(path, availability=0.99, share=1.0)
    assert limit.objection() == ""
    requests(path, *["ok"] * 150, "late", "failed", "unsent", "unsent")
    assert limit.objection() == ""
    requests(path, "refused")
    assert "2 of 153 requests were bad; 1 of the error budget of availability 0.99 is 1.5" in limit.objection()


def test_a_share_may_be_less_or_more_than_all(tmp_path: Path) -> None:
    """Half a budget stops at the first bad request of few, five of them let five go."""
    path = tmp_path / "requests.jsonl"
    half, five = (SpentLimit(path, availability=0.99, share=share) for share in (0.5, 5.0))
    requests(path, "truncated")
    assert (bool(half.objection()), five.objection()) == (True, "")
    requests(path, *["unanswered"] * 4)
    assert five.objection() == ""
    requests(path, "failed")
    assert "6 of 6 requests were bad" in five.objection()


def test_a_line_that_is_not_whole_waits(tmp_path: Path) -> None:
    """What is cut in its middle counts once, when the rest has come."""
    path = tmp_path / "requests.jsonl"
    limit = SpentLimit(path, availability=0.99, share=0.5)
    path.write_text('{"id":1,"outcome":"fai')
    assert limit.objection() == ""
    with path.open("a") as file:
        file.write('led"}\n')
    assert "1 of 1 requests were bad" in limit.objection()


def usage(path: Path, at_ns: int, **said: Any) -> None:
    """Append a sample as the sampler writes it."""
    with path.open("a") as file:
        file.write(json.dumps({"at_ns": at_ns, "asked_ns": at_ns, **said}) + "\n")


def pod(name: str, cpu: str, memory: str) -> dict[str, Any]:
    """A pod of two containers, the first of which uses nothing."""
    idle = {"name": "idle", "usage": {"cpu": "0", "memory": "1Mi"}}
    return {"name": name, "containers": [idle, {"name": "server", "usage": {"cpu": cpu, "memory": memory}}]}


class Stopped(Clock):
    """A clock that is moved by hand."""

    at_ns = 0

    def now_ns(self) -> int:
        """The moment it was set to."""
        return self.at_ns


@pytest.fixture
def clock() -> Stopped:
    """A clock at zero."""
    Stopped.at_ns = 0
    return Stopped(0, 0)


def test_a_pod_over_its_limit_stops_the_trial(tmp_path: Path, clock: Stopped) -> None:
    """All containers of a pod count together, and pods of others do not count."""
    path = tmp_path / "metrics.jsonl"
    limit = UsageLimit(path, {"memory": "100Mi", "cpu": "1"}, ours=lambda: {"model-1"}, clock=clock)
    usage(path, 1, pods=[pod("model-1", "900m", "99Mi"), pod("other", "9", "9Gi")])
    assert limit.objection() == ""
    usage(path, 2, pods=[pod("model-1", "1100m", "99.5Mi")])
    told = limit.objection()
    assert "safety.abort_usage: model-1 uses 1100m of cpu, over 1" in told
    assert "model-1 uses 100Mi of memory, over 100Mi" in told


def test_a_limit_that_cannot_be_seen_stops_the_trial(tmp_path: Path, clock: Stopped) -> None:
    """Blind for a minute is not well: the API's own words are the reason; the same answer again is sight."""
    path = tmp_path / "metrics.jsonl"
    limit = UsageLimit(path, {"cpu": "1"}, ours=lambda: {"model-1"}, clock=clock)
    usage(path, NS, pods=[pod("model-1", "1m", "1Mi")])
    Stopped.at_ns = 50 * NS
    usage(path, 50 * NS, same=True)
    assert limit.objection() == ""
    Stopped.at_ns = 100 * NS
    usage(path, 100 * NS, error="503 away")
    assert limit.objection() == ""
    Stopped.at_ns = 111 * NS
    assert "no usage of the system's pods for 61 s: 503 away" in limit.objection()


def test_without_limits_nothing_stops(tmp_path: Path, clock: Stopped) -> None:
    """What nobody limits is not looked at; what is limited is."""
    assert AbortConditions.of(NO_LIMITS, tmp_path, ours=set, clock=clock).limits == ()
    told = AbortLimits(budget_share=1.0, availability=0.99, usage={"cpu": "1"})
    watched = AbortConditions.of(told, tmp_path, ours=set, clock=clock)
    assert watched.objection() == ""
    requests(tmp_path / "requests.jsonl", "failed", "failed")
    assert "safety.abort_error_budget" in watched.objection()
