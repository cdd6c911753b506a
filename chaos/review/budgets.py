"""Disruption budgets: none, for nobody, for too many, and what they let go, as the disruption controller counts it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaos.objects.base import Raw
from chaos.review.manifest_set import ManifestSet
from chaos.review.model import Manifest, Workload
from chaos.review.patches import new_object, patch_of
from chaos.review.shapes import is_placeholder, pairs, quoted, share, texts
from chaos.review.violation import Violation

__all__ = ["budgets", "may_go"]

ONE = {"maxUnavailable": 1, "minAvailable": None}
"""The patch of a bound; the other bound goes, as only one may be given."""

AT_MINIMUM = " at the autoscaler's minimum"


def budgets(known: ManifestSet) -> Iterator[Violation]:
    """Every violation of a rule about disruption budgets."""
    missed: set[Workload] = set()
    unbound: dict[str, list[Workload]] = {}
    for workload in known.workloads:
        if not workload.budgets:
            unbound.setdefault(workload.manifest.namespace, []).append(workload)
    for budget, bound in known.budgets.items():
        yield from _spans(budget, bound)
        yield from _bounds(budget, bound)
        free, selector = unbound.get(budget.namespace, []), budget.spec.get("selector")
        meant = known.meant(budget, selector, free) if isinstance(selector, Mapping) and not bound else free
        if meant and not bound:
            missed.update(meant)
            yield _binds_nobody(budget, meant)
    for workload in known.workloads:
        if not workload.budgets and workload not in missed:
            yield _missing(known, workload)
        elif len(workload.budgets) > 1:
            names = ", ".join(one.name for one in workload.budgets)
            sentence = f"{len(workload.budgets)} disruption budgets bind each pod ({names}): every eviction is refused"
            yield Violation("budgets-overlap", workload.manifest, sentence)


def may_go(spec: Raw, pods: int) -> int | None:
    """How many of so many pods a budget's spec lets go at once; None where it has no bound that can be counted."""
    if "maxUnavailable" in spec:
        most = share(spec["maxUnavailable"], pods)
        return None if most is None else min(pods, most)
    least = share(spec.get("minAvailable"), pods)
    return None if least is None else max(0, pods - least)


def _missing(known: ManifestSet, workload: Workload) -> Violation:
    replicas = workload.floor
    sums: tuple[str, ...] = ()
    if replicas == 1:
        sums = ("of one replica a budget keeps none: it counts once there are two",)
    elif replicas:
        sums = (f"{replicas} of {replicas} may go at once; with maxUnavailable 1, {replicas - 1} stay",)
    spec = {"maxUnavailable": 1, "selector": workload.selector}
    taken = known.names("PodDisruptionBudget")
    patch = new_object(workload.manifest, "policy/v1", "PodDisruptionBudget", spec, taken) if workload.labels else None
    sentence = "no disruption budget: a drain may take every replica at once"
    return Violation("budget-missing", workload.manifest, sentence, sums, patch)


def _binds_nobody(budget: Manifest, unbound: Sequence[Workload]) -> Violation:
    selector = budget.spec.get("selector")
    named = ", ".join(one.label for one in unbound[:3])
    why = "without a selector" if not isinstance(selector, Mapping) else f"it selects {_selected(selector)}"
    first = unbound[0]
    sums = (f"the pods of {first.label} have {pairs(first.labels)}",)
    patch = patch_of(budget, {"selector": first.selector}) if len(unbound) == 1 else None
    sentence = f"the disruption budget {budget.name} binds no pod ({why}), and none binds those of {named}"
    return Violation("budget-binds-nobody", budget, sentence, sums, patch)


def _selected(selector: Raw) -> str:
    return pairs(texts(selector, "matchLabels")) or "by expressions"


def _spans(budget: Manifest, bound: Sequence[Workload]) -> Iterator[Violation]:
    if len(bound) > 1:
        floors = [one.floor for one in bound]
        sums = () if None in floors else (f"pods that it counts: {' + '.join(map(str, floors))}",)
        named = " and ".join(one.label for one in bound[:3])
        sentence = f"the disruption budget {budget.name} binds the pods of {named} together: it counts them as one"
        yield Violation("budget-spans-workloads", budget, sentence, sums)


def _bounds(budget: Manifest, bound: Sequence[Workload]) -> Iterator[Violation]:
    """What is wrong with its bounds; without the workloads that it binds, only what the API refuses."""
    spec = budget.spec
    given = {key: spec[key] for key in ("minAvailable", "maxUnavailable") if key in spec}
    if len(given) > 1:
        sentence = "minAvailable and maxUnavailable are both given, and only one may be: the API refuses it"
        yield Violation("budget-two-bounds", budget, sentence, (), patch_of(budget, {"minAvailable": None}))
        return
    if bound and not given:
        # `getExpectedPodCount` then expects no pod, and `updatePdbStatus` lets none go where none is expected.
        sentence = f"the disruption budget {budget.name} has no bound: it lets none go, and blocks every drain"
        yield Violation("budget-blocks-drains", budget, sentence, (), patch_of(budget, {"maxUnavailable": 1}))
    for key, value in given.items():
        if share(value, 1) is None:
            if not is_placeholder(value):
                yield _invalid(budget, key, value)
            return
        pods = _pods(bound)
        gone = may_go(spec, pods) if pods else None
        if gone == 0:
            yield _blocks(budget, bound, key, value, pods)
        elif gone is not None and gone >= pods > 1:
            sums = (f"{key} {value} of {pods}: {pods} - {gone} = 0 must stay", f"maxUnavailable 1: {pods - 1} stay")
            when = AT_MINIMUM if any(one.scalers for one in bound) else ""
            sentence = f"the disruption budget {budget.name} lets all {pods} pods{when} go at once ({key} {value})"
            yield Violation("budget-lets-all-go", budget, sentence, sums, patch_of(budget, ONE))


def _invalid(budget: Manifest, key: str, value: Any) -> Violation:
    number = quoted(value)
    patch = None if number is None else patch_of(budget, {key: number})
    what = f'"{value}" is text' if isinstance(value, str) else f"{value} is neither"
    sentence = f"{key} {what}: the API takes a whole number (1) or a percentage (50%), and refuses this"
    return Violation("budget-bound-invalid", budget, sentence, (), patch)


def _pods(bound: Sequence[Workload]) -> int:
    """The least number of pods that it binds in operation: one of a workload at zero; 0 where nobody can count."""
    floors = [one.floor for one in bound]
    return 0 if None in floors else sum(max(1, one) for one in floors if one is not None)


def _blocks(budget: Manifest, bound: Sequence[Workload], key: str, value: Any, pods: int) -> Violation:
    sums = [f"{key} {value} of {pods}: {pods} - {pods} = 0 may go"]
    if str(value).endswith("%") and key == "minAvailable":
        exact = int(str(value)[:-1]) * pods / 100
        sums = [f"{key} {value} of {pods} = {exact:g}, rounded up to {pods}: {pods} - {pods} = 0 may go"]
    if pods == 1:
        sums.append("with one replica alone to let it go is an outage: run two")
    when = AT_MINIMUM if any(one.scalers for one in bound) else ""
    where = f"{pods} {'replica' if pods == 1 else 'replicas'}{when}"
    sentence = f"the disruption budget {budget.name} lets none of {where} go: it blocks every drain"
    return Violation("budget-blocks-drains", budget, sentence, tuple(sums), patch_of(budget, ONE))
