"""What becomes of the replicas that the metrics ask for: stabilisation windows, rates, and the autoscaler's own limits.

Follows the horizontal controller of Kubernetes 1.36 (kubernetes.md A.7). Its memory (recommendations and changes of
the last minutes) is an argument here; the controller keeps it in its process only, and a restart forgets it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from chaos.objects.base import Raw
from chaos.objects.quantities import ONE, milli
from chaos.semantics.hpa.replica_calculator import Proposal, Tolerance
from chaos.semantics.timings import KUBERNETES, Timings

__all__ = [
    "Behaviour",
    "Change",
    "Limits",
    "Policy",
    "Recommendation",
    "Rules",
    "Scaled",
    "down_steps",
    "held",
    "scaled",
    "up_wait_s",
]

BURST = 4
"""Without a `behavior`, a scale-up reaches at least so many replicas, or twice as many as there are."""

Select = Literal["Max", "Min", "Disabled"]


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `value` pods, or percent of the pods at its beginning, may be added or removed in a period."""

    kind: Literal["Pods", "Percent"]
    value: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction's rules, with Kubernetes' defaults filled in."""

    window_s: float
    select: Select
    policies: tuple[Policy, ...]
    tolerance: float = KUBERNETES.hpa_tolerance


UP = Rules(0.0, "Max", (Policy("Pods", 4, 15), Policy("Percent", 100, 15)))
DOWN = Rules(KUBERNETES.hpa_downscale_stabilization_s, "Max", (Policy("Percent", 100, 15),))


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Both directions' rules. `given` is False for an autoscaler without any `behavior`: then other rates apply."""

    up: Rules = UP
    down: Rules = DOWN
    given: bool = False

    @classmethod
    def of(cls, spec: Raw, timings: Timings = KUBERNETES) -> Behaviour:
        """Read the `behavior` of a raw HorizontalPodAutoscaler's spec; the controller's flags fill in what it omits."""
        up = replace(UP, tolerance=timings.hpa_tolerance)
        down = replace(DOWN, tolerance=timings.hpa_tolerance, window_s=timings.hpa_downscale_stabilization_s)
        behaviour = spec.get("behavior")
        if behaviour is None:
            return cls(up, down)
        ups, downs = behaviour.get("scaleUp") or {}, behaviour.get("scaleDown") or {}
        return cls(_rules(ups, up), _rules(downs, down), given=True)

    @property
    def tolerance(self) -> Tolerance:
        """How far the ratio may lie from 1, each way."""
        return Tolerance(self.up.tolerance, self.down.tolerance)


def _rules(raw: Raw, default: Rules) -> Rules:
    window_s = raw.get("stabilizationWindowSeconds")
    policies = raw.get("policies")
    tolerance = raw.get("tolerance")
    return Rules(
        default.window_s if window_s is None else float(window_s),
        raw.get("selectPolicy") or default.select,
        default.policies
        if policies is None
        else tuple(Policy(one["type"], int(one["value"]), float(one["periodSeconds"])) for one in policies),
        default.tolerance if tolerance is None else milli(str(tolerance)) / ONE,
    )


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the metrics asked for at a moment, before any window, rate or limit."""

    at_s: float
    replicas: int


@dataclass(frozen=True, slots=True)
class Change:
    """A rescale that was made: positive for a rise, negative for a fall."""

    at_s: float
    by: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The autoscaler's own bounds."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Scaled:
    """What the autoscaler sets. `stabilised` is what the windows left of the proposal, `limited` why that was cut.

    `limited` is Kubernetes' own word (`ScaleUpLimit`, `TooManyReplicas`, …), empty where nothing was cut.
    """

    replicas: int
    stabilised: int
    limited: str = ""


def scaled(
    proposal: Proposal,
    *,
    current: int,
    limits: Limits,
    behaviour: Behaviour,
    now_s: float,
    recommendations: Iterable[Recommendation] = (),
    changes: Iterable[Change] = (),
) -> Scaled | None:
    """What one look of the autoscaler sets; None if it leaves all as it is because the metrics fail or it is off.

    A number outside the limits is brought back at once, without metrics. Zero replicas, where the minimum is not
    zero, switch it off.
    """
    if current == 0 and limits.least != 0:
        return None
    if current > limits.most:
        return Scaled(limits.most, limits.most)
    if current < limits.least:
        return Scaled(limits.least, limits.least)
    if proposal.replicas is None:
        return None
    wanted = stabilised(proposal.replicas, current, recommendations, behaviour, now_s)
    replicas, limited = _limited(wanted, current, limits, behaviour, _Past(_remembered(changes, behaviour), now_s))
    return Scaled(replicas, wanted, limited)


def stabilised(
    proposed: int, current: int, recommendations: Iterable[Recommendation], behaviour: Behaviour, now_s: float
) -> int:
    """The proposal after the windows: no higher than the lowest of the one, no lower than the highest of the other."""
    up = down = proposed
    for one in recommendations:
        if behaviour.given and one.at_s > now_s - behaviour.up.window_s:
            up = min(up, one.replicas)
        if one.at_s > now_s - behaviour.down.window_s:
            down = max(down, one.replicas)
    return held(proposed, current, behaviour, lowest=up, highest=down)


def held(proposed: int, current: int, behaviour: Behaviour, *, lowest: int, highest: int) -> int:
    """The proposal, held by the lowest recommendation of the scale-up window and the highest of the scale-down's.

    Without a `behavior` there is no scale-up window, and the highest is set even if that is a rise.
    """
    highest = max(highest, proposed)
    return min(max(current, min(lowest, proposed)), highest) if behaviour.given else highest


def _remembered(changes: Iterable[Change], behaviour: Behaviour) -> tuple[Change, ...]:
    """The changes that the controller still knows: a new one takes the place of one that its direction needs no more.

    Of each direction the latest that is older than that direction's longest period is overwritten (`storeScaleEvent`),
    though a longer period of the other direction may still ask for it.
    """
    kept: dict[bool, list[Change]] = {True: [], False: []}
    for one in sorted(changes, key=lambda change: change.at_s):
        rules, events = (behaviour.up if one.by > 0 else behaviour.down), kept[one.by > 0]
        outdated_s = one.at_s - max((policy.period_s for policy in rules.policies), default=0.0)
        outdated = [place for place, event in enumerate(events) if event.at_s < outdated_s]
        if outdated:
            events[outdated[-1]] = one
        else:
            events.append(one)
    return (*kept[True], *kept[False])


@dataclass(frozen=True, slots=True)
class _Past:
    """The rescales that were made, as seen from a moment."""

    changes: tuple[Change, ...]
    now_s: float

    def before(self, current: int, policy: Policy) -> int:
        """How many replicas there were when the policy's period began."""
        return current - sum(one.by for one in self.changes if one.at_s > self.now_s - policy.period_s)


def _limited(wanted: int, current: int, limits: Limits, behaviour: Behaviour, past: _Past) -> tuple[int, str]:
    """The number after rates and limits, and Kubernetes' word for what cut it."""
    if not behaviour.given:
        most, word = _least(limits.most, "TooManyReplicas", max(2 * current, BURST), "ScaleUpLimit")
        if wanted < limits.least:
            return limits.least, "TooFewReplicas"
        return (most, word) if wanted > most else (wanted, "")
    if wanted > current:
        rate = max(current, _up_limit(current, behaviour.up, past))
        most, word = _least(limits.most, "TooManyReplicas", rate, "ScaleUpLimit")
        return (most, word) if wanted > most else (wanted, "")
    if wanted < current:
        rate = min(current, _down_limit(current, behaviour.down, past))
        least, word = (rate, "ScaleDownLimit") if rate > limits.least else (limits.least, "TooFewReplicas")
        return (least, word) if wanted < least else (wanted, "")
    return wanted, ""


def _least(limit: int, limit_word: str, rate: int, rate_word: str) -> tuple[int, str]:
    return (rate, rate_word) if limit > rate else (limit, limit_word)


def _up_limit(current: int, rules: Rules, past: _Past) -> int:
    """The most replicas that the rates of a scale-up allow now; percentages are rounded up."""
    if rules.select == "Disabled":
        return current
    starts = [(policy, past.before(current, policy)) for policy in rules.policies]
    found = [
        start + policy.value if policy.kind == "Pods" else math.ceil(start * (1 + policy.value / 100))
        for policy, start in starts
    ]
    return min(found) if rules.select == "Min" else max(found)


def _down_limit(current: int, rules: Rules, past: _Past) -> int:
    """The fewest replicas that the rates of a scale-down allow now; percentages are cut to whole pods."""
    if rules.select == "Disabled":
        return current
    starts = [(policy, past.before(current, policy)) for policy in rules.policies]
    found = [
        start - policy.value if policy.kind == "Pods" else int(start * (1 - policy.value / 100))
        for policy, start in starts
    ]
    return max(found) if rules.select == "Min" else min(found)


def down_steps(rules: Rules, peak: int, bottom: int) -> int | None:
    """In how many steps, a period apart, the rates let it fall from one number to another; None if they never do."""
    steps, current = 0, peak
    while current > bottom:
        least = _down_limit(current, rules, _Past((), 0.0))
        if least >= current:
            return None
        current, steps = least, steps + 1
    return steps


def up_wait_s(behaviour: Behaviour, current: int, changes: Iterable[Change], now_s: float) -> float | None:
    """How long the rates of a scale-up hold any rise back, for changes that were made before; None: for ever."""
    if not behaviour.given:
        return 0.0
    known = _remembered(changes, behaviour)
    ends_s = {one.at_s + policy.period_s for one in known for policy in behaviour.up.policies}
    for at_s in sorted({now_s, *(end_s for end_s in ends_s if end_s > now_s)}):
        if _up_limit(current, behaviour.up, _Past(known, at_s)) > current:
            return at_s - now_s
    return None
