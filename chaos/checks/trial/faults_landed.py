"""Sometimes: the trouble was made, and met users' requests: every fault, or where there is none a load spike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from chaos.checks.formatting import plural
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.history import Fault, History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.load_spikes import LoadSpike, load_spikes
from chaos.objects.base import Ref, View

__all__ = ["FaultsLanded"]

KILLS = ("delete-pod", "evict-pod")
KILLING_FAULT = "pod-kill"


@dataclass(frozen=True, slots=True)
class FaultsLanded:
    """Each fault has its landing proof, and users' requests were under way while it stood.

    A trial without a fault makes its trouble with the load: then it must have risen by half at least, and requests must
    have been sent meanwhile. For pods that were killed the watch log must say so too: the victim's UID was deleted,
    after the fault began. Never FAIL: trouble that was not made says nothing against the system, but proves nothing.
    """

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "fault-landed"

    def __call__(self, history: History) -> Finding:
        """Judge every fault of the trial."""
        met = {fault.id: _requests_met(history, fault) for fault in history.faults}
        deletions = _deletions(history)
        reasons = [
            f"{fault.id}: {text}"
            for fault in history.faults
            for text in _reasons(history, fault, met[fault.id], deletions)
        ]
        raised = () if history.faults else load_spikes(history)
        under_load = sum(_sent_in(history, spike) for spike in raised)
        if not history.faults and not under_load:
            reasons.append("no fault was injected, and the load did not rise either")
        if history.facts.dry_run:
            reasons.append("a dry run (--gameday-dry-run) injects nothing")
        landed = [fault for fault in history.faults if fault.landed_ns is not None]
        return Finding(
            check=self.name,
            answer=Answer.UNKNOWN if reasons else Answer.PASS,
            rule="Every fault lands, and meets users' requests.",
            limit="each with proof and requests",
            measured=_measured(len(landed), len(history.faults), sum(met.values()), raised, under_load),
            reason="; ".join(reasons),
            settle="a trial in which each fault hits its victims while traffic flows" if reasons else "",
            detail={
                "faults": len(history.faults),
                "landed": len(landed),
                "requests_met": met,
                "load_spikes": len(raised),
            },
            evidence=(
                *(Evidence(fault.landed_ns or fault.begin_ns, _words(fault)) for fault in history.faults),
                *(Evidence(spike.begin_ns, f"the load rose from {spike.words}") for spike in raised),
            ),
        )


def _measured(landed: int, faults: int, met: int, raised: tuple[LoadSpike, ...], under_load: int) -> str:
    if raised:
        words = ", ".join(spike.words for spike in raised)
        return f"no fault; the load rose from {words}, {plural(under_load, 'request')} sent meanwhile"
    return f"{landed} of {plural(faults, 'fault')} landed, {plural(met, 'request')} met"


def _sent_in(history: History, spike: LoadSpike) -> int:
    """How many requests were sent of those intended in a spike."""
    until_ns = history.ended_ns if spike.end_ns is None else spike.end_ns
    meant = pl.col("intended_ns").is_between(spike.begin_ns, until_ns, closed="left")
    return history.requests.filter(meant & (pl.col("outcome") != "unsent")).height


def _words(fault: Fault) -> str:
    if fault.landed_ns is None:
        return f"{fault.id} did not land: {fault.missed or 'no proof'}"
    return f"{fault.id} landed: {fault.proof}"


def _requests_met(history: History, fault: Fault) -> int:
    """How many requests were sent that were under way, or intended, between a fault's beginning and its heal."""
    until_ns = history.ended_ns if fault.healed_ns is None else fault.healed_ns
    under_way = (pl.col("intended_ns") <= until_ns) & (pl.col("end_ns") >= fault.begin_ns)
    return history.requests.filter(under_way & (pl.col("outcome") != "unsent")).height


def _reasons(history: History, fault: Fault, met: int, deletions: Mapping[str, int | None]) -> Iterator[str]:
    if fault.missed:
        yield f"it did not land: {fault.missed}"
    elif fault.landed_ns is None:
        yield "nothing proved that it landed"
    elif not fault.proof:
        yield "its landing has no proof in words"
    if not met:
        yield "no request was under way while it stood"
    if fault.name == KILLING_FAULT and not fault.victims:
        yield "it had no victim"
    for victim in _killed(history, fault):
        if text := _unconfirmed(fault, victim, deletions):
            yield text


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
