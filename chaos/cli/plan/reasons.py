"""Why a drain does not simply finish: from its outcome, the pods and the disruption budgets to reasons in words."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from chaos.cli.plan.index import Budget, ClusterIndex, Pod
from chaos.cli.plan.results import Answer, Code, Reason
from chaos.cli.plan.scheduling import Homeless
from chaos.cli.plan.simulation import Outcome
from chaos.semantics import BudgetState, Decision
from chaos.semantics.kubectl_drain import Sorted

__all__ = [
    "awaited",
    "by_order",
    "delays",
    "filters",
    "finalizers",
    "lost_nodes",
    "merged",
    "stuck",
    "uncounted",
]

JOB_TRACKING = "batch.kubernetes.io/job-tracking"
"""A finalizer that Kubernetes' own Job controller removes by itself."""

FILTER_WORDS = {
    "daemon-set": "pods of DaemonSets",
    "empty-dir": "pods with an emptyDir, which would be lost",
    "no-controller": "pods that no controller would replace",
}


def filters(refused: Sequence[Sorted]) -> Iterator[Reason]:
    """Why kubectl refuses to begin, by filter."""
    by: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in refused:
        by[one.by, one.flag].append(f"{one.pod.namespace}/{one.pod.name}")
    for (name, flag), pods in by.items():
        words = f"kubectl refuses {FILTER_WORDS[name]} without {flag}: {_named(pods)}"
        yield Reason(Answer.REFUSED, "kubectl-filter", words, tuple(pods))


def lost_nodes(cluster: ClusterIndex, nodes: Sequence[str], evict: Sequence[Pod]) -> Iterator[Reason]:
    """Nodes whose kubelet is silent: evictions are granted, and the pods stay."""
    for name in nodes:
        pods = tuple(pod.key for pod in evict if pod.node == name)
        if pods and not cluster.nodes[name].ready:
            words = f"the kubelet of {name} does not answer: evicted pods stay until it is back"
            yield Reason(Answer.DEADLOCKS, "node-lost", words, pods)


def finalizers(evict: Sequence[Pod]) -> Iterator[Reason]:
    """Pods that somebody holds."""
    for pod in evict:
        held = [one for one in pod.view.metadata.get("finalizers") or () if one != JOB_TRACKING]
        if held:
            words = f"{pod.key} stays until somebody removes its finalizer {', '.join(held)}"
            yield Reason(Answer.WAITS, "finalizer", words, (pod.key,))


def uncounted(cluster: ClusterIndex, evict: Sequence[Pod]) -> Iterator[Reason]:
    """Disruption budgets of which nobody can tell what they permit."""
    for key in dict.fromkeys(key for pod in evict for key in pod.budgets):
        if cluster.budgets[key].unknown:
            yield _unknown(cluster.budgets[key], tuple(pod.key for pod in evict if key in pod.budgets))


def _unknown(budget: Budget, pods: tuple[str, ...]) -> Reason:
    return Reason(Answer.CANNOT_TELL, "budget-unknown", f"{budget.key}: {budget.unknown}", pods)


def delays(cluster: ClusterIndex, evict: Sequence[Pod], outcome: Outcome) -> Iterator[Reason]:
    """Disruption budgets that let go fewer at a time than are to go."""
    for key in outcome.delayed:
        budget, pods = cluster.budgets[key], [pod.key for pod in evict if key in pod.budgets]
        if budget.state.allowed:
            words = f"{key} ({budget.view.bound}) lets {budget.state.allowed} of {len(pods)} pods here go at a time"
        else:
            words = f"{key} ({budget.view.bound}) lets no pod go until more are Ready"
        yield Reason(Answer.WAITS, "one-after-another", words, tuple(pods))


def awaited(starting: Sequence[Pod], marked: Sequence[Pod]) -> Iterator[Reason]:
    """Pods that are still within the time that they have to become Ready, or that are being evicted."""
    if starting:
        keys = tuple(pod.key for pod in starting)
        words = f"not Ready yet, and still within the time that their probes allow: {_named(keys)}"
        yield Reason(Answer.WAITS, "starting", words, keys)
    if marked:
        keys = tuple(pod.key for pod in marked)
        words = f"eviction was granted within the last two minutes: {_named(keys)}"
        yield Reason(Answer.WAITS, "being-evicted", words, keys)


def by_order(homeless: Sequence[Pod]) -> Reason:
    """Pods whose replacements have no place, so that nothing after them may go."""
    keys = tuple(pod.key for pod in homeless)
    words = f"it finishes only if these go last, as no place is found for their replacements: {_named(keys)}"
    return Reason(Answer.CANNOT_TELL, "order", words, keys)


def stuck(cluster: ClusterIndex, outcome: Outcome, pod: Pod, decision: Decision, *, curable: bool) -> Reason:
    """Why a pod can never go; `curable`: it could, were all pods Ready."""
    if decision.cause == "several-budgets":
        return Reason(Answer.DEADLOCKS, "two-budgets", decision.words, (pod.key,))
    (budget,) = (cluster.budgets[key] for key in pod.budgets)
    if budget.unknown:
        return _unknown(budget, (pod.key,))
    state, bound = outcome.budgets[budget.key], f"{budget.key} ({budget.view.bound})"
    if state.failed:
        words = f"{bound} permits none: its controller cannot count it, as {state.failed}"
        return Reason(Answer.DEADLOCKS, "not-countable", words, (pod.key,))
    if not state.expects:
        words = f"{bound} permits none: by its controller's count it has no pods to expect"
        return Reason(Answer.DEADLOCKS, "expects-none", words, (pod.key,))
    if state.desired >= budget.wanted:
        words = (
            f"{bound} wants {state.desired} healthy of the {budget.wanted} pods there are to be: it never lets any go"
        )
        return Reason(Answer.DEADLOCKS, "all-must-stay", words, (pod.key,))
    return _short(outcome, pod, budget, state, curable=curable)


def _short(outcome: Outcome, pod: Pod, budget: Budget, state: BudgetState, *, curable: bool) -> Reason:
    """Why a disruption budget that could permit some permits none: replacements without a place, pods not Ready."""
    wants = f"{budget.key} wants {state.desired} healthy and has {state.healthy}"
    homeless = [(one, found) for one, found in outcome.homeless if budget.key in one.budgets]
    if homeless:
        answer, code = _of_homeless([found for _, found in homeless])
        one, found = max(homeless, key=lambda pair: pair[1].sure)
        return Reason(answer, code, f"{wants}; the replacement of {one.key}: {found.words}", (pod.key,))
    if budget.unready and curable:
        names = _named([one.key for one in budget.unready])
        words = f"{wants}; not Ready for longer than their probes allow: {names}"
        if not pod.view.ready_condition:
            words += "; a pod that is not Ready may only go while enough others are, unless the policy is AlwaysAllow"
        return Reason(Answer.DEADLOCKS, "unready", words, (pod.key,))
    there = sum(not one.view.deleting and not one.view.finished for one in budget.pods)
    if there < budget.wanted:
        words = f"{wants}; only {there} of {budget.wanted} pods exist, and why cannot be seen"
        return Reason(Answer.CANNOT_TELL, "pods-missing", words, (pod.key,))
    return Reason(Answer.DEADLOCKS, "spent", wants, (pod.key,))


def _of_homeless(found: Sequence[Homeless]) -> tuple[Answer, Code]:
    sure = [one for one in found if one.sure]
    if not sure:
        return Answer.CANNOT_TELL, "room-unknown"
    return Answer.DEADLOCKS, "volume-bound" if any(one.volume for one in sure) else "no-room"


def merged(reasons: Sequence[Reason]) -> list[Reason]:
    """Reasons that read the same, given once for all their pods."""
    pods: dict[Reason, dict[str, None]] = defaultdict(dict)
    for reason in reasons:
        pods[Reason(reason.answer, reason.code, reason.words)].update(dict.fromkeys(reason.pods))
    return [Reason(one.answer, one.code, one.words, tuple(found)) for one, found in pods.items()]


def _named(keys: Collection[str]) -> str:
    """A few names, and how many more there are."""
    names = list(keys)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
