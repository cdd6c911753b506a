"""From a judged history to the one object that every form of the report is drawn from."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chaos.checks.advice import advise
from chaos.checks.recovery.recovered import RecoveredDetail
from chaos.checks.recovery.recovered_in_time import RecoveryDetail
from chaos.checks.recovery.timeline import steps_of, timelines
from chaos.checks.verdict import Answer, Finding, Verdict
from chaos.clock import NS
from chaos.history import History
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas
from chaos.semantics.engines import engine_named
from reports import formatting as words
from reports.build.cluster import autoscaler_series, budget_series, nodes
from reports.build.coverage import coverage, generator_series, missing_of
from reports.build.earlier_runs import PastTrial, with_past
from reports.build.engine import engine_series, last_words
from reports.build.figures import Total, fault_windows, judged_limits, token_series, total
from reports.build.key_moments import story
from reports.build.pods import lanes
from reports.build.session import read_notes
from reports.build.step_series import step_line
from reports.build.traffic import cut, heat_map, latency_series, records, traffic_series, widths
from reports.model.parts import FaultBand, Moment, PhaseBand, TrafficSeries
from reports.model.report import NO_NOTES, EvidenceFile, FindingRow, Headline, KeyFigures, Report

__all__ = ["summarise"]

EVIDENCE_SHOWN = 12
"""Most moments listed with a finding."""
LISTED_MOST = 50
"""So many items of a list of the facts, such as a cluster's nodes, are shown."""

EVIDENCE_FILES = ("trial.json", "watch.jsonl", "actions.jsonl", "requests.jsonl", "generator.jsonl", "generator.log")
MORE_FILES = ("metrics.jsonl", "engine-metrics.jsonl", "canary.jsonl", "logs.jsonl")
"""Those that only some runs have."""


def summarise(history: History, verdict: Verdict, *, run: Path | None = None, past: Iterable[PastTrial] = ()) -> Report:
    """Sum up one judged trial. `run` is its folder, named in the report with what it holds; None if there is none.

    `past` are earlier trials, of any scenario: those of the same kind say what is new.
    """
    narrow_ns, wide_ns = widths(history)
    buckets, table = cut(history, narrow_ns), records(history)
    traffic = traffic_series(history, table, buckets)
    generator = generator_series(history, buckets)
    lives, details = pod_lives(history), [finding.detail for finding in verdict.findings]
    budgets = budget_series(history)
    ready_missing = missing_of(history, "Pod")
    desired_missing = missing_of(history, history.facts.workload_kind)
    drawn = lanes(history, lives, ready_missing)
    report = Report(
        headline=_headline(history, verdict, run),
        key=_key(history, total(table), traffic),
        findings=tuple(_finding(finding) for finding in verdict.findings),
        phases=tuple(_phases(history)),
        faults=tuple(_faults(history)),
        ready=step_line(history, ready_replicas(history), ready_missing),
        desired=step_line(history, desired_replicas(history), desired_missing),
        lanes=drawn,
        budgets=budgets,
        nodes=nodes(history, lives),
        autoscalers=autoscaler_series(history),
        limits=judged_limits(verdict),
        buckets=buckets,
        traffic=traffic,
        latency=latency_series(table, cut(history, wide_ns)),
        heat=heat_map(table, buckets, traffic),
        tokens=token_series(table, cut(history, wide_ns)),
        generator=generator,
        losses=tuple(loss for one in details if isinstance(one, RecoveredDetail) for loss in one.losses),
        recoveries=tuple(victim for one in details if isinstance(one, RecoveryDetail) for victim in one.recoveries),
        windows=fault_windows(history, table),
        coverage=coverage(history, traffic.missing, generator),
        story=story(history, budgets),
        notes=tuple(Moment(note.at_ns, note.text) for note in history.notes),
        provenance=tuple(_flat(history.facts.raw)),
        evidence=_evidence(run),
        advice=advise(history, verdict),
        team=NO_NOTES if run is None else read_notes(run),
        engines=engine_series(history, buckets, drawn),
        last_words=last_words(history),
    )
    return with_past(report, past)


def _headline(history: History, verdict: Verdict, run: Path | None) -> Headline:
    answers = [finding.answer for finding in verdict.findings]
    ended = ""
    if not history.finished:
        ended = "The run died before its end; this is what it had recorded."
    if history.stopped:
        ended = f"The trial was stopped: {history.stopped}." + (f" {ended}" if ended else "")
    return Headline(
        answer=verdict.answer.name,
        sentence=_sentence(verdict),
        scenario=history.facts.scenario,
        nodeid=str(history.facts.raw.get("nodeid") or history.facts.scenario),
        place=str((history.facts.raw.get("cluster") or {}).get("context", "")),
        claim=history.facts.claim,
        run=run.name if run else str(history.facts.raw.get("run", "")),
        folder=str(run) if run else "",
        seed=history.facts.seed,
        dry_run=history.facts.dry_run,
        began_ns=history.began_ns,
        ended_ns=history.ended_ns,
        duration_s=round((history.ended_ns - history.began_ns) / NS, 3),
        how_it_ended=ended,
        passes=answers.count(Answer.PASS),
        unknowns=answers.count(Answer.UNKNOWN),
        fails=answers.count(Answer.FAIL),
        engine=_engine(history.facts.raw),
    )


def _engine(facts: Mapping[str, Any]) -> str:
    """What answered, with its version, in words; empty where nobody says."""
    given = (facts.get("system") or {}).get("engine") or {}
    name, known = str(given.get("name") or ""), engine_named(str(given.get("name") or ""))
    return f"{known.title if known else name} {given.get('version') or ''}".strip()


def _sentence(verdict: Verdict) -> str:
    """Why the verdict is what it is: the worst finding's reason, or that all checks passed."""
    if not verdict.findings:
        return "Nothing was checked, so nothing was proved."
    worst = verdict.findings[0]
    if worst.answer is Answer.PASS:
        return f"All {words.plural(len(verdict.findings), 'check')} passed."
    reason = worst.reason or f"{worst.measured}, {worst.limit}"
    return f"{worst.check}: {reason.rstrip('.')}."


def _key(history: History, sums: Total, traffic: TrafficSeries) -> KeyFigures:
    valid, answered, share, p50_s, p99_s = sums
    lost = [line for line in timelines(history) if line.loss.lost_ns is not None]
    steps = [steps_of(line.loss, line.moments["fault"]) for line in lost]
    longest_s, longest = max(
        ((step.seconds, step.name) for one in steps for step in one if step.seconds is not None), default=(None, "")
    )
    times = [sum(step.seconds or 0.0 for step in one) for one in steps if one[-1].at_ns is not None]
    return KeyFigures(
        requests=history.requests.height,
        valid=valid,
        answered=answered,
        unsent=traffic.totals.get("unsent", 0),
        answered_share=share,
        p50_s=p50_s,
        p99_s=p99_s,
        faults=len(history.faults),
        faults_landed=sum(fault.landed_ns is not None for fault in history.faults),
        victims=len(lost),
        recovered=len(times),
        slowest_recovery_s=round(max(times), 3) if times else None,
        longest_stage=longest,
        longest_stage_s=longest_s,
        silent_s=round(sum(hole.end_ns - hole.begin_ns for hole in traffic.missing) / NS, 3),
    )


def _finding(finding: Finding) -> FindingRow:
    return FindingRow(
        check=finding.check,
        answer=finding.answer.name,
        rule=finding.rule,
        limit=finding.limit,
        measured=finding.measured,
        margin=finding.margin,
        reason=finding.reason,
        settle=finding.settle,
        evidence=tuple(Moment(one.at_ns, one.text) for one in finding.evidence[:EVIDENCE_SHOWN]),
        evidence_total=len(finding.evidence),
    )


def _phases(history: History) -> Iterator[PhaseBand]:
    for phase in history.phases:
        yield PhaseBand(phase.name, phase.begin_ns, phase.end_ns or history.ended_ns, phase.end_ns is None)


def _faults(history: History) -> Iterator[FaultBand]:
    for fault in history.faults:
        yield FaultBand(
            id=fault.id,
            name=fault.name,
            words=fault.words,
            victims=tuple(f"{ref.kind} {ref.name}" for ref in fault.victims),
            begin_ns=fault.begin_ns,
            landed_ns=fault.landed_ns,
            healed_ns=fault.healed_ns,
            end_ns=fault.healed_ns or history.ended_ns,
            proof=fault.proof,
            missed=fault.missed,
            result=fault.result,
            result_ns=fault.result_ns,
            result_words=fault.result_words,
        )


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Facts as lines, nested keys joined with dots; lists of plain things in one line."""
    for key, value in facts.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            for k, item in enumerate(value[:LISTED_MOST]):
                yield from _flat(item, f"{name}.{k}.")
            if len(value) > LISTED_MOST:
                yield name, f"{len(value)}, of which {LISTED_MOST} are here and all in trial.json"
        elif isinstance(value, (list, tuple)):
            yield name, ", ".join(map(str, value))
        elif value not in (None, "", {}):
            yield name, str(value)


def _evidence(run: Path | None) -> tuple[EvidenceFile, ...]:
    if run is None:
        return ()
    more = (name for name in MORE_FILES if (run / name).is_file())
    return tuple(_file(run, name) for name in (*EVIDENCE_FILES, *more))


def _file(run: Path, name: str) -> EvidenceFile:
    path = run / name
    if not path.is_file():
        return EvidenceFile(name, None, "")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return EvidenceFile(name, path.stat().st_size, digest)
