"""Sometimes: faults were injected, and met users' requests; where there is none, the load must have risen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import polars as pl

from chaos.checks.base import Summary, finding, unknown
from chaos.checks.recovery.client_impact import names_replicas
from chaos.checks.verdict import Evidence, Finding, Obligation
from chaos.clock import seconds
from chaos.errors import plural
from chaos.history import Fault, History
from chaos.history.cache import once
from chaos.history.coverage import covered, earliest_ns
from chaos.history.facts.canary import asked_directly, requests_to, tokens_of
from chaos.history.facts.offered_load import LoadSpike, load_spikes
from chaos.history.facts.pod_lifecycles import nameless, pod_lives
from chaos.history.facts.replica_counts import endpoint_spans
from chaos.history.sli import GIVEN, OF_ARRIVALS, SENT, meant_within
from chaos.objects.base import Ref, View

__all__ = ["FaultsLanded", "FaultsLandedDetail"]

KILLS = ("delete-pod", "evict-pod")
KILLING_FAULT = "pod-kill"
SETTLE = "a trial in which each fault hits its victims while traffic flows"


@dataclass(frozen=True, slots=True)
class FaultsLandedDetail:
    """How many faults there were and how many landed, the requests that each met, and how many load spikes counted."""

    faults: int
    landed: int
    requests_met: Mapping[str, int]
    spikes: int


@dataclass(frozen=True, slots=True)
class FaultsLanded:
    """Each fault has its landing proof, and users' requests were under way while it was active.

    A trial without a fault disturbs with its load: then it must have risen by half at least, and most of what it rose
    by must have been sent; where no disturbance is `needed`, as in a measurement, nothing must have happened. For pods
    that were killed the watch log must say so too: the victim's UID was deleted, after the fault began. A Ready victim
    that was not among the Service's endpoints, before or any more, or that no answer ever named, met nobody, nor did
    nodes that held no replica; one that was not Ready was aimed at as such. Never FAIL: a fault that did not land says
    nothing against the system, but proves nothing.
    """

    name: ClassVar[str] = "fault-landed"
    Detail: ClassVar[type] = FaultsLandedDetail

    needed: bool = True

    def __call__(self, history: History) -> Finding:
        met = {fault.id: _requests_met(history, fault).height for fault in history.faults}
        spikes = () if history.faults or not self.needed else load_spikes(history)
        sent = sum(_sent_in(history, spike) for spike in spikes)
        landed = sum(fault.landed_ns is not None for fault in history.faults)
        measured = (
            f"{landed} of {plural(len(history.faults), 'fault')} landed, {plural(sum(met.values()), 'request')} met"
        )
        if not history.faults and not self.needed:
            measured = "no fault was injected, and none is needed"
        elif spikes:
            words = ", ".join(spike.words for spike in spikes)
            measured = f"no fault; the load rose from {words}, {plural(sent, 'request')} sent meanwhile"
        owed = [one for fault in history.faults for one in _owed(history, fault)]
        owed += [_risen(history, spike) for spike in spikes if sent]
        if history.facts.dry_run and (self.needed or history.faults):
            owed.append(unknown("the faults", "a dry run (--gameday-dry-run) injects nothing", SETTLE))
        if not history.faults and not self.needed:
            owed.append(Obligation("the faults", measured="none was injected", bound="none is needed"))
        return finding(
            self.name,
            "Every fault lands, and meets users' requests.",
            owed,
            Summary(
                measured,
                "each with proof and requests",
                detail=FaultsLandedDetail(len(history.faults), landed, met, len(spikes)),
            ),
            nothing=unknown("the faults", "no fault was injected, and the load did not rise either", SETTLE),
        )


def _meant_in(history: History, spike: LoadSpike) -> pl.DataFrame:
    until_ns = history.ended_ns if spike.end_ns is None else spike.end_ns
    return history.requests.filter(meant_within(spike.begin_ns, until_ns) & OF_ARRIVALS)


def _sent_in(history: History, spike: LoadSpike) -> int:
    return _meant_in(history, spike).filter(SENT).height


def _risen(history: History, spike: LoadSpike) -> Obligation:
    """That the load of a spike was not only meant: most of what lies above the load before was sent."""
    meant, sent = _meant_in(history, spike).height, _sent_in(history, spike)
    until_ns = history.ended_ns if spike.end_ns is None else spike.end_ns
    above = meant - spike.before_rps * seconds(until_ns - spike.begin_ns)
    evidence = (Evidence(spike.begin_ns, f"the load rose from {spike.words}"),)
    if meant - sent > max(0.0, above) / 2:
        text = (
            f"the load was to rise from {spike.words}, and {meant - sent} of {plural(meant, 'request')} were not sent"
        )
        return unknown("the load", text, "a generator that sends the whole load")
    return Obligation("the load", measured=spike.words, evidence=evidence)


def _requests_met(history: History, fault: Fault) -> pl.DataFrame:
    """The requests that were sent and were under way, or intended, between a fault's beginning and its heal."""
    until_ns = history.ended_ns if fault.healed_ns is None else fault.healed_ns
    under_way = (pl.col("intended_ns") <= until_ns) & (pl.col("end_ns") >= fault.begin_ns)
    return history.requests.filter(under_way & SENT)


def _owed(history: History, fault: Fault) -> Iterator[Obligation]:
    """What one fault owes: its landing, requests that it met, and victims that were hit and served somebody."""
    yield _landing(fault)
    met = _requests_met(history, fault)
    landed_ns = fault.begin_ns if fault.landed_ns is None else fault.landed_ns
    # One that was sent before, and ended before anything was proved to have happened, met nothing. Nor did one that
    # another replica was answering.
    pods = [ref.name for ref in fault.victims if ref.kind == "Pod"]
    elsewhere = pl.col("outcome").is_in(GIVEN) & ~pl.col("replica").is_in(pods) & ~nameless(history)
    under_way = (pl.col("end_ns") >= landed_ns) & ~(elsewhere.fill_null(value=False) & pl.lit(bool(pods)))
    if met.filter((pl.col("intended_ns") >= fault.begin_ns) | under_way).is_empty():
        yield unknown(fault.id, f"{fault.id}: no request was under way while it was active", SETTLE)
    else:
        yield Obligation(fault.id, measured=f"{plural(met.height, 'request')} met", bound="at least 1")
    if bare := _bare(history, fault):
        yield unknown(fault.id, f"{fault.id}: no replica was on {bare}, so it took nothing that served", SETTLE)
    if fault.name == KILLING_FAULT and not fault.victims:
        yield unknown(fault.id, f"{fault.id}: it had no victim", SETTLE)
    killed = _killed(history, fault)
    for victim in dict.fromkeys((*killed, *(ref for ref in fault.victims if ref.kind == "Pod"))):
        seen = _seeing(history, victim)
        doubt = _unconfirmed(fault, victim, _deletions(seen)) if victim in killed else ""
        # What another workload of the system answered bears no name of its own.
        doubt = (
            doubt or _unrouted(seen, fault, victim) or (_unserving(history, fault, victim) if seen is history else "")
        )
        yield unknown(victim.name, f"{fault.id}: {doubt}", SETTLE) if doubt else Obligation(victim.name, measured="hit")


def _seeing(history: History, victim: Ref) -> History:
    """The record that knows a victim: that of the workload of the system that it belongs to."""
    others = (one for one in history.roles.values() if any(life.uid == victim.uid for life in pod_lives(one)))
    return next(others, history)


def _bare(history: History, fault: Fault) -> str:
    """The nodes that a fault struck, in words, if no replica was on any of them as it began; else empty."""
    nodes = {victim.name for victim in fault.victims if victim.kind == "Node"}
    if not nodes or not covered(history, "Pod", fault.begin_ns, fault.begin_ns):
        return ""
    there = (life for life in pod_lives(history) if life.node in nodes and life.created_ns <= fault.begin_ns)
    held = any(life.left_ns is None or life.left_ns > fault.begin_ns for life in there)
    return "" if held else f"node{'s' if len(nodes) > 1 else ''} {', '.join(sorted(nodes))}"


def _landing(fault: Fault) -> Obligation:
    doubt = ""
    if fault.missed:
        doubt = f"it did not land: {fault.missed}"
    elif fault.landed_ns is None:
        doubt = "nothing proved that it landed"
    elif not fault.proof:
        doubt = "its landing has no proof in words"
    words = f"landed: {fault.proof}" if fault.landed_ns is not None else f"did not land: {fault.missed or 'no proof'}"
    one = unknown(fault.id, f"{fault.id}: {doubt}", SETTLE) if doubt else Obligation(fault.id)
    evidence = (Evidence(fault.landed_ns or fault.begin_ns, f"{fault.id} {words}"),)
    return replace(one, measured=words, evidence=evidence)


def _was_ready(history: History, fault: Fault, victim: Ref) -> bool:
    """Whether a victim is known to have been no pod that was not Ready anyhow."""
    unready = (life.uid == victim.uid and not life.ready_at(fault.begin_ns) for life in pod_lives(history))
    return bool(victim.uid) and not any(unready)


def _routed(history: History, fault: Fault) -> bool:
    """Whether the record has the endpoints of when a fault began."""
    return bool(endpoint_spans(history)) and covered(history, "EndpointSlice", fault.begin_ns, fault.begin_ns)


def _unrouted(history: History, fault: Fault, victim: Ref) -> str:
    """That a victim was no ready endpoint before, so that nobody can have met it; empty if it was."""
    if not _was_ready(history, fault, victim) or not _routed(history, fault):
        return ""
    spans = endpoint_spans(history).get(victim.uid, ())
    before = any(begin_ns <= fault.begin_ns for begin_ns, _ in spans)
    return "" if before else f"victim {victim.name} was never among the ready endpoints before, so it served nobody"


def _unserving(history: History, fault: Fault, victim: Ref) -> str:
    """Why users cannot have met a victim that was a ready endpoint, empty if they can: it was never asked."""
    if not _was_ready(history, fault, victim):
        return ""
    seen, own = _routed(history, fault), _answers_of(history, victim)
    if seen and own.filter(pl.col("end_ns") >= fault.begin_ns).is_empty() and not _reached(history, fault, victim):
        return f"victim {victim.name} had left the ready endpoints before, so it served nobody any more"
    if names_replicas(history):
        # What nobody answered while the fault was active may have been its own.
        if own.is_empty() and _requests_met(history, fault).filter(nameless(history)).is_empty():
            return f"no answer ever named victim {victim.name}, so it served nobody"
    elif asked_directly(history):
        life = next((one for one in pod_lives(history) if one.uid == victim.uid), None)
        before = [one for one in requests_to(history, life) if one.end_ns <= fault.begin_ns] if life else []
        if life and before and not any(at_ns <= fault.begin_ns for at_ns in tokens_of(history, life)):
            return f"victim {victim.name} gave the canary no token before, so that it may have served nobody"
    return ""


def _answers_of(history: History, victim: Ref) -> pl.DataFrame:
    """The requests that name a victim, of its own time: another member of a StatefulSet may be called so."""
    named = history.requests.filter(pl.col("replica") == victim.name)
    life = next((one for one in pod_lives(history) if one.uid == victim.uid), None)
    if life is None:
        return named
    made_ns = 0 if life.listed else life.created_ns
    gone_ns = history.ended_ns if life.gone_ns is None else life.gone_ns
    return named.filter((pl.col("end_ns") >= made_ns) & (pl.col("sent_ns") <= gone_ns))


def _reached(history: History, fault: Fault, victim: Ref) -> bool:
    """Whether a victim was among the ready endpoints at some time of a fault."""
    until_ns = history.ended_ns if fault.healed_ns is None else fault.healed_ns
    spans = endpoint_spans(history).get(victim.uid, ())
    return any(begin_ns <= until_ns and (end_ns is None or end_ns >= fault.begin_ns) for begin_ns, end_ns in spans)


def _killed(history: History, fault: Fault) -> tuple[Ref, ...]:
    """The pods that the fault killed by its own account, each once."""
    done = [
        action.target
        for action in history.actions
        if action.fault == fault.id and action.name in KILLS and action.outcome == "ok" and action.target.kind == "Pod"
    ]
    declared = [victim for victim in fault.victims if victim.kind == "Pod"] if fault.name == KILLING_FAULT else []
    return tuple({(ref.uid, ref.name): ref for ref in (*declared, *done)}.values())


def _unconfirmed(fault: Fault, victim: Ref, deletions: Mapping[str, int | None]) -> str:
    """Why the watch log does not confirm that the victim was deleted in the fault, empty if it does."""
    if not victim.uid:
        return f"victim {victim.name} has no UID, so a successor of the same name could pass for it"
    if victim.uid not in deletions:
        return f"the watch log knows no pod with the UID of victim {victim.name}"
    deleted_ns = deletions[victim.uid]
    if deleted_ns is None:
        return f"the watch log does not show victim {victim.name} being deleted"
    if deleted_ns < fault.begin_ns:
        return f"victim {victim.name} may have been going before the fault began"
    return ""


@once
def _deletions(history: History) -> Mapping[str, int | None]:
    """For each pod in the watch log, by UID, the earliest moment at which its deletion may have been accepted."""
    deletions: dict[str, int | None] = {}
    for event in history.watch:
        if event.kind != "Pod":
            continue
        pod = View(event.object)
        uid = pod.uid
        if deletions.setdefault(uid) is None and (event.type in ("DELETED", "VANISHED") or pod.deleting):
            deletions[uid] = earliest_ns(history, "Pod", event.at_ns)
    return deletions
