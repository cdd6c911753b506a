"""Make the steps of a search in one trial: a stretch of steady traffic each, on one number of replicas, then others."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol

from chaos.checks.traffic.capacity_estimate import CapacityEstimate, capacity_estimate
from chaos.checks.traffic.capacity_steps import RateStep, rate_steps
from chaos.checks.traffic.generator_health import last_samples
from chaos.clock import seconds
from chaos.errors import NotProven, plural
from chaos.faults import Scale, Until
from chaos.history import History, load_history
from chaos.trial.capacity.search import Measurement, Search, next_rate
from chaos.trial.run import RunningTrial
from chaos.trial.trial import Trial

__all__ = ["Screen", "measure"]

BASELINE_S = 10.0

WARM_S, WARM_SHARE = 10.0, 0.5
"""For so long a part of the first step's rate, before the baseline."""

SPARE_S = 2.0
"""The generator tells how it is once a second."""


class Screen(Protocol):
    """What a search is shown on."""

    def say(self, text: str) -> None:
        """Show a line."""

    def step(
        self, replicas: int, rate_rps: float, done: int, most: int, duration_s: float
    ) -> AbstractContextManager[None]:
        """Show that a step is under way."""

    def show(self, step: RateStep) -> None:
        """Show what a step came to."""


def measure(running: RunningTrial, measurement: Measurement, screen: Screen, *, present: int, timeout_s: float) -> None:
    """Search on each number of replicas, and judge the trial; `present` of them are there at first.

    `timeout_s` is after which time a request is given up.
    """
    _warm_up(running, measurement.search(None, measurement.replicas[0]).start_rps * WARM_SHARE, timeout_s)
    with running.traffic.steady(rate_rps=measurement.from_rps):
        running.trial.baseline(duration_s=BASELINE_S)
    until_s = time.monotonic() + measurement.time_s
    known: CapacityEstimate | None = None
    for place, count in enumerate(measurement.replicas):
        share_s = (until_s - time.monotonic()) / (len(measurement.replicas) - place)
        steps = _Steps(running, measurement, count, timeout_s)
        with _scaled(running, count, present):
            found = steps.search(measurement.search(known, count), screen, time.monotonic() + share_s)
        known = found if found.held is not None else known
    with suppress(NotProven):  # the verdict is shown, whatever it is
        running.trial.judge(measurement.check, needs_fault=False)


def _warm_up(running: RunningTrial, rate_rps: float, timeout_s: float) -> None:
    """Let every replica give its first answers, which are slow, before anything is judged."""
    with running.traffic.steady(rate_rps=rate_rps):
        running.trial.hold(duration_s=WARM_S)
    _until_answered(running.trial, timeout_s)


def _until_answered(trial: Trial, timeout_s: float) -> None:
    trial.hold(until=Until("all are answered", lambda: _at_rest(trial), timeout_s + SPARE_S))


@contextmanager
def _scaled(running: RunningTrial, count: int, present: int) -> Iterator[None]:
    """Let the system have so many replicas in the block."""
    if count == present:
        yield
        return
    with running.trial.fault(Scale(running.system.workload, count)):
        yield
    running.trial.recovery(settle_s=0)


class _Steps:
    """The steps on one number of replicas."""

    def __init__(self, running: RunningTrial, measurement: Measurement, replicas: int, timeout_s: float) -> None:
        self._running, self._measurement, self._replicas, self._timeout_s = running, measurement, replicas, timeout_s

    def search(self, search: Search, screen: Screen, until_s: float) -> CapacityEstimate:
        """Step after step until the limit is known, `until_s` on the monotonic clock is over, or the trial stopped."""
        limit = capacity_estimate(self._replicas, ())
        for done in range(search.steps_max):
            rate_rps = next_rate(search, limit)
            if rate_rps is None:
                break
            duration_s = self._measurement.duration_s(rate_rps)
            if time.monotonic() + duration_s > until_s and done:
                screen.say(f"{plural(self._replicas, 'replica')}: no time left for {rate_rps:g}/s")
                break
            with screen.step(self._replicas, rate_rps, done, search.steps_max, duration_s):
                history = self._step(self._running.trial, rate_rps, duration_s)
            steps = rate_steps(history, self._measurement.slo, brief=self._measurement.brief)
            if history.stopped or not steps or steps[-1].replicas != self._replicas:
                break
            limit = capacity_estimate(self._replicas, steps)
            screen.show(steps[-1])
        return limit

    def _step(self, trial: Trial, rate_rps: float, duration_s: float) -> History:
        with self._running.traffic.steady(rate_rps=rate_rps):
            trial.hold(duration_s=duration_s)
        _until_answered(trial, self._timeout_s)
        # A sign of life: the watch is known to have been there up to this line.
        trial.note(f"step over: {plural(self._replicas, 'replica')}, {rate_rps:g}/s for {duration_s:g} s")
        return load_history(trial.run)


def _at_rest(trial: Trial) -> bool:
    """Whether nothing is in flight any more since the last stream ended, by the generator's own account."""
    history = load_history(trial.run)
    ended_ns = max((one.end_ns or 0 for one in history.streams), default=0)
    lasts = last_samples(history)
    return bool(lasts) and all(not one.in_flight and seconds(one.at_ns - ended_ns) > 0 for one in lasts)
