"""A hand-written history as a run folder, so that it can be judged the way a recorded trial is."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaos.history import Fault, History

Line = dict[str, Any]

NODEID = "scenarios/test_story.py::test_story"


def saved(history: History, run: Path) -> Path:
    """Write a history as docs/run-folder.md describes it; each watched kind is covered from its first list on."""
    run.mkdir(parents=True)
    (run / "trial.json").write_text(json.dumps(_trial(history, run.name)))
    _write(run / "watch.jsonl", _watch(history))
    _write(run / "actions.jsonl", _journal(history))
    _write(run / "requests.jsonl", history.requests.iter_rows(named=True))
    _write(run / "generator.jsonl", (asdict(sample) for sample in history.generator))
    if history.engine.samples:
        _write(run / "engine-metrics.jsonl", _engine(history))
    return run


def _engine(history: History) -> Iterator[Line]:
    for name, names in history.engine.engines.items():
        told = {key: value for key, value in asdict(names).items() if key != "name"}
        yield {"at_ns": history.began_ns, "engine": name, "names": told}
    for sample in history.engine.samples:
        kept = {key: value for key, value in asdict(sample).items() if key != ("values" if sample.error else "error")}
        yield kept


def _write(path: Path, lines: Iterator[Line]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _trial(history: History, name: str) -> Line:
    facts = history.facts
    workload = {"kind": facts.workload_kind, "name": facts.workload_name}
    place = {"namespace": facts.namespace, "workload": workload, "service": facts.service}
    return {
        **facts.raw,
        "schema": 2,
        "run": name,
        "scenario": facts.scenario,
        "nodeid": NODEID,
        "claim": facts.claim,
        "seed": facts.seed,
        "dry_run": facts.dry_run,
        "clock": {"utc_ns": history.began_ns, "mono_ns": 0},
        "cluster": {"context": "lab"},
        "system": {**facts.raw.get("system", {}), **place},
    }


def _watch(history: History) -> Iterator[Line]:
    """The lists of each kind, the word that it is in sync, its changes, and its end; all in order of time."""
    lines: list[Line] = []
    for kind, (first_ns, last_ns) in history.covered_ns.items():
        seen = [
            {"at_ns": event.at_ns, "kind": kind, "type": event.type, "object": dict(event.object)}
            for event in history.watch
            if event.kind == kind
        ]
        lines += [line for line in seen if line["type"] == "LISTED"]
        lines.append({"at_ns": first_ns, "kind": kind, "type": "SYNCED", "rv": "1"})
        lines += [line for line in seen if line["type"] != "LISTED"]
        lines.append({"at_ns": last_ns, "kind": kind, "type": "END"})
    return iter(sorted(lines, key=_moment))


def _journal(history: History) -> Iterator[Line]:
    lines: list[Line] = []
    for phase in history.phases:
        lines.append({"at_ns": phase.begin_ns, "event": "phase-begin", "phase": phase.name})
        if phase.end_ns is not None:
            lines.append({"at_ns": phase.end_ns, "event": "phase-end", "phase": phase.name})
    for fault in history.faults:
        lines += _fault(fault)
    for action in history.actions:
        begun = {"action": action.name, "target": asdict(action.target), "fault": action.fault, "detail": {}}
        lines.append({"at_ns": action.begin_ns, "event": "action-begin", "id": action.id, **begun})
        if action.end_ns is not None:
            done = {"id": action.id, "outcome": action.outcome, "detail": dict(action.detail)}
            lines.append({"at_ns": action.end_ns, "event": "action-end", **done})
    for stream in history.streams:
        told = {"shape": stream.shape, "rate_rps": stream.rate_rps, "begin_ns": stream.begin_ns}
        told |= {"profile": stream.profile, "origin": stream.origin, "url": stream.url}
        lines.append({"at_ns": stream.begin_ns, "event": "traffic-begin", "stream": stream.name, **told})
        ended = {"stream": stream.name, "end_ns": stream.end_ns}
        lines.append({"at_ns": stream.end_ns, "event": "traffic-end", **ended})
    lines.append({"at_ns": history.ended_ns, "event": "trial-end", "wall_step_ns": 0})
    return iter(sorted(lines, key=_moment))


def _fault(fault: Fault) -> Iterator[Line]:
    begun = {"name": fault.name, "words": fault.words, "parameters": dict(fault.parameters)}
    victims = [asdict(victim) for victim in fault.victims]
    yield {"at_ns": fault.begin_ns, "event": "fault-begin", "fault": fault.id, "victims": victims, **begun}
    if fault.landed_ns is not None:
        yield {"at_ns": fault.landed_ns, "event": "fault-landed", "fault": fault.id, "proof": fault.proof}
    if fault.healed_ns is not None:
        yield {"at_ns": fault.healed_ns, "event": "fault-healed", "fault": fault.id}


def _moment(line: Mapping[str, Any]) -> int:
    return int(line["at_ns"])
