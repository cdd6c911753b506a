"""Loading a run folder, as docs/run-folder.md describes it, into a `History`.

Whole lines are read strictly: one that is not as described makes the folder damaged, and that is an error, not a
verdict. A last line that was cut, because the run was killed, is left out and noted. What is missing reads as empty.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from chaos.errors import UsageError
from chaos.history.facts.replica_counts import unknown_spans
from chaos.history.model import GeneratorSample, History, Note, TrialFacts
from chaos.history.reading.action_log import Journalled, read_journal
from chaos.history.reading.canary_log import read_canary
from chaos.history.reading.container_logs import read_logs
from chaos.history.reading.engine_metrics import read_engine
from chaos.history.reading.measurements import read_generator, read_metric_values, read_metrics, read_requests
from chaos.history.reading.replica_names import named
from chaos.history.reading.watch_log import WatchLog, read_watch

__all__ = ["TRIAL_SCHEMA", "load_history"]

TRIAL_SCHEMA = 2
"""Of trial.json. An older one has other names for some fields, and a dry run would read as a real one."""


def load_history(run: Path) -> History:
    """Load the run folder `run`; it may still be in the making.

    Raises `UsageError` if there is no trial.json in it, or if a whole line of any file is not as described.
    """
    facts = _facts(run / "trial.json")
    with ThreadPoolExecutor(1) as beside:
        # Two cores: the table is parsed without Python's lock, while the objects of the watch need it.
        table = beside.submit(read_requests, run / "requests.jsonl")
        journal = read_journal(run / "actions.jsonl")
        alive_ns = None if journal.finished else journal.last_ns
        watch = read_watch(run / "watch.jsonl", alive_ns=alive_ns)
        generator, generator_remark = read_generator(run / "generator.jsonl")
        metrics, metrics_remark = read_metrics(run / "metrics.jsonl")
        metric_values, values_remark = read_metric_values(run / "custom-metrics.jsonl")
        engine, engine_remark = read_engine(run / "engine-metrics.jsonl")
        logs, logs_remark = read_logs(run)
        canary, canary_remark = read_canary(run / "canary.jsonl")
        roles = {one.name: (one, read_watch(one / "watch.jsonl", alive_ns=alive_ns)) for one in _role_folders(run)}
        requests, requests_remark = table.result()
    last_request_ns = requests["end_ns"].max()
    began_ns, ended_ns = _span(facts, journal, watch, generator, last_request_ns)
    found = (journal.remark, watch.remark, generator_remark, requests_remark, metrics_remark, values_remark)
    remarks = (*found, canary_remark, engine_remark, logs_remark)
    history = History(
        facts=facts,
        began_ns=began_ns,
        ended_ns=ended_ns,
        watch=watch.events,
        gaps=(*watch.gaps, *unknown_spans(facts, watch.events, ended_ns)),
        late=watch.late,
        covered_ns=watch.covered_ns,
        actions=tuple(journal.actions.values()),
        faults=tuple(journal.faults.values()),
        phases=tuple(journal.phases),
        streams=tuple(journal.streams.values()),
        generator=generator,
        load_workers=tuple(worker for _, worker in sorted(journal.load_workers.items())),
        metrics=metrics,
        metric_values=metric_values,
        engine=engine,
        logs=logs,
        notes=(*journal.notes, *(Note(ended_ns, remark) for remark in remarks if remark)),
        requests=named(requests, chain(watch.events, *(seen.events for _, seen in roles.values()))),
        canary=canary,
        stopped=journal.stopped,
        finished=journal.finished,
    )
    return replace(history, roles={name: _of_role(history, *role) for name, role in roles.items()})


def _role_folders(run: Path) -> list[Path]:
    return sorted((run / "roles").glob("*"))


def _of_role(history: History, folder: Path, watch: WatchLog) -> History:
    """The same trial as another workload of the system saw it: its watch, and the faults that hit something of it.

    Those without victims, e.g. of what autoscalers see by, hit all of it.
    """
    facts = _facts(folder / "trial.json")
    seen = {str((event.object.get("metadata") or {}).get("uid") or "") for event in watch.events} - {""}
    return replace(
        history,
        facts=facts,
        watch=watch.events,
        gaps=(*watch.gaps, *unknown_spans(facts, watch.events, history.ended_ns)),
        late=watch.late,
        covered_ns=watch.covered_ns,
        faults=tuple(one for one in history.faults if not one.victims or any(ref.uid in seen for ref in one.victims)),
        metrics=(),
    )


def _facts(path: Path) -> TrialFacts:
    damaged = "the run folder is damaged: judge an intact copy"
    try:
        raw: dict[str, Any] = json.loads(path.read_bytes())
        if raw.get("schema") != TRIAL_SCHEMA:
            raise UsageError(
                f"{path} was recorded by another version of gameday (schema {raw.get('schema')}, not {TRIAL_SCHEMA})",
                "judge it with the version that recorded it",
            )
        system = raw["system"]
        _clock_ns(raw)
        return TrialFacts(
            scenario=raw["scenario"],
            claim=raw.get("claim", ""),
            seed=raw["seed"],
            dry_run=bool(raw.get("dry_run", False)),
            namespace=system["namespace"],
            workload_kind=system["workload"]["kind"],
            workload_name=system["workload"]["name"],
            service=system.get("service", ""),
            raw=raw,
        )
    except FileNotFoundError:
        raise UsageError(
            f"{path.parent} is not a run folder: it has no trial.json",
            "name a folder like runs/<utc>-<scenario>-<seed>",
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: no JSON: {error}", damaged) from None
    except KeyError as error:
        raise UsageError(f"{path}: field {error} is missing", damaged) from None
    except (TypeError, AttributeError) as error:
        raise UsageError(f"{path}: a field is of another kind: {error}", damaged) from None


def _clock_ns(raw: Mapping[str, Any]) -> int:
    """When the trial's clock was started, UTC epoch nanoseconds. Raises `ValueError` for what is no time."""
    clock_ns = int((raw.get("clock") or {}).get("utc_ns", 0))
    if not 0 <= clock_ns < 2**63:
        raise ValueError("clock.utc_ns is no time")
    return clock_ns


def _span(
    facts: TrialFacts,
    journal: Journalled,
    watch: WatchLog,
    generator: tuple[GeneratorSample, ...],
    last_request_ns: Any,
) -> tuple[int, int]:
    """From the first moment that the run knows of to the last that any file speaks of."""
    clock_ns = _clock_ns(facts.raw)
    began_ns = clock_ns or journal.first_ns or 0
    ends = (began_ns, journal.last_ns, watch.last_ns, generator[-1].at_ns if generator else None, last_request_ns)
    return began_ns, max(end for end in ends if end is not None)
