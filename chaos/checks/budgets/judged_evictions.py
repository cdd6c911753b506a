"""What each eviction owes, answered as accepted or refused, by the disruption budgets as they were then.

Each accepted one was charged to an up-to-date budget with room, and left as many healthy as that needs. Each refused
one was due by what its budget said: the answer carries no resourceVersion, so every state of the budget that may have
been in force while the request ran is asked, and only if none of them gives this answer is it wrong.
"""

from collections.abc import Iterator

from chaos.checks.base import GAPLESS, judged, late_news, timings_of, unknown
from chaos.checks.budgets.evictions import Eviction, Evictions
from chaos.checks.budgets.records import Grant, Replay
from chaos.checks.verdict import Answer, Evidence, Obligation
from chaos.clock import NS
from chaos.history import Action, History
from chaos.history.coverage import covered, earliest_ns, gaps_in
from chaos.history.facts.revisions import DELIVERY_NS
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.objects.pod import PodView
from chaos.semantics import BudgetState, decide_eviction

__all__ = ["ALONE", "COUNTABLE", "KINDS", "accepted_owed", "blurred", "refused_owed", "stale_ms", "unready_owed"]

BUDGET = "PodDisruptionBudget"
KINDS = ("Pod", BUDGET)
COUNTABLE = "a trial that sees how many pods each controller of them wants, or a budget that nobody changes in it"
ALONE = "a disruption budget that selects the system's pods alone"
FIXED = "budgets that stay as they are"

SYNC_NS = NS
"""Kubernetes' objective for one mutating call: by then the controller has counted anew, an allowance aside."""


def accepted_owed(history: History, replay: Replay, evictions: Evictions) -> Iterator[Obligation]:
    """Each accepted eviction of a Ready pod: what speaks against it, or one obligation that it kept."""
    for one in evictions.accepted:
        if one.grant is None:
            broken = tuple(_uncharged(history, replay, one))
        else:
            broken = (*_charged(replay, one, one.grant), *_left_enough(history, replay, one, one.grant))
        if broken:
            yield from broken
            continue
        reason, bound = "", ""
        if one.grant is not None:
            bound = f"at least {one.grant.desired} healthy"
            if (ms := stale_ms(history, replay, one.grant)) is not None:
                reason = f"granted on an old count, as Kubernetes documents: {_too_few(one, one.grant)}: "
                reason += f"its count was {ms} ms old and did not know of a pod lost meanwhile"
        yield Obligation(one.name, reason=reason, measured=one.left_words, bound=bound, evidence=(_accepted(one),))
    for grant in replay.grants:
        if grant.pod is None:
            named = f"disruption budget {grant.after.name}"
            yield unknown(
                grant.name, f"{named} was charged for {grant.name}, a pod that the watch does not know", GAPLESS
            )


def refused_owed(history: History, replay: Replay, evictions: Evictions) -> Iterator[Obligation]:
    """Each eviction that a budget refused: the refusal was due."""
    states: dict[str, list[tuple[int, PodView]]] = {action.target.uid: [] for action in evictions.refused}
    for event in history.watch:
        if event.kind == "Pod" and (uid := PodView(event.object).uid) in states:
            states[uid].append((event.at_ns, PodView(event.object)))
    for action in evictions.refused:
        yield _refusal(history, replay, action, states[action.target.uid])


def unready_owed(history: History, replay: Replay, evictions: Evictions) -> Iterator[Obligation]:
    """A pod that was not Ready went uncharged only where its budget's policy lets it (KEP-3017)."""
    for one in evictions.unready:
        before = one.sign.before if one.sign is not None else None
        if before is None or one.lossy or len(one.binding) != 1:
            continue
        record = replay.budgets[one.binding[0]]
        states = record.in_force(one.asked_ns, one.at_ns + DELIVERY_NS)
        seen = covered(history, BUDGET, one.asked_ns, one.at_ns) and not late_news(
            history, (BUDGET,), one.asked_ns, one.at_ns
        )
        if not seen or record.selecting_since_ns >= one.asked_ns or not states:
            continue
        decisions = [decide_eviction(before, () if view is None else _read([view])) for view in states]
        if any(decision.admitted for decision in decisions):
            yield Obligation(one.name, measured="not Ready, and let go by its budget", evidence=(_accepted(one),))
        else:
            yield _against(one, f"{one.name}, not Ready, was evicted though {decisions[0].words}")


def blurred(history: History, one: Eviction) -> bool:
    """Whether the state of pods at an eviction is uncertain, because a gap in the watch is near."""
    near = (one.at_ns - DELIVERY_NS, one.at_ns + DELIVERY_NS)
    return one.lossy or any(gaps_in(history, kind, *near) for kind in KINDS)


def stale_ms(history: History, replay: Replay, grant: Grant, *, sure: bool = True) -> int | None:
    """How old the count was on which an eviction too many was granted, None if that does not explain it.

    A count may not know yet of pods that were lost just before; Kubernetes documents that. Where news came late, as old
    as it may have been; if not `sure`, as young.
    """
    if grant.unknown or grant.healthy >= grant.desired:
        return None
    timings = timings_of(history)
    window_ns = SYNC_NS + round(timings.allowance_s * NS)
    record = replay.budgets[grant.after.uid]
    counted = max((number for number in record.counted if number < grant.revision.number), default=0)
    ages_ns: dict[str, int] = {}
    for count in record.counts:
        if not counted < count.revision.number < grant.revision.number:
            continue
        if sure:
            age_ns = grant.revision.at_ns - earliest_ns(history, "Pod", count.at_ns)
        else:
            age_ns = earliest_ns(history, BUDGET, grant.revision.at_ns) - count.at_ns
        for change in count.lost:
            if change.pod.uid not in replay.marked and age_ns <= window_ns:
                ages_ns[change.pod.uid] = age_ns
    over = grant.before.desired + grant.before.allowed - 1 - grant.healthy
    if not 0 < over <= len(ages_ns):
        return None
    return max(0, sorted(ages_ns.values())[over - 1] // 1_000_000)


def _charged(replay: Replay, one: Eviction, grant: Grant) -> Iterator[Obligation]:
    """The budget was up to date, had room, and was charged for exactly this pod."""
    before, after, named = grant.before, grant.after, f"disruption budget {grant.after.name}"
    if grant.revision.lossy:
        yield _against(one, f"{named} was charged for {one.name} in a gap of the watch", settle=GAPLESS)
        return
    decision = decide_eviction(grant.pod, _read([before])) if grant.pod else None
    if decision is not None and one.ready and not decision.spends:
        yield _against(one, f"{one.name} was evicted though {decision.words}")
    elif after.allowed != before.allowed - 1:
        moved = f"from {before.allowed} to {after.allowed} permitted, not 1 down"
        yield _against(one, f"the eviction of {one.name} took {named} {moved}")
    if before.up_to_date and before.allowed > max(0, before.healthy - before.desired):
        counted = f"by its own count {before.healthy} were healthy and {before.desired} needed"
        yield _against(one, f"{named} permitted {before.allowed} as {one.name} was evicted, though {counted}")
    if len(one.binding) > 1:
        names = " and ".join(replay.budgets[uid].name for uid in one.binding)
        reason = f"{one.name} was evicted though two disruption budgets bind it ({names}), which the API refuses"
        if all(replay.budgets[uid].selecting_since_ns < one.asked_ns for uid in one.binding):
            yield _against(one, reason)
        else:
            yield _against(one, f"{reason}, if both already did when it was asked for", settle=FIXED)


def _left_enough(history: History, replay: Replay, one: Eviction, grant: Grant) -> Iterator[Obligation]:
    """After it as many were healthy as the budget needs, by the pods themselves at that revision."""
    record = replay.budgets[grant.after.uid]
    if record.beyond_watch or grant.beyond:
        yield _against(one, f"{one.name} was evicted, and {record.beyond_words}", settle=ALONE)
    elif grant.unknown:
        reason = f"{one.name} was evicted, and how many disruption budget {grant.after.name} needed then is not known"
        yield _against(one, f"{reason}: {grant.unknown}", settle=COUNTABLE)
    elif grant.healthy < grant.desired and stale_ms(history, replay, grant) is None:
        young = stale_ms(history, replay, grant, sure=False) is not None
        yield _against(one, _too_few(one, grant), settle=GAPLESS if young or blurred(history, one) else "")


def _uncharged(history: History, replay: Replay, one: Eviction) -> Iterator[Obligation]:
    """Where no budget was charged: right only if none bound the pod."""
    binding = [replay.budgets[uid] for uid in one.binding]
    if not binding:
        if one.uid in replay.replicas:
            settle = "a disruption budget that selects the system's pods"
            yield _against(one, f"no disruption budget bound {one.name} as it was evicted", settle=settle)
        return
    names = " and ".join(record.name for record in binding)
    reason = f"{one.name} was evicted ({one.whose}), and no charge to disruption budget {names} is seen"
    since_ns = one.asked_ns
    if one.by is None:  # somebody else's may have been asked for at any time since the watch began
        since_ns = max([since_ns, *(history.covered_ns[kind][0] for kind in KINDS if kind in history.covered_ns)])
    if one.lossy or not all(covered(history, kind, since_ns, one.at_ns) for kind in KINDS):
        yield _against(one, f"{reason}, but the watch did not cover that time", settle=GAPLESS)
    elif any(record.selecting_since_ns >= one.asked_ns for record in binding):
        yield _against(one, f"{reason}: it was new", settle=FIXED)
    else:
        tried = [action for action in history.actions if action.name == "evict-pod" and action.target.uid == one.uid]
        refused = tried and all(action.outcome == "fail" for action in tried)
        yield _against(one, f"{reason}; ours had been refused" if refused else reason)


def _refusal(history: History, replay: Replay, action: Action, states_of_pod: list[tuple[int, PodView]]) -> Obligation:
    name, since_ns = action.target.name, action.begin_ns
    until_ns = (since_ns if action.end_ns is None else action.end_ns) + DELIVERY_NS
    before = [pod for at_ns, pod in states_of_pod if at_ns <= since_ns][-1:]
    changed = [pod for at_ns, pod in states_of_pod if since_ns < at_ns <= until_ns]
    if not before:
        return unknown(name, f"the watch log knows no pod with the UID of {name}", GAPLESS)
    states = [
        view
        for record in replay.budgets.values()
        for view in record.in_force(since_ns, until_ns)
        if view is not None and any(view.selects(pod) for pod in (*before, *changed))
    ]
    decisions = [decide_eviction(pod, _read([view])) for pod in (*before, *changed) for view in states]
    refused = (Evidence(since_ns, f"eviction of {name} refused by its disruption budget"),)
    # A pod that is not Ready is deleted only as it was read; if it changed meanwhile, that is a 429 too.
    excused = (bool(changed) and not before[0].ready) or late_news(history, (BUDGET,), since_ns, until_ns)
    if any(decision.answer == "refused" for decision in decisions):
        return Obligation(name, measured="refused, as its budget had no room", evidence=refused)
    if not states or not covered(history, BUDGET, since_ns, until_ns - DELIVERY_NS):
        return unknown(name, f"the watch shows no disruption budget that refused {name}", GAPLESS)
    if excused:
        return Obligation(name, measured="refused, as its pod or its budget was just changing", evidence=refused)
    reason = f"{name} was refused though {decisions[0].words}"
    return Obligation(name, Answer.FAIL, reason, measured="refused", evidence=(Evidence(since_ns, reason),))


def _against(one: Eviction, reason: str, *, settle: str = "") -> Obligation:
    """What speaks against an eviction: a FAIL, or an UNKNOWN if there is something that would settle it."""
    evidence = (_accepted(one), *(() if settle else (Evidence(one.at_ns, reason),)))
    return judged(one.name, reason, settle, measured=one.left_words, evidence=evidence)


def _accepted(one: Eviction) -> Evidence:
    return Evidence(one.at_ns, f"{one.name} evicted ({one.whose}), {one.left_words} left")


def _too_few(one: Eviction, grant: Grant) -> str:
    named = f"disruption budget {grant.after.name}"
    return f"the eviction of {one.name} ({one.whose}) left {grant.healthy} healthy, {named} needs {grant.desired}"


def _read(views: list[PodDisruptionBudgetView]) -> list[BudgetState]:
    return [BudgetState.of(view.raw) for view in views]
