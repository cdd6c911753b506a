"""How each victim was made good: by a successor, or in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chaos.checks.recovery.recoveries import action_began_ns
from chaos.checks.verdict import Verdict
from chaos.clock import NS
from chaos.history import Fault, History
from chaos.history.facts.pod_lifecycles import PodLife
from reports.build.pods import lost_ns, struck
from reports.model.recovery import Dip, Leg, RecoveryRow

__all__ = ["judged_dips", "recovery_rows"]


def recovery_rows(history: History, lives: Sequence[PodLife], dips: Sequence[Dip]) -> tuple[RecoveryRow, ...]:
    """One row a struck pod, in the order of their losses; its stages and its total begin with the fault.

    A victim that went away is paired with the next pod of its owner, each successor with one victim only. One that
    stayed is followed until it is Ready again. Victims that never lost anything have a row that says so.
    """
    faults = {fault.id: fault for fault in history.faults}
    blows = struck(history.faults, lives)
    taken: set[str] = set()
    rows = []
    for life in sorted((life for life in lives if life.uid in blows), key=lambda life: blows[life.uid][0]):
        fault = faults[blows[life.uid][1]]
        if life.terminating_ns is not None or life.gone_ns is not None:
            rows.append(_replaced(history, life, lives, fault, taken))
        else:
            rows.append(_in_place(history, life, fault))
    held = (replace(row, bound_s=_bound_s(dips, row)) for row in rows)
    return (*held, *_unmoved(history, lives, blows))


def _replaced(history: History, life: PodLife, lives: Sequence[PodLife], fault: Fault, taken: set[str]) -> RecoveryRow:
    began_ns, at_ns = action_began_ns(history, fault, life), lost_ns(life, fault.begin_ns)
    replacement = next((other for other in lives if other.uid not in taken and _follows(other, life)), None)
    if replacement:
        taken.add(replacement.uid)
    ready_ns = replacement.ready_spans[0][0] if replacement and replacement.ready_spans else None
    steps = (
        ("replacement created", replacement.created_ns if replacement else None),
        ("scheduled", replacement.scheduled_ns if replacement else None),
        ("started", replacement.started_ns if replacement else None),
        ("Ready", ready_ns),
    )
    return RecoveryRow(
        fault=fault.id,
        victim=life.name,
        node=life.node,
        began_ns=began_ns,
        lost_ns=at_ns,
        how="replaced" if ready_ns else "replacement not Ready" if replacement else "no replacement seen",
        successor=replacement.name if replacement else "",
        successor_node=replacement.node if replacement else "",
        stages=_stages(began_ns, (("unready", at_ns), *steps)),
        total_s=_between(began_ns, ready_ns),
        bound_s=None,
    )


def _follows(other: PodLife, life: PodLife) -> bool:
    """Whether the other pod has the same owner and was first seen after this one was lost."""
    lost_index = life.lost_index if life.lost_index is not None else life.first_index
    return bool(life.owner_uid) and other.owner_uid == life.owner_uid and other.first_index > lost_index


def _in_place(history: History, life: PodLife, fault: Fault) -> RecoveryRow:
    began_ns, at_ns = action_began_ns(history, fault, life), lost_ns(life, fault.begin_ns)
    again_ns = next((begin for begin, _ in life.ready_spans if at_ns is not None and begin > at_ns), None)
    restarted = f"{life.restarts} restarts" if life.restarts != 1 else "1 restart"
    return RecoveryRow(
        fault=fault.id,
        victim=life.name,
        node=life.node,
        began_ns=began_ns,
        lost_ns=at_ns,
        how=f"in place, {restarted}" if again_ns else "not Ready again",
        successor=life.name,
        successor_node=life.node,
        stages=_stages(began_ns, (("unready", at_ns), ("Ready", again_ns))),
        total_s=_between(began_ns, again_ns),
        bound_s=None,
    )


def _unmoved(
    history: History, lives: Sequence[PodLife], blows: Mapping[str, tuple[int, str]]
) -> tuple[RecoveryRow, ...]:
    """Victims by name of whom no loss was seen: the fault missed them, or the record has a gap there."""
    seen = {life.uid: life for life in lives}
    rows = []
    for fault in history.faults:
        for ref in fault.victims:
            if ref.kind == "Pod" and ref.uid not in blows:
                node = seen[ref.uid].node if ref.uid in seen else ""
                how = "no loss seen" if ref.uid in seen else "not in the record"
                rows.append(RecoveryRow(fault.id, ref.name, node, fault.begin_ns, None, how, "", "", (), None, None))
    return tuple(rows)


def _stages(begin_ns: int, steps: Sequence[tuple[str, int | None]]) -> tuple[Leg, ...]:
    """Each step's seconds count from the last step that is known to have been reached."""
    stages, from_ns = [], begin_ns
    for name, at_ns in steps:
        stages.append(Leg(name, at_ns, _between(from_ns, at_ns)))
        from_ns = at_ns if at_ns is not None else from_ns
    return tuple(stages)


def _between(begin_ns: int | None, end_ns: int | None) -> float | None:
    return None if begin_ns is None or end_ns is None else round((end_ns - begin_ns) / NS, 3)


def judged_dips(verdict: Verdict) -> tuple[Dip, ...]:
    """The dips that the finding on recovery judged, with the bound of each."""
    return tuple(
        Dip(dip["begin_ns"], dip["end_ns"], dip["anchor_ns"], dip["bound_s"], dip["answer"])
        for finding in verdict.findings
        if finding.check == "recovered"
        for dip in finding.values.get("dips", ())
    )


def _bound_s(dips: Sequence[Dip], row: RecoveryRow) -> float | None:
    """What the recovery was held to, counted from the fault: the deadline of the dip that the loss fell into."""
    for dip in dips:
        if (
            row.lost_ns is not None
            and dip.begin_ns <= row.lost_ns
            and (dip.end_ns is None or row.lost_ns <= dip.end_ns)
        ):
            return round(dip.bound_s + (dip.anchor_ns - row.began_ns) / NS, 3)
    return None
