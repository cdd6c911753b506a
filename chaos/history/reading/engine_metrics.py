"""Reading engine-metrics.jsonl: what the servers said of themselves, which only some runs have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.history.reading.jsonl import read_lines
from chaos.history.samples import NO_ENGINE, EngineNames, EngineRecord, EngineSample, SeriesName

__all__ = ["read_engine"]

QUANTITIES = ("running", "waiting", "cache_use", "generated_tokens", "finished", "preemptions", "kept")

Values = tuple[tuple[str, Mapping[str, str], float], ...]


def read_engine(path: Path) -> tuple[EngineRecord, str]:
    """Read the file, and give a remark, empty if there is none; a missing file is no record.

    Raises `UsageError`, with the line, for a whole line that is not as docs/run-folder.md says.
    """
    if not path.exists():
        return NO_ENGINE, ""
    engines: dict[str, EngineNames] = {}
    samples: list[EngineSample] = []
    last: dict[str, Values] = {}
    shared: dict[tuple[str, ...], tuple[str, Mapping[str, str]]] = {}

    def take(line: dict[str, Any]) -> None:
        if "names" in line:
            engines[line["engine"]] = names_of_plain(line["engine"], line["names"])
            return
        uid, error = str(line["uid"]), str(line.get("error", ""))
        if line.get("same"):
            if uid not in last:
                raise ValueError("the first line of a pod says that it is the same as the one before")
            values = last[uid]
        else:
            values = last[uid] = tuple(_value(one, shared) for one in line.get("values") or ())
        samples.append(
            EngineSample(
                at_ns=int(line["at_ns"]),
                asked_ns=int(line["asked_ns"]),
                pod=str(line["pod"]),
                uid=uid,
                engine=str(line.get("engine", "")),
                values=() if error else values,
                error=error,
            )
        )

    remark = read_lines(path, take)
    return EngineRecord(engines, tuple(samples)), remark


def names_of_plain(name: str, raw: Mapping[str, Any]) -> EngineNames:
    """What the series of an engine mean, as the file has it. Raises `TypeError` or `ValueError` for another shape."""
    return EngineNames(
        name=str(name),
        title=str(raw.get("title", "")),
        finished_label=str(raw.get("finished_label", "")),
        cut_reasons=tuple(map(str, raw.get("cut_reasons") or ())),
        **{one: tuple(map(_series, raw.get(one) or ())) for one in QUANTITIES},
    )


def _series(raw: Any) -> SeriesName:
    name, label, value = raw
    return str(name), str(label), str(value)


def _value(
    raw: Any, shared: dict[tuple[str, ...], tuple[str, Mapping[str, str]]]
) -> tuple[str, Mapping[str, str], float]:
    """One value of a series; the name and labels of a series are held once, however often it was read."""
    name, labels, value = raw
    told = {str(key): str(one) for key, one in dict(labels).items()}
    series = shared.setdefault((str(name), *told, *told.values()), (str(name), told))
    return *series, float(value)
