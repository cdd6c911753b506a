"""What the cluster did besides its pods: disruption budgets with evictions, nodes, autoscalers."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from chaos.checks.budgets.evictions import EVICT, is_dry_run, refused_by_budget
from chaos.checks.budgets.records import EVICTED
from chaos.history import Action, History
from chaos.history.facts.autoscaler import AutoscalerView
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.objects.base import Raw, View
from chaos.objects.kinds import NodeView, PodDisruptionBudgetView
from chaos.objects.pod import PodView
from reports.build.coverage import missing_of
from reports.build.step_series import States, line, slot_of, states_of
from reports.model.parts import (
    AutoscalerSeries,
    BudgetSeries,
    EvictionMark,
    Lanes,
    Missing,
    Moment,
    NodeLane,
    NodeSpan,
    StepLine,
)

__all__ = ["autoscaler_series", "budget_series", "nodes"]

BUDGET = "PodDisruptionBudget"
UNCOUNTED = "its controller has not counted by these bounds yet"


def budget_series(history: History) -> tuple[BudgetSeries, ...]:
    """One series a disruption budget, those with evictions first; then the evictions that no budget binds."""
    missing = missing_of(history, BUDGET)
    pods = _evicted_pods(history)
    marks = sorted(_evictions(history, pods), key=lambda pair: pair[1].at_ns)
    budgets = states_of(history, BUDGET, PodDisruptionBudgetView)
    unbound = dict.fromkeys(range(len(marks)))
    series = []
    for uid, states in budgets.items():
        mine = [k for k, (pod_uid, mark) in enumerate(marks) if _binds(states, pods.get(pod_uid), mark.at_ns)]
        for k in mine:
            unbound.pop(k, None)
        series.append(_budget(history, uid, states, [marks[k][1] for k in mine], missing))
    series.sort(key=lambda budget: -len(budget.evictions))
    if unbound:
        nothing = StepLine((), history.ended_ns, history.ended_ns, ())
        series.append(BudgetSeries("", "", (), nothing, nothing, nothing, tuple(marks[k][1] for k in unbound)))
    return tuple(series)


def _budget(
    history: History,
    uid: str,
    states: States[PodDisruptionBudgetView],
    marks: Sequence[EvictionMark],
    missing: tuple[Missing, ...],
) -> BudgetSeries:
    def of(name: str) -> StepLine:
        def read(view: PodDisruptionBudgetView) -> int | None:
            return getattr(view, name) if view.up_to_date else None

        return line(history, states, read, missing=missing, unknown=UNCOUNTED)

    bounds: list[Moment] = []
    for at_ns, view in states:
        text = "deleted" if view is None else view.bound
        if not bounds or bounds[-1].text != text:
            bounds.append(Moment(at_ns, text))
    name = next(view.name for _, view in states if view is not None)
    return BudgetSeries(uid, name, tuple(bounds), of("allowed"), of("healthy"), of("desired"), tuple(marks))


def _evicted_pods(history: History) -> Mapping[str, list[tuple[int, PodView]]]:
    """The states of every pod whose eviction was requested, or that was evicted, by UID."""
    requested = {action.target.uid for action in history.actions if action.name == EVICT}
    found: dict[str, list[tuple[int, PodView]]] = {}
    for event in history.watch:
        if event.kind == "Pod":
            pod = PodView(event.object)
            if pod.uid in requested or pod.disruption == EVICTED:
                found.setdefault(pod.uid, []).append((event.at_ns, pod))
    return found


def _evictions(history: History, pods: Mapping[str, list[tuple[int, PodView]]]) -> Iterator[tuple[str, EvictionMark]]:
    """Every eviction with its pod's UID: ours from the action log, others from the condition on an evicted replica."""
    ours = {action.target.uid for action in history.actions if action.name == EVICT and action.outcome != "fail"}
    for action in history.actions:
        if action.name == EVICT and not is_dry_run(action):
            at_ns = action.begin_ns if action.end_ns is None else action.end_ns
            answer, words = _eviction_answer(action)
            yield action.target.uid, EvictionMark(at_ns, action.target.name, answer, words, action.fault or "")
    replicas = {life.uid for life in pod_lives(history)}
    for uid, states in pods.items():
        seen = next(((at_ns, pod) for at_ns, pod in states if pod.disruption == EVICTED), None)
        if seen and uid in replicas and uid not in ours and seen[0] >= history.began_ns:
            yield uid, EvictionMark(seen[0], seen[1].name, "accepted", "requested by another client", "")


def _eviction_answer(action: Action) -> tuple[str, str]:
    reason = str(action.detail.get("reason", ""))
    if action.outcome == "ok":
        return "accepted", ""
    if action.outcome == "info":
        return "not known", reason or "no answer came"
    return ("refused" if refused_by_budget(action) else "failed"), reason


def _binds(states: States[PodDisruptionBudgetView], seen: Sequence[tuple[int, PodView]] | None, at_ns: int) -> bool:
    """Whether the budget bound the pod at that moment; False for a pod that the watch never saw."""
    budget = [view for when_ns, view in states if when_ns <= at_ns][-1:]
    pods = [pod for when_ns, pod in seen or () if when_ns <= at_ns][-1:] or [pod for _, pod in (seen or ())[:1]]
    return bool(pods) and bool(budget) and budget[0] is not None and budget[0].selects(pods[0])


NODES_DRAWN = 24
"""Most nodes of a chart; those on which something changed come first, then those that held replicas."""
CORDON = "node.kubernetes.io/unschedulable"
"""The taint that goes with a cordon, which is shown as such."""
WORSE = {"ready": 0, "unknown": 1, "not ready": 2}
"""Which Ready state is drawn for a slot that saw more than one."""
READY = {"True": "ready", "False": "not ready"}


def nodes(history: History, lives: Sequence[PodLife]) -> Lanes[NodeLane]:
    """The lanes that are drawn, by name."""
    held = Counter(life.node for life in lives if life.node)
    lanes = [_node_lane(history, states, held) for states in states_of(history, "Node", NodeView).values()]
    drawn = sorted(lanes, key=lambda lane: (not _eventful(lane), not lane.replicas, lane.name))[:NODES_DRAWN]
    slot_ns = slot_of(sum(len(lane.spans) for lane in drawn), history.began_ns, history.ended_ns)
    if slot_ns:
        drawn = [replace(lane, spans=_worst_node_spans(lane.spans, history.began_ns, slot_ns)) for lane in drawn]
    shown = tuple(sorted(drawn, key=lambda lane: lane.name))
    return Lanes(len(lanes), shown, missing_of(history, "Node"), slot_ns)


def _worst_node_spans(spans: Sequence[NodeSpan], zero_ns: int, slot_ns: int) -> tuple[NodeSpan, ...]:
    """The worst that each slot of time saw, as spans: the least Ready, cordoned if ever, every taint."""
    slots: dict[int, NodeSpan] = {}
    for span in spans:
        for slot in range((span.begin_ns - zero_ns) // slot_ns, (span.end_ns - 1 - zero_ns) // slot_ns + 1):
            left_ns, right_ns = zero_ns + slot * slot_ns, zero_ns + (slot + 1) * slot_ns
            here = replace(span, begin_ns=max(left_ns, spans[0].begin_ns), end_ns=min(right_ns, spans[-1].end_ns))
            seen = slots.get(slot)
            if seen is not None:
                ready = max(seen.ready, span.ready, key=WORSE.__getitem__)
                taints = tuple(dict.fromkeys((*seen.taints, *span.taints)))
                here = replace(here, ready=ready, cordoned=seen.cordoned or span.cordoned, taints=taints)
            slots[slot] = here
    return tuple(_merged_spans(slots[slot] for slot in sorted(slots)))


def _eventful(lane: NodeLane) -> bool:
    first = lane.spans[0] if lane.spans else None
    return first is None or len(lane.spans) > 1 or first.ready != "ready" or first.cordoned


def _node_lane(history: History, states: States[NodeView], held: Counter[str]) -> NodeLane:
    name = next(view.name for _, view in states if view is not None)
    return NodeLane(name, tuple(_merged_spans(_node_spans(history, states))), held[name])


def _node_spans(history: History, states: States[NodeView]) -> Iterator[NodeSpan]:
    for k, (at_ns, view) in enumerate(states):
        until_ns = states[k + 1][0] if k + 1 < len(states) else history.ended_ns
        if view is None or until_ns <= at_ns:
            continue
        ready = READY.get(view.ready_status, "unknown")
        yield NodeSpan(ready, view.unschedulable, tuple(_taints(view)), max(at_ns, history.began_ns), until_ns)


def _taints(view: NodeView) -> Iterator[str]:
    for taint in view.taints:
        if taint.get("key") != CORDON:
            value = f"={taint['value']}" if taint.get("value") else ""
            yield f"{taint.get('key', '')}{value}:{taint.get('effect', '')}"


def _merged_spans(spans: Iterable[NodeSpan]) -> list[NodeSpan]:
    """Join neighbouring spans of the same state: heartbeats change nothing that is drawn."""
    merged: list[NodeSpan] = []
    for span in spans:
        last = merged[-1] if merged else None
        if (
            last is not None
            and last.end_ns == span.begin_ns
            and replace(span, begin_ns=last.begin_ns) == replace(last, end_ns=span.end_ns)
        ):
            merged[-1] = replace(last, end_ns=span.end_ns)
        else:
            merged.append(span)
    return merged


AUTOSCALER = "HorizontalPodAutoscaler"
NOT_LOOKED = "its controller has not reported yet"
NOT_MEASURED = "the autoscaler has no measurement"


def autoscaler_series(history: History) -> tuple[AutoscalerSeries, ...]:
    """One series for each autoscaler of the workload under test, in the order in which they were seen."""
    facts = history.facts
    series = []
    for states in states_of(history, AUTOSCALER, View).values():
        last = next(view for _, view in reversed(states) if view is not None)
        if AutoscalerView(last.raw).target == (facts.workload_kind, facts.workload_name):
            series.append(_autoscaler(history, last.name, states))
    return tuple(series)


def _autoscaler(history: History, name: str, states: States[View]) -> AutoscalerSeries:
    missing = missing_of(history, AUTOSCALER)
    last = next(view for _, view in reversed(states) if view is not None)
    metric, measure = next((name for name, _ in _targets(last)), ""), "the pods' requests"
    read: tuple[Callable[[View], int | None], Callable[[View], int | None]] = (
        lambda view: _measured(view, metric),
        lambda view: dict(_targets(view)).get(metric),
    )
    if not metric and (other := next((one for one in AutoscalerView(last.raw).metrics if one.kind), None)):
        metric, measure = other.name, f"its target of {other.shown(other.kind)}" if other.kind else ""
        read = (lambda view: _of_target(view, other.key), lambda _: 100)

    def of(read: Callable[[View], int | None], unknown: str = NOT_LOOKED) -> StepLine:
        return line(history, states, read, missing=missing, unknown=unknown)

    return AutoscalerSeries(
        name=name,
        desired=of(lambda view: _counted(view, "desiredReplicas")),
        actual=of(lambda view: _counted(view, "currentReplicas")),
        least=of(lambda view: int(view.spec.get("minReplicas", 1))),
        most=of(lambda view: int(view.spec.get("maxReplicas", 1))),
        metric=metric,
        measured=of(read[0], NOT_MEASURED),
        target=of(read[1]),
        measure=measure,
    )


def _counted(view: View, name: str) -> int | None:
    """A count of the status; None before the controller has set any condition, when its zeros mean nothing."""
    return int(view.status.get(name, 0)) if view.status.get("conditions") else None


def _targets(view: View) -> Iterator[tuple[str, int]]:
    """The metrics that are measured in percent of the request, with their targets."""
    for metric in view.spec.get("metrics") or ():
        name, part = _resource(metric)
        target = (part.get("target") or {}).get("averageUtilization")
        if target is not None:
            yield name, int(target)


def _measured(view: View, metric: str) -> int | None:
    """The last measurement in percent; None where the autoscaler reports that it has none."""
    if view.condition("ScalingActive").get("status") == "False":
        return None
    for one in view.status.get("currentMetrics") or ():
        name, part = _resource(one or {})
        value = (part.get("current") or {}).get("averageUtilization")
        if name == metric and value is not None:
            return int(value)
    return None


def _of_target(view: View, key: str) -> int | None:
    """The last measurement of a metric in percent of its target; None where the autoscaler reports that it has none."""
    scaler = AutoscalerView(view.raw)
    for metric, seen in () if scaler.inactive else scaler.readings:
        target = metric.amount(metric.kind) if metric.kind else None
        shown = seen.amount(metric.kind) if metric.kind else None
        if metric.key == key and target and shown is not None:
            return shown * 100 // target
    return None


def _resource(metric: Raw) -> tuple[str, Raw]:
    """The name and the body of a metric about a resource, of pods or of one of their containers."""
    part = metric.get("resource") or metric.get("containerResource") or {}
    return str(part.get("name", "")), part
