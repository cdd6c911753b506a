"""Reading actions.jsonl: what the trial did, began and remarked, put together from pairs of lines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from chaos.clock import NS
from chaos.history.model import Action, Fault, LoadPoint, LoadWorker, Note, Phase, Stream
from chaos.history.reading.jsonl import read_lines
from chaos.objects.base import Ref

__all__ = ["Journalled", "read_journal"]


@dataclass(slots=True)
class Journalled:
    """What actions.jsonl says. `stopped`: why it was stopped early; `finished`: whether `trial-end` was reached."""

    actions: dict[str, Action] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    phases: list[Phase] = field(default_factory=list)
    streams: dict[str, Stream] = field(default_factory=dict)
    load_workers: dict[int, LoadWorker] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    stopped: str = ""
    finished: bool = False
    first_ns: int | None = None
    last_ns: int | None = None
    remark: str = ""


def read_journal(path: Path) -> Journalled:
    """Read the file. Raises `UsageError` for a whole line that is not as docs/run-folder.md says."""
    journal = Journalled()

    def take(line: dict[str, Any]) -> None:
        at_ns = line["at_ns"]
        journal.first_ns = at_ns if journal.first_ns is None else journal.first_ns
        journal.last_ns = max(at_ns, journal.last_ns or at_ns)
        event = line["event"]
        if event not in TAKES:
            raise ValueError(f"event {event!r} is not known")
        TAKES[event](journal, at_ns, line)

    journal.remark = read_lines(path, take)
    return journal


def _phase_begin(journal: Journalled, at_ns: int, line: Mapping[str, Any]) -> None:
    journal.phases.append(Phase(line["phase"], at_ns, None))


def _phase_end(journal: Journalled, at_ns: int, line: Mapping[str, Any]) -> None:
    for place, phase in reversed(list(enumerate(journal.phases))):
        if phase.name == line["phase"] and phase.end_ns is None:
            journal.phases[place] = replace(phase, end_ns=at_ns)
            return
    raise ValueError(f"phase {line['phase']!r} ends but had not begun")


def _action_begin(journal: Journalled, at_ns: int, line: Mapping[str, Any]) -> None:
    journal.actions[line["id"]] = Action(
        id=line["id"],
        name=line["action"],
        target=_ref(line["target"]),
        begin_ns=at_ns,
        end_ns=None,
        outcome="info",
        fault=line.get("fault"),
        detail=line.get("detail") or {},
    )


def _action_end(journal: Journalled, at_ns: int, line: Mapping[str, Any]) -> None:
    begun = _begun(journal.actions, "action", line["id"])
    if line["outcome"] not in ("ok", "fail", "info"):
        raise ValueError(f"outcome {line['outcome']!r} is not one of ok, fail, info")
    detail = {**begun.detail, **(line.get("detail") or {})}
    journal.actions[begun.id] = replace(begun, end_ns=at_ns, outcome=line["outcome"], detail=detail)


def _fault_begin(journal: Journalled, at_ns: int, line: Mapping[str, Any]) -> None:
    victims = tuple(_ref(victim) for victim in line.get("victims") or ())
    words = line.get("words", "")
    parameters = line.get("parameters") or {}
    journal.faults[line["fault"]] = Fault(
        line["fault"], line["name"], words, victims, at_ns, None, None, parameters=parameters
    )


def _fault_landed(journal: Journalled, at_ns: int, line: Mapping[str, Any]) -> None:
    _amend(journal.faults, "fault", line["fault"], landed_ns=at_ns, proof=line.get("proof", ""))


def _fault_missed(journal: Journalled, _at_ns: int, line: Mapping[str, Any]) -> None:
    _amend(journal.faults, "fault", line["fault"], missed=line.get("reason") or "no reason was given")


def _fault_result(journal: Journalled, at_ns: int, line: Mapping[str, Any]) -> None:
    ended = {"result_words": line.get("words", ""), "result_detail": line.get("detail") or {}}
    _amend(journal.faults, "fault", line["fault"], result=line["result"], result_ns=at_ns, **ended)


def _fault_healed(journal: Journalled, at_ns: int, line: Mapping[str, Any]) -> None:
    _amend(journal.faults, "fault", line["fault"], healed_ns=at_ns)
    if line.get("outcome", "ok") != "ok":
        words = f"healing {line['fault']}: {line['outcome']}, {line.get('detail') or 'no detail'}"
        journal.notes.append(Note(at_ns, words))


def _traffic_begin(journal: Journalled, _at_ns: int, line: Mapping[str, Any]) -> None:
    # Records from before called it `course`; one without either is of a steady stream.
    points = line.get("rate_profile") or line.get("course") or [[line["begin_ns"], line["rate_rps"]]]
    journal.streams[line["stream"]] = Stream(
        name=line["stream"],
        shape=line["shape"],
        rate_rps=float(line["rate_rps"]),
        begin_ns=line["begin_ns"],
        end_ns=None,
        profile=line.get("profile", ""),
        origin=line.get("origin", ""),
        url=line.get("url", ""),
        rate_profile=tuple(LoadPoint(int(at_ns), float(rate_rps)) for at_ns, rate_rps in points),
        plan=line.get("plan"),
    )


def _traffic_end(journal: Journalled, _at_ns: int, line: Mapping[str, Any]) -> None:
    _amend(journal.streams, "stream", line["stream"], end_ns=line["end_ns"])


def _worker_ready(journal: Journalled, _at_ns: int, line: Mapping[str, Any]) -> None:
    number = line["worker"]
    journal.load_workers[number] = LoadWorker(
        number, line["workers"], line["pod"], line.get("node", ""), line["offset_ns"], line["error_ns"]
    )


def _worker_clock(journal: Journalled, _at_ns: int, line: Mapping[str, Any]) -> None:
    drift = {"drift_ns": line["drift_ns"], "drift_error_ns": line["error_ns"]}
    _amend(journal.load_workers, "worker", line["worker"], **drift)


def _worker_lost(journal: Journalled, at_ns: int, line: Mapping[str, Any]) -> None:
    lost = line.get("reason") or "no reason was given"
    _amend(journal.load_workers, "worker", line["worker"], lost_ns=at_ns, lost=lost)


def _note(journal: Journalled, at_ns: int, line: Mapping[str, Any]) -> None:
    journal.notes.append(Note(at_ns, line["text"]))


def _stopped(journal: Journalled, _at_ns: int, line: Mapping[str, Any]) -> None:
    journal.stopped = journal.stopped or line.get("reason") or "no reason was given"


def _end(journal: Journalled, at_ns: int, line: Mapping[str, Any]) -> None:
    journal.finished = True
    step_ns = line.get("wall_step_ns", 0)
    if abs(step_ns) >= NS:
        journal.notes.append(Note(at_ns, f"the wall clock stepped by {step_ns / NS:+.1f} s during the trial"))


def _ref(line: Mapping[str, Any]) -> Ref:
    return Ref(line["kind"], line.get("namespace") or "", line["name"], line.get("uid") or "")


K = TypeVar("K")
T = TypeVar("T", Action, Fault, Stream, LoadWorker)


def _begun(known: Mapping[K, T], what: str, name: K) -> T:
    if name not in known:
        raise ValueError(f"{what} {name!r} had not begun")
    return known[name]


def _amend(known: dict[K, T], what: str, name: K, **fields: Any) -> None:
    known[name] = replace(_begun(known, what, name), **fields)


TAKES: Mapping[str, Callable[[Journalled, int, Mapping[str, Any]], None]] = {
    "phase-begin": _phase_begin,
    "phase-end": _phase_end,
    "action-begin": _action_begin,
    "action-end": _action_end,
    "fault-begin": _fault_begin,
    "fault-landed": _fault_landed,
    "fault-missed": _fault_missed,
    "fault-result": _fault_result,
    "fault-healed": _fault_healed,
    "traffic-begin": _traffic_begin,
    "traffic-end": _traffic_end,
    "worker-ready": _worker_ready,
    "worker-clock": _worker_clock,
    "worker-lost": _worker_lost,
    "note": _note,
    "trial-stopped": _stopped,
    "trial-end": _end,
}
