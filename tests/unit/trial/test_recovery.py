"""After a recovery a trial waits for answers of the replicas that came back, never longer than chance allows."""

import json
from pathlib import Path
from typing import Any

import pytest
from cluster_objects import pod

from chaos.clock import NS, Clock
from chaos.objects.pod import PodView
from chaos.semantics import LAB
from chaos.trial.first_answers import MORE_ANSWERS, AwaitedAnswers, Replica, ready_replicas

BEFORE = frozenset({Replica("a", "uid-a", "t0", 0), Replica("b", "uid-b", "t0", 0)})
NOW = frozenset({Replica("a", "uid-a", "t0", 0), Replica("c", "uid-c", "t9", 0)})


class Requests:
    """A file of records, written as the generator does, and the wait over it."""

    def __init__(self, folder: Path, now: frozenset[Replica] = NOW) -> None:
        self.path, self.clock = folder / "requests.jsonl", Clock.start()
        self.path.touch()
        self.answers = AwaitedAnswers(self.path, BEFORE, now, self.clock)

    def add(self, replica: str | None, *, count: int = 1, outcome: str = "ok", ago_s: float = 0.0) -> None:
        """Record requests that begin and end now, or some seconds ago."""
        with self.path.open("a") as file:
            for _ in range(count):
                at_ns = self.clock.now_ns() - round(ago_s * NS)
                times = dict.fromkeys(("intended_ns", "first_byte_ns", "end_ns"), at_ns) | {"first_token_ns": None}
                file.write(json.dumps({**times, "outcome": outcome, "replica": replica}) + "\n")


def test_the_replica_that_came_back_must_answer_and_some_requests_follow(tmp_path: Path) -> None:
    """Answers of the one that stayed do not do, nor does one that failed."""
    requests = Requests(tmp_path)
    requests.add("a", count=50)
    requests.add("c", outcome="failed")
    assert not requests.answers.complete()
    assert requests.answers.missing == {"c"}
    requests.add("c")
    assert not requests.answers.complete()
    requests.add("a", count=MORE_ANSWERS)
    assert requests.answers.complete()


def test_an_answer_from_before_the_recovery_does_not_count(tmp_path: Path) -> None:
    """A pod of the same name may have answered before it was lost."""
    requests = Requests(tmp_path)
    requests.add("c", ago_s=60)
    assert not requests.answers.complete()
    assert requests.answers.missing == {"c"}


def test_where_nobody_was_lost_only_requests_are_awaited(tmp_path: Path) -> None:
    """A fault that took no replica leaves none to wait for."""
    requests = Requests(tmp_path, BEFORE)
    requests.add("a", count=MORE_ANSWERS)
    assert requests.answers.complete()


def test_traffic_that_cannot_tell_is_not_waited_for(tmp_path: Path) -> None:
    """Without requests, or where answers do not name their replica, waiting would prove nothing."""
    requests = Requests(tmp_path)
    assert requests.answers.bound_s(LAB) == 0
    requests.add(None, count=20)
    requests.add("of-another-service", count=20)
    assert requests.answers.bound_s(LAB) == 0
    requests.add("a")
    assert requests.answers.bound_s(LAB) > LAB.allowance_s


class Canary:
    """canary.jsonl beside the requests."""

    def __init__(self, requests: Requests) -> None:
        self._path, self._clock = requests.path.with_name("canary.jsonl"), requests.clock

    def asked(self, pod: str, outcome: str = "ok") -> None:
        """A request that begins and ends now."""
        now_ns = self._clock.now_ns()
        times = dict.fromkeys(("at_ns", "intended_ns", "sent_ns", "end_ns"), now_ns)
        with self._path.open("a") as file:
            file.write(json.dumps({**times, "event": "asked", "pod": pod, "uid": pod, "outcome": outcome}) + "\n")


def test_without_names_the_canary_is_waited_for(tmp_path: Path) -> None:
    """Its answer from the replica that came back does, and then requests of users that follow."""
    requests = Requests(tmp_path)
    canary = Canary(requests)
    requests.add(None, count=5)
    canary.asked("a")
    canary.asked("c", "failed")
    assert requests.answers.bound_s(LAB) > LAB.allowance_s
    assert not requests.answers.complete()
    assert requests.answers.missing == {"c"}
    canary.asked("c")
    assert not requests.answers.complete()
    requests.add(None, count=MORE_ANSWERS)
    assert requests.answers.complete()


def test_names_in_answers_go_before_the_canary(tmp_path: Path) -> None:
    """Who names its replica must have answered a user."""
    requests = Requests(tmp_path)
    requests.add("a", count=MORE_ANSWERS)
    Canary(requests).asked("c")
    assert not requests.answers.complete()
    assert requests.answers.missing == {"c"}


def test_an_address_names_a_replica(tmp_path: Path) -> None:
    """With a port or without."""
    now = frozenset({Replica("a", "uid-a", "t0", 0), Replica("c", "uid-c", "t9", 0, ("10.0.0.3", "fd00::3"))})
    requests = Requests(tmp_path, now)
    requests.add("[fd00::3]:8000")
    requests.add("10.0.0.3:8000", count=MORE_ANSWERS)
    assert requests.answers.complete()


def states(**changes: Any) -> frozenset[Replica]:
    """A Ready pod, with changes of its status."""
    raw = pod("a")
    raw["status"] = {
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "t0"}],
        "containerStatuses": [{"name": "main", "restartCount": 0}],
    } | changes
    return ready_replicas([PodView(raw)])


@pytest.mark.parametrize(
    "changes",
    [
        {"containerStatuses": [{"name": "main", "restartCount": 1}]},
        {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "t1"}]},
    ],
    ids=["restarted", "unready for a while"],
)
def test_a_pod_that_came_back_in_place_is_another_replica(changes: dict[str, Any]) -> None:
    """Its container was restarted, or it was not Ready for a while."""
    assert len(states()) == 1
    assert states() == states()
    assert states(**changes).isdisjoint(states())
