"""Whatever an autoscaler does by Kubernetes' rules, however its syncs fall, every decision is computed again."""

from __future__ import annotations

from dataclasses import dataclass, field

from autoscaler_stories import LAB_TIMES, Scaling, hpa
from histories import at
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.checks import DecisionsRecomputed
from chaos.checks.verdict import Answer
from chaos.clock import NS
from chaos.history import MetricsSample, PodUsage
from chaos.semantics.hpa.pod_groups import PodSample, ReplicaState, group_pods
from chaos.semantics.hpa.replica_calculator import Target, Tolerance, metric_replicas
from chaos.semantics.hpa.stabilization import Behaviour, Change, Limits, Recommendation, scaled

UNTIL_S = 240
STARTS_S = 4.0
METRICS_S = 10


@dataclass
class Controller:
    """Kubernetes' rules with a memory, over pods that come up in four seconds; it tells a story as it goes."""

    loads: list[int]
    window_s: int
    delay_s: float
    story: Scaling
    made: dict[str, float] = field(default_factory=lambda: {"a": -100.0, "b": -100.0})
    past: list[Recommendation] = field(default_factory=lambda: [Recommendation(0.0, 2)])
    changes: list[Change] = field(default_factory=list)
    count: int = 0

    def measured(self, at_s: float) -> dict[str, PodSample]:
        """What the metrics API says at a moment: pods that had been up for ten seconds share the load."""
        stamp_s = at_s // METRICS_S * METRICS_S
        up = [uid for uid, made_s in self.made.items() if stamp_s >= made_s + STARTS_S + METRICS_S]
        share = self.loads[int(stamp_s) // METRICS_S] // max(1, len(up))
        return {uid: PodSample(min(200, share), stamp_s - 1, METRICS_S) for uid in up}

    def sync(self, at_s: float) -> None:
        """Look, decide, and let word of it come a moment later."""
        pods = [self.state(uid, made_s, at_s) for uid, made_s in self.made.items()]
        usage = self.measured(at_s)
        groups = group_pods(pods, usage, cpu=True, now_s=at_s, cpu_initialization_s=10, initial_readiness_s=5)
        behaviour = Behaviour.of({"behavior": {"scaleDown": {"stabilizationWindowSeconds": self.window_s}}})
        current = len(self.made)
        found = metric_replicas(pods, usage, groups, Target("Utilization", 60), current=current, tolerance=Tolerance())
        result = scaled(
            found,
            current=current,
            limits=Limits(2, 8),
            behaviour=behaviour,
            now_s=at_s,
            recommendations=self.past,
            changes=self.changes,
        )
        if found.replicas is not None:
            self.past.append(Recommendation(at_s, found.replicas))
        if result is not None and result.replicas != current:
            self.rescale(at_s, result.replicas)

    def state(self, uid: str, made_s: float, at_s: float) -> ReplicaState:
        """A pod as the calculator reads it; moments are whole seconds, as Kubernetes' are."""
        ready = at_s >= made_s + STARTS_S
        phase = "Running" if at_s >= made_s + 1 else "Pending"
        turned_s = float(int(made_s + STARTS_S if ready else made_s))
        return ReplicaState(uid, phase, ready=ready, ready_since_s=turned_s, started_s=float(int(made_s)), request=200)

    def rescale(self, at_s: float, desired: int) -> None:
        """Make or take pods, and tell it."""
        self.changes.append(Change(at_s, desired - len(self.made)))
        self.story.rescaled(at_s + self.delay_s, desired, window_s=self.window_s)
        while len(self.made) < desired:
            self.count += 1
            uid = f"n{self.count}"
            self.made[uid] = at_s
            self.story.made(uid, at_s + 0.01, at_s + STARTS_S)
        for uid in [*self.made][desired:]:
            del self.made[uid]
            self.story.ends(at_s + 0.01, uid)


CALM = 7
"""So many values of the metrics are calm at first: the longest window lies within the record."""

ANY = UNTIL_S // METRICS_S - CALM
loads = st.lists(st.integers(0, 2000), min_size=ANY, max_size=ANY).map(lambda some: [200] * CALM + some)


@settings(max_examples=50)
@given(loads, st.sampled_from([0, 15, 30, 60]), st.floats(0.1, 4.9), st.floats(0, 1.0))
def test_every_decision_of_a_true_autoscaler_is_reached(
    loads: list[int], window_s: int, phase_s: float, delay_s: float
) -> None:
    """For any load, window, phase of the syncs and delay of the watch, nothing that was decided is out of reach."""
    story = Scaling(UNTIL_S).stands("a", "b", scaler=hpa(2, window_s=window_s)).loaded(1, 0, UNTIL_S - 5)
    controller = Controller(loads, window_s, delay_s, story)
    syncs = [phase_s + LAB_TIMES["hpa_sync_s"] * number for number in range((UNTIL_S - 10) // 5)]
    asked = list(range(UNTIL_S))
    for at_s in sorted([*syncs, *(second + 0.01 for second in asked)]):
        if at_s in syncs:
            controller.sync(at_s)
        else:
            sampled(story, at_s, controller.measured(at_s))
    finding = DecisionsRecomputed()(story.history())
    assert finding.answer is (Answer.PASS if controller.changes else Answer.UNKNOWN), finding.line()


def sampled(story: Scaling, at_s: float, usage: dict[str, PodSample]) -> None:
    """One answer of the metrics API, recorded."""
    pods = {
        f"model-{uid}": PodUsage(at(one.at_s) / NS, one.window_s, {"m": {"cpu": one.usage}})
        for uid, one in usage.items()
    }
    story.has(metrics=(*story.parts.get("metrics", ()), MetricsSample(at(at_s + 0.005), at(at_s), pods)))
