"""A horizontal autoscaler simulated look by look, by Kubernetes' rules written anew, over metrics of every kind.

It shares no code with `chaos.semantics.hpa`: amounts are fractions, windows are lists, and the rules are written from
the documentation ("Horizontal Pod Autoscaling", algorithm details) and the order of `reconcileAutoscaler`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from autoscaler_stories import ASKING, LAB_TIMES, Scaling, aged, hpa
from histories import T0, at, deployment, facts, pod

from chaos.clock import NS
from chaos.history import MetricsSample, MetricValues, PodUsage
from chaos.history.facts.autoscaler import KIND, MetricView

FLAGS = {**LAB_TIMES, "hpa_downscale_stabilization_s": 30, "hpa_tolerance": 0.1}
"""The controller's, all of them recorded."""

SYNC_S = FLAGS["hpa_sync_s"]
CUSTOM = ("Pods", "Object", "External")
STARTS_S = 4
CPU_REQUEST = 200
BORN_S = -100.0


def quantity(thousandths: int) -> str:
    """As Kubernetes writes it."""
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


@dataclass(frozen=True)
class Metric:
    """One metric: its type, the kind of its target, and the target (percent, or thousandths)."""

    type: str
    kind: str
    target: int
    name: str = "queue"

    @property
    def spec(self) -> dict[str, Any]:
        """As in spec.metrics."""
        fields = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}
        value: Any = self.target if self.kind == "Utilization" else quantity(self.target)
        target = {"type": self.kind, fields[self.kind]: value}
        return {"type": self.type, self.key: {**self.source, "target": target}}

    @property
    def key(self) -> str:
        """The field that has its source."""
        return self.type[:1].lower() + self.type[1:]

    @property
    def source(self) -> dict[str, Any]:
        """What it is about."""
        if self.type == "Resource":
            return {"name": "cpu"}
        if self.type == "ContainerResource":
            return {"name": "cpu", "container": "m"}
        described = {"describedObject": {"apiVersion": "v1", "kind": "Service", "name": "model"}}
        return {"metric": {"name": self.name}, **(described if self.type == "Object" else {})}

    def shown(self, value: int) -> dict[str, Any]:
        """As in status.currentMetrics."""
        fields = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}
        told: Any = value if self.kind == "Utilization" else quantity(value)
        return {"type": self.type, self.key: {**self.source, "current": {fields[self.kind]: told}}}


@dataclass
class Simulated:
    """One autoscaler and its pods, telling a story. `load` is the whole amount of each metric at a moment.

    `broken` says when a metric that is not metrics-server's cannot be read, by anybody. `lie` changes what is set, for
    a controller that is wrong.
    """

    metrics: list[Metric]
    behaviour: dict[str, Any] | None
    load: Callable[[Metric, float], int]
    delay_s: float
    story: Scaling
    limits: tuple[int, int] = (2, 8)
    broken: Callable[[Metric, float], bool] = lambda _metric, _at_s: False
    lie: Callable[[int, int], int] = lambda _now, wanted: wanted
    made: dict[str, float] = field(default_factory=lambda: {"a": BORN_S, "b": BORN_S})
    asked: list[tuple[float, int]] = field(default_factory=list)
    rescales: list[tuple[float, int]] = field(default_factory=list)
    count: int = 0
    lies: int = 0

    def spec(self, desired: int, shown: list[dict[str, Any]], scaled_s: float | None) -> dict[str, Any]:
        """The raw autoscaler after a look."""
        raw = hpa(desired, limits=self.limits)
        raw["spec"]["metrics"] = [one.spec for one in self.metrics]
        raw["spec"].pop("behavior")
        if self.behaviour is not None:
            raw["spec"]["behavior"] = self.behaviour
        raw["status"]["currentMetrics"] = shown
        raw["status"]["conditions"] = [{"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"}]
        if scaled_s is not None:
            raw["status"]["lastScaleTime"] = f"at {scaled_s:.3f}"
        return raw

    def workload(self, desired: int) -> dict[str, Any]:
        """The workload, whose controller has counted the pods that there are."""
        return {**deployment(desired, spec=ASKING), "status": {"replicas": desired}}

    def begin(self) -> None:
        """What the watch lists at first."""
        self.story.stands("a", "b", scaler=self.spec(2, [], None))
        self.story.has(facts=facts(raw={"system": {"selector": {"app": "model"}}, "timings": FLAGS}))
        self.story.saw(0, "MODIFIED", self.workload(2), "Deployment")
        self.asked.append((0.0, 2))

    def usage(self, at_s: float) -> dict[str, tuple[int, float]]:
        """CPU of each pod that the metrics API knows, in thousandths, and its stamp: fresh each ten seconds."""
        stamp_s = at_s // 10 * 10
        up = [uid for uid, made_s in self.made.items() if stamp_s >= made_s + STARTS_S + 10]
        share = self.load(Metric("Resource", "Utilization", 60), stamp_s) // max(1, len(up))
        return {uid: (min(400, share), stamp_s - 1) for uid in up}

    def of_pods(self, metric: Metric, at_s: float) -> dict[str, int]:
        """A value of each pod that runs."""
        up = [uid for uid, made_s in self.made.items() if at_s >= made_s + STARTS_S]
        return {uid: self.load(metric, at_s) // len(up) for uid in up}

    def ready(self, at_s: float) -> int:
        """How many are Ready."""
        return sum(at_s >= made_s + STARTS_S for made_s in self.made.values())

    def sampled(self, at_s: float) -> None:
        """What the metrics APIs tell us at a moment."""
        if any(one.type.endswith("Resource") for one in self.metrics):
            pods = {
                f"model-{uid}": PodUsage(at(stamp_s) / NS, 10.0, {"m": {"cpu": used}})
                for uid, (used, stamp_s) in self.usage(at_s).items()
            }
            sample = MetricsSample(at(at_s + 0.005), at(at_s), pods)
            self.story.has(metrics=(*self.story.parts.get("metrics", ()), sample))
        values = []
        for metric in self.metrics:
            if metric.type in CUSTOM and self.broken(metric, at_s):
                key = MetricView(metric.spec).key
                values.append(MetricValues(at(at_s + 0.005), at(at_s), key, error="503 unable to handle the request"))
            elif metric.type == "Pods":
                of = tuple((f"model-{uid}", value) for uid, value in self.of_pods(metric, at_s).items())
                values.append(MetricValues(at(at_s + 0.005), at(at_s), MetricView(metric.spec).key, of))
            elif metric.type in ("Object", "External"):
                of = (("", self.load(metric, at_s)),)
                values.append(MetricValues(at(at_s + 0.005), at(at_s), MetricView(metric.spec).key, of))
        self.story.has(metric_values=(*self.story.parts.get("metric_values", ()), *values))

    def look(self, at_s: float) -> None:
        """One look: what each metric asks for, the highest of it, the windows, the rates; then what is told of it."""
        now = len(self.made)
        wishes, shown = zip(*(self.wish(metric, now, at_s) for metric in self.metrics), strict=True)
        known = [one for one in wishes if one is not None]
        if not known or (len(known) < len(wishes) and max(known) < now):
            self.tell_blind(at_s, now)
            return
        wish = max(known)
        wanted = self.lie(now, honest := self.limited(self.steadied(wish, now, at_s), now, at_s))
        self.asked.append((at_s, wish))
        self.lies += wanted != honest
        scaled_s = at_s if wanted != now else next((s for s, _ in reversed(self.rescales)), None)
        raw = self.spec(wanted, [one or {"type": ""} for one in shown], scaled_s)
        raw["status"]["currentReplicas"] = now
        if wanted != now:
            self.rescale(at_s, now, wanted)
        self.story.saw(at_s + self.delay_s + 0.05, "MODIFIED", raw, KIND)

    def tell_blind(self, at_s: float, now: int) -> None:
        """A look that has no metrics, or not all and the others ask for fewer, changes nothing and says so."""
        raw = self.spec(now, [], next((s for s, _ in reversed(self.rescales)), None))
        failed = {"type": "ScalingActive", "status": "False", "reason": "FailedGetExternalMetric", "message": "no"}
        raw["status"]["conditions"].append(failed)
        self.story.saw(at_s + self.delay_s + 0.05, "MODIFIED", raw, KIND)

    def wish(self, metric: Metric, now: int, at_s: float) -> tuple[int | None, dict[str, Any] | None]:
        """How many one metric asks for, and what is shown of it."""
        if metric.type in CUSTOM and self.broken(metric, at_s):
            return None, None
        if metric.type in ("Object", "External"):
            return self._of_whole(metric, now, at_s)
        if metric.type == "Pods":
            values = self.of_pods(metric, at_s)
            missing = [uid for uid, made_s in self.made.items() if uid not in values and at_s >= made_s + 1]
            idle = [uid for uid, made_s in self.made.items() if at_s < made_s + 1]
            return self._of_each(metric, values, missing, idle, now)
        usage = self.usage(at_s)
        values, missing, idle = {}, [], []
        for uid, made_s in self.made.items():
            started_s = int(made_s)
            turned_s = int(made_s + STARTS_S) if at_s >= made_s + STARTS_S else started_s
            if at_s < made_s + 1:
                idle.append(uid)
            elif uid not in usage:
                missing.append(uid)
            elif (
                started_s + LAB_TIMES["hpa_cpu_initialization_s"] > at_s
                and (at_s < made_s + STARTS_S or usage[uid][1] < turned_s + 10)
            ) or (at_s < made_s + STARTS_S and started_s + LAB_TIMES["hpa_initial_readiness_s"] > turned_s):
                idle.append(uid)
            else:
                values[uid] = usage[uid][0]
        return self._of_each(metric, values, missing, idle, now)

    def _of_whole(self, metric: Metric, now: int, at_s: float) -> tuple[int, dict[str, Any]]:
        used = self.load(metric, at_s)
        if metric.kind == "AverageValue":
            near = self.near(Fraction(used, metric.target * now))
            return now if near else -(-used // metric.target), metric.shown(-(-used // now))
        ratio = Fraction(used, metric.target)
        return now if self.near(ratio) else math.ceil(ratio * self.ready(at_s)), metric.shown(used)

    def _of_each(
        self, metric: Metric, values: dict[str, int], missing: list[str], idle: list[str], now: int
    ) -> tuple[int | None, dict[str, Any] | None]:
        if not values:
            return None, None

        def mean(of: dict[str, int]) -> int:
            if metric.kind == "Utilization":
                return sum(of.values()) * 100 // (CPU_REQUEST * len(of))
            return sum(of.values()) // len(of)

        first = mean(values)
        ratio, shown = Fraction(first, metric.target), metric.shown(first)
        if not missing and not (idle and ratio > 1):
            return (now if self.near(ratio) else math.ceil(ratio * len(values))), shown
        more = dict(values)
        if ratio > 1:
            more |= dict.fromkeys([*missing, *idle], 0)
        elif ratio < 1:
            full = CPU_REQUEST * max(100, metric.target) // 100 if metric.kind == "Utilization" else metric.target
            more |= dict.fromkeys(missing, full)
        again = Fraction(mean(more), metric.target)
        if self.near(again) or (ratio - 1) * (again - 1) < 0:
            return now, shown
        wanted = math.ceil(again * len(more))
        against = (again < 1 and wanted > now) or (again > 1 and wanted < now)
        return (now if against else wanted), shown

    def near(self, ratio: Fraction) -> bool:
        """Whether a ratio is within the tolerances."""
        up = self.rule("scaleUp", "tolerance", "0.1")
        down = self.rule("scaleDown", "tolerance", "0.1")
        return float(1 - Fraction(down)) <= float(ratio) <= float(1 + Fraction(up))

    def rule(self, way: str, name: str, default: Any) -> Any:
        """One field of the behavior."""
        given = ((self.behaviour or {}).get(way) or {}).get(name)
        return default if given is None else given

    def steadied(self, wish: int, now: int, at_s: float) -> int:
        """The wish after the windows."""
        down_s = self.rule("scaleDown", "stabilizationWindowSeconds", FLAGS["hpa_downscale_stabilization_s"])
        up_s = self.rule("scaleUp", "stabilizationWindowSeconds", 0)
        high = max([wish, *(number for when, number in self.asked if when > at_s - down_s)])
        if self.behaviour is None:
            return high
        low = min([wish, *(number for when, number in self.asked if when > at_s - up_s)])
        return low if now < low else min(now, high)

    def limited(self, wanted: int, now: int, at_s: float) -> int:
        """The number after the rates and the limits."""
        least, most = self.limits
        if self.behaviour is None:
            return max(least, min(wanted, most, max(2 * now, 4)))
        way = "scaleUp" if wanted > now else "scaleDown"
        select = self.rule(way, "selectPolicy", "Max")
        if wanted == now or select == "Disabled":
            return max(least, min(now, most))
        common = [{"type": "Percent", "value": 100, "periodSeconds": 15}]
        if wanted > now:
            common = [{"type": "Pods", "value": 4, "periodSeconds": 15}, *common]
        ends = []
        for policy in self.rule(way, "policies", common):
            recent = sum(by for when, by in self.rescales if when > at_s - policy["periodSeconds"])
            start, step = now - recent, policy["value"]
            if wanted > now:
                ends.append(start + step if policy["type"] == "Pods" else math.ceil(start * (1 + step / 100)))
            else:
                ends.append(start - step if policy["type"] == "Pods" else int(start * (1 - step / 100)))
        if wanted > now:
            edge = min(ends) if select == "Min" else max(ends)
            return min(wanted, most, max(edge, now))
        edge = max(ends) if select == "Min" else min(ends)
        return max(wanted, least, min(edge, now))

    def rescale(self, at_s: float, now: int, wanted: int) -> None:
        """Make or take pods, and tell it."""
        self.rescales.append((at_s, wanted - now))
        self.story.saw(at_s + self.delay_s, "MODIFIED", self.workload(wanted), "Deployment")
        while len(self.made) < wanted:
            self.count += 1
            uid = f"n{self.count}"
            self.made[uid] = at_s
            self.born(uid, at_s + 0.01)
        for uid in [*self.made][wanted:]:
            del self.made[uid]
            going = aged(pod(uid, ready=True, deleting=True, spec=ASKING), at_s - 60, at_s - 50)
            self.story.saw(at_s + 0.01, "MODIFIED", going).saw(at_s + 0.02, "DELETED", going)

    def born(self, uid: str, at_s: float) -> None:
        """A pod is made, runs after a second, and is Ready in the end."""
        self.story.made(uid, at_s, at_s - 0.01 + STARTS_S)


def lived(simulated: Simulated, until_s: float, phase_s: float) -> Scaling:
    """The story of a whole life: a look each sync period, a question to the metrics APIs each second."""
    simulated.begin()
    looks = {phase_s + SYNC_S * number for number in range(int((until_s - 10) // SYNC_S))}
    for at_s in sorted({*looks, *(second + 0.013 for second in range(int(until_s)))}):
        if at_s in looks:
            simulated.look(at_s)
        else:
            simulated.sampled(at_s)
    return simulated.story


assert T0 % NS == 0, "moments of pods are whole seconds"
