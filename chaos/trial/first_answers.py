"""Wait until the replicas that took a lost one's place have answered: users, or the canary where no name is given."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from chaos.checks.recovery.client_impact import PROXY_S, requests_needed
from chaos.clock import Clock, seconds
from chaos.history.reading.jsonl import Tail
from chaos.history.reading.replica_names import address_in
from chaos.history.sli import BEGUN
from chaos.objects.pod import PodView
from chaos.semantics import Timings

__all__ = ["AwaitedAnswers", "Replica", "ready_replicas"]

MORE_ANSWERS = 10
"""Requests that follow the last first answer: latency is judged from then on, by blocks of five of them."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One turn of a pod at serving: a restart, or a time of not being Ready, begins another one."""

    name: str
    uid: str
    ready_since: str
    restarts: int
    addresses: tuple[str, ...] = ()


def ready_replicas(pods: Iterable[PodView]) -> frozenset[Replica]:
    """The pods that are Ready now."""
    return frozenset(
        Replica(
            pod.name,
            pod.uid,
            str(pod.condition("Ready").get("lastTransitionTime", "")),
            pod.restarts,
            tuple(sorted({str(one["ip"]) for one in pod.status.get("podIPs") or () if one.get("ip")})),
        )
        for pod in pods
        if pod.ready
    )


class AwaitedAnswers:
    """Reads requests.jsonl from now on, for the first full answer of each replica that was not there `before`.

    And canary.jsonl beside it: an answer to the canary does where those to users name no replica.
    """

    def __init__(self, requests: Path, before: frozenset[Replica], now: frozenset[Replica], clock: Clock) -> None:
        self.missing = {one.name for one in now - before}
        self._ready = {one.name: one.name for one in now} | {ip: one.name for one in now for ip in one.addresses}
        self._count = len(now)
        self._tail = Tail(requests, from_end=True)
        self._canary = Tail(requests.with_name("canary.jsonl"), from_end=True)
        self._asked_ns: dict[str, int] = {}
        self._unheard = set(self.missing)
        self._every_s, self._heard_ns = 0.0, 0
        self._clock = clock
        self._since_ns = self._last_first_ns = clock.now_ns()
        self._starts: list[int] = []
        self._slowest_ns = 0
        self._named = False

    def complete(self) -> bool:
        """Whether each replica has answered, and some requests of any replica came after."""
        self._read()
        after = sum(start_ns >= self._last_first_ns for start_ns in self._starts)
        return not self.missing and after >= MORE_ANSWERS

    def _settle_by_canary(self) -> None:
        """Where no answer has named a replica, those that the canary heard have answered."""
        if not self._named:
            self.missing &= self._unheard
            self._last_first_ns = max(self._last_first_ns, self._heard_ns)

    def bound_s(self, timings: Timings) -> float:
        """How long it may take from the moment at which this was made; 0 if the traffic cannot tell.

        So many requests must come that each replica is surely sent one, as `first_answer_bound` judges it.
        """
        self._read()
        waited_s = seconds(self._clock.now_ns() - self._since_ns)
        if not (self._named or self._asked_ns) or not self._starts:
            return 0.0
        pace_s = waited_s / len(self._starts)
        if not self._named:
            return self._every_s + pace_s * MORE_ANSWERS + seconds(self._slowest_ns) + timings.allowance_s
        requests = requests_needed(self._count) + MORE_ANSWERS
        return PROXY_S + pace_s * requests + seconds(self._slowest_ns) + timings.allowance_s

    def _read(self) -> None:
        for line in self._tail.more().splitlines():
            self._take(from_json(line))
        for line in self._canary.more().splitlines():
            self._hear(from_json(line))
        self._settle_by_canary()

    def _hear(self, record: dict[str, Any]) -> None:
        """Take a line of the canary's."""
        if record["event"] != "asked" or record["outcome"] == "unsent":
            return
        former_ns = self._asked_ns.get(record["uid"], record["sent_ns"])
        self._every_s = max(self._every_s, seconds(record["sent_ns"] - former_ns), 1.0)
        self._asked_ns[record["uid"]] = record["sent_ns"]
        if record["outcome"] == "ok" and record["end_ns"] >= self._since_ns:
            self._slowest_ns = max(self._slowest_ns, record["end_ns"] - record["intended_ns"])
            if record["pod"] in self._unheard:
                self._unheard.remove(record["pod"])
                self._heard_ns = record["end_ns"]

    def _take(self, record: dict[str, Any]) -> None:
        if record["outcome"] == "unsent":
            return
        if record["intended_ns"] >= self._since_ns:
            self._starts.append(record["intended_ns"])
        given = str(record["replica"] or "")
        name = self._ready.get(given) or self._ready.get(address_in(given))
        if record["outcome"] not in BEGUN or name is None:
            return
        self._named = True
        self._slowest_ns = max(self._slowest_ns, record["end_ns"] - record["intended_ns"])
        came_ns = record["first_token_ns"] or record["first_byte_ns"] or record["end_ns"]
        if name in self.missing and came_ns >= self._since_ns:
            self.missing.remove(name)
            self._last_first_ns = max(self._last_first_ns, came_ns)
