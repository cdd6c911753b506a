"""Learn what one replica carries within the SLO, by a short ramp: a trial of its own before those that need to know.

It goes up from a low rate by doubling until the SLO does not hold, then to the middle. What it comes to is an estimate
from few requests, good for choosing loads. A generator that was late, or a system that was not steady, gives none.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from chaos.checks.judge import Judgement
from chaos.checks.traffic.capacity_estimate import CapacityEstimate, capacity_estimate
from chaos.checks.traffic.capacity_steps import RateStep, rate_steps
from chaos.errors import UsageError, plural
from chaos.history import History
from chaos.slo import Slo
from chaos.system import SystemSpec
from chaos.trial.capacity.measure import measure
from chaos.trial.capacity.search import Measurement, rounded
from chaos.trial.environment import Environment
from chaos.trial.replica_capacity import STATE_IT, ReplicaCapacity
from chaos.trial.request import Output, ScenarioFacts, TrialRequest
from chaos.trial.run import run_trial

__all__ = ["RAMP_S", "Ramp", "capacity_from", "learn"]

RAMP_S = 180.0
"""For so long it searches at most, beside what it takes to deploy a replica; most take two thirds of that."""

FROM_RPS, TO_RPS = 0.25, 2000.0
STEP_S = 10.0
RESOLUTION = 1.25

BETWEEN_MAX = 1.6
"""A highest rate that held and a lowest that did not, further apart than so, leave too much open."""

CLAIM = "What one replica carries within the SLO is known, so that loads can be told as shares of it."

REQUIRED = "the capacity of a replica could not be learned"


@dataclass(frozen=True, slots=True)
class Ramp:
    """A ramp to be made: of this system under this SLO, in this run folder, and never over `most_rps`."""

    slo: Slo
    run: Path
    seed: int
    most_rps: float | None = None

    @property
    def words(self) -> str:
        """What it is about to do, for people."""
        most = "" if self.most_rps is None else f", and at most {self.most_rps:g}/s"
        return f"learning what one replica carries within the SLO: a ramp of at most {RAMP_S / 60:g} min{most}"

    def measurement(self, replicas: int) -> Measurement:
        """The search on so many replicas. Raises `UsageError` where the owners' limit leaves no range of rates."""
        to_rps = TO_RPS if self.most_rps is None else min(TO_RPS, self.most_rps)
        if to_rps < 2 * FROM_RPS:
            raise UsageError(f"{REQUIRED}: safety.rps_max allows no more than {to_rps:g}/s", STATE_IT)
        return Measurement(
            self.slo, (replicas,), FROM_RPS, to_rps, RESOLUTION, repeats=1, step_s=STEP_S, time_s=RAMP_S, brief=True
        )


def learn(
    environment: Environment,
    request: TrialRequest,
    ramp: Ramp,
    *,
    say: Callable[[str], None],
    draw: Callable[[Judgement], Path],
) -> ReplicaCapacity:
    """Make the ramp, on the system of a scenario's `request`. What we deploy has one replica then.

    A system that is not ours to change is measured with the replicas that are ready, of which each is taken to carry an
    equal share. Raises `UsageError` in words if no capacity was found, and as `run_trial` does.
    """
    system = request.system
    if isinstance(system, SystemSpec):
        system = system.having(replicas=1, autoscale=None, tolerance=None, disruption_budget=None)
    elif request.spec.autoscale is not None:
        raise UsageError(f"{REQUIRED}: an autoscaler changes the number of replicas under the load of a ramp", STATE_IT)
    facts = ScenarioFacts("ramp", "gameday ramp", CLAIM, ramp.seed)
    asked = replace(request, scenario=facts, run=ramp.run, system=system, capacity=None)
    measurement = ramp.measurement(asked.spec.replicas)
    say(ramp.words)
    with run_trial(environment, asked, Output(say=say, draw=draw)) as running:
        present, timeout_s = asked.spec.replicas, request.profile.timeout_s
        measure(running, measurement, _Told(say), present=present, timeout_s=timeout_s)
    assert running.trial.judgement is not None, "it was judged, or an error was raised"
    return replace(
        capacity_from(running.trial.judgement.history, measurement), images=running.images, run=ramp.run.name
    )


def capacity_from(history: History, measurement: Measurement) -> ReplicaCapacity:
    """What a ramp came to: the highest rate that held, shared among its replicas. Raises `UsageError` in words."""
    replicas = measurement.replicas[0]
    found = capacity_estimate(replicas, rate_steps(history, measurement.slo, brief=True))
    if why := _nothing_known(history, found, measurement):
        raise UsageError(f"{REQUIRED}: {why}", STATE_IT)
    assert found.held is not None
    return ReplicaCapacity(rounded(found.held.rate_rps / replicas), "learned", history.ended_ns, replicas)


def _nothing_known(history: History, found: CapacityEstimate, measurement: Measurement) -> str:
    """Why the ramp says nothing; empty if it does."""
    if history.stopped or not found.rates:
        return history.stopped or f"no step was made on {plural(measurement.replicas[0], 'ready replica')}"
    doubt = "".join(f"; at {one.rate_rps:g}/s: {one.steps[-1].reason}" for one in found.unknown[:1])
    if found.held is None and found.broke is not None and not doubt:
        return f"not even {found.broke.rate_rps:g}/s were carried within the SLO ({found.broke.steps[-1].reason})"
    if found.broke is None and found.held is not None and not doubt and found.held.rate_rps >= measurement.to_rps:
        return f"the SLO still held at {measurement.to_rps:g}/s, the most that a ramp may offer here"
    if found.width is None or found.width > BETWEEN_MAX:
        return f"{found.words}, which leaves too much open{doubt}"
    return ""


class _Told:
    """Says what the steps come to, a line each."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def say(self, text: str) -> None:
        self._say(text)

    @contextmanager
    def step(self, replicas: int, rate_rps: float, done: int, most: int, duration_s: float) -> Iterator[None]:
        del replicas, most
        self._say(f"ramp, step {done + 1}: {rate_rps:g}/s for {duration_s:g} s")
        yield

    def show(self, step: RateStep) -> None:
        self._say(f"ramp: {step.rate_rps:g}/s {step.answer.name}" + (f": {step.reason}" if step.reason else ""))
