"""Limits at which a trial stops before its end and heals: on users' requests, on usage of pods, or a command's no.

What stopped a trial is thus in its own run folder. A limit is no check: a trial that one ended proves nothing, unless a
check finds the claim broken already.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from typing_extensions import override

from chaos.clock import NS, Clock
from chaos.history.reading.jsonl import Tail
from chaos.history.sli import GOOD, NOT_JUDGED
from chaos.history.writing.redaction import redacted_output
from chaos.objects.quantities import milli
from chaos.safety.stop_condition import StopCondition

__all__ = ["NO_LIMITS", "AbortCommand", "AbortConditions", "AbortLimits", "SpentLimit", "UsageLimit"]

LEAST_REQUESTS = 100
"""Of fewer the error budget is counted as of so many: else the first bad request would be all of it."""

BLIND_S = 60.0
"""A limit on usage that could not be seen for so long stops the trial: four new values of the metrics API, mostly."""

REASON_MAX = 200

_OUTCOME = re.compile(rb'"outcome":"([a-z]+)"')


@dataclass(frozen=True, slots=True)
class AbortLimits:
    """What an owner allows a trial to cost.

    `budget_share`: of the error budget that `availability` leaves, 1 being all of it. `usage`: the most that any pod of
    the system may use, by resource (`cpu`, `memory`), as Kubernetes quantities.
    """

    budget_share: float | None = None
    availability: float | None = None
    usage: Mapping[str, str] | None = None


NO_LIMITS = AbortLimits()


class SpentLimit:
    """Stops a trial that has spent more than a share of the error budget of its requests so far."""

    def __init__(self, requests: Path, *, availability: float, share: float) -> None:
        self._tail = Tail(requests)
        self._availability, self._share = availability, share
        self._valid = self._bad = 0

    def objection(self) -> str:
        """Why the trial is to stop, empty while it may go on."""
        for outcome in _OUTCOME.findall(self._tail.more()):
            if outcome.decode() not in NOT_JUDGED:
                self._valid += 1
                self._bad += outcome.decode() not in GOOD
        allowed = self._share * (1 - self._availability) * max(self._valid, LEAST_REQUESTS)
        if self._bad <= round(allowed, 6):
            return ""
        return (
            f"safety.abort_error_budget: {self._bad} of {self._valid} requests were bad; {self._share:g} of the error "
            f"budget of availability {self._availability:g} is {allowed:.1f}"
        )


class UsageLimit:
    """Stops a trial in which a pod of the system uses more than it may, by the metrics API, or where nobody can tell.

    `ours` are the names of the system's pods, now.
    """

    def __init__(
        self, metrics: Path, limits: Mapping[str, str], *, ours: Callable[[], Collection[str]], clock: Clock
    ) -> None:
        self._tail = Tail(metrics)
        self._limits = {resource: (milli(most), most) for resource, most in limits.items()}
        self._ours, self._clock = ours, clock
        self._seen_ns = clock.now_ns()
        self._pods: list[Mapping[str, Any]] = []
        self._error = "the metrics API gave no answer"

    def objection(self) -> str:
        """Why the trial is to stop, empty while it may go on."""
        ours = frozenset(self._ours())
        for line in self._tail.more().splitlines():
            if over := self._take(from_json(line), ours):
                return over
        blind_s = (self._clock.now_ns() - self._seen_ns) / NS
        if blind_s > BLIND_S:
            return f"safety.abort_usage: no usage of the system's pods for {blind_s:.0f} s: {self._error}"
        return ""

    def _take(self, sample: Mapping[str, Any], ours: Collection[str]) -> str:
        if error := sample.get("error"):
            self._error = str(error)
            return ""
        if not sample.get("same"):
            self._pods = list(sample.get("pods") or ())
        known = [pod for pod in self._pods if pod["name"] in ours]
        if known:
            self._seen_ns = int(sample["at_ns"])
        else:
            self._error = "the metrics API knows none of them"
        return "; ".join(words for pod in known for words in self._over(pod))

    def _over(self, pod: Mapping[str, Any]) -> Iterator[str]:
        for resource, (limit, written) in self._limits.items():
            used = sum(milli(str(one["usage"][resource])) for one in pod["containers"] if resource in one["usage"])
            if used > limit:
                yield f"safety.abort_usage: {pod['name']} uses {_amount(resource, used)} of {resource}, over {written}"


def _amount(resource: str, thousandths: int) -> str:
    return f"{thousandths}m" if resource == "cpu" else f"{thousandths / 1000 / 2**20:.0f}Mi"


@dataclass(slots=True)
class AbortConditions:
    """All limits of one trial, read off its run folder while it goes on, by whichever thread asks."""

    limits: tuple[SpentLimit | UsageLimit, ...]
    _passed: str = field(default="", init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    @classmethod
    def of(
        cls, limits: AbortLimits, run: Path, *, ours: Callable[[], Collection[str]], clock: Clock
    ) -> AbortConditions:
        """The limits that are set, over the files of a run folder."""
        found: list[SpentLimit | UsageLimit] = []
        if limits.budget_share is not None and limits.availability is not None:
            path = run / "requests.jsonl"
            found.append(SpentLimit(path, availability=limits.availability, share=limits.budget_share))
        if limits.usage:
            found.append(UsageLimit(run / "metrics.jsonl", limits.usage, ours=ours, clock=clock))
        return cls(tuple(found))

    def objection(self) -> str:
        """Why the trial is to stop, by the first limit that was passed; empty while it may go on."""
        with self._lock:
            self._passed = self._passed or next((words for one in self.limits if (words := one.objection())), "")
            return self._passed


class AbortCommand(StopCondition):
    """A limit of the user's own: a command that is run every few seconds, and first of all, before any fault.

    Its exit code is its answer: anything but 0 stops the trial, which then heals; its last line is the reason. One that
    does not answer in its time is taken for a no.
    """

    def __init__(self, command: Sequence[str], *, every_s: float) -> None:
        super().__init__("abort-command", every_s=every_s, asks=bool(command), answer_first=True)
        self._command = list(command)

    @override
    def ask(self) -> str:
        name = self._command[0]
        try:
            done = subprocess.run(
                self._command, capture_output=True, text=True, check=False, timeout=self._every_s, errors="replace"
            )
        except subprocess.TimeoutExpired:
            return f"safety.abort: {name} did not answer within {self._every_s:g} s"
        except OSError as error:
            return f"safety.abort: {name} cannot be run: {error.strerror}"
        if done.returncode == 0:
            return ""
        output = (done.stdout + done.stderr).strip().splitlines() or [f"exit code {done.returncode}"]
        return f"safety.abort: {name} says: {redacted_output(output[-1], self._command)[:REASON_MAX]}"
