"""The text in which servers expose metrics: Prometheus' text format 0.0.4 and OpenMetrics 1.0, read for chosen names.

Only sample lines are read: what HELP, TYPE and UNIT say of them may be wrong and decides nothing here. A line that is
none is skipped, as a server that writes one bad line may write many good ones. Exemplars and timestamps are left out:
a sample counts as of the moment at which it was asked for. Of a series that stands there twice the last value counts.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/, https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection

__all__ = ["LINE_MAX", "SERIES_MAX", "Sample", "samples"]

SERIES_MAX = 500
"""So many series of one page are kept: a label with a value for each user would have them without an end."""

LABELS_MAX, TEXT_MAX, LINE_MAX = 16, 120, 4096
"""The same bound for the labels of one series, their values, and a line: a longer one is skipped."""

Sample = tuple[str, dict[str, str], float]
"""Name, labels, and the value, which is always finite."""

_NAME = re.compile(r"[ \t]*([A-Za-z_:][A-Za-z0-9_:]*)[ \t]*")
_LABEL = re.compile(r'[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(,|(?=\}))')
_VALUE = re.compile(r"[ \t]*([+-]?[0-9A-Za-z.+-]+)(?=[ \t#]|$)")
_ESCAPED = re.compile(r"\\(.)")


def samples(page: str, names: Collection[str]) -> tuple[Sample, ...]:
    """The samples of these metrics, each series once, at most `SERIES_MAX`; a value that is no number is left out."""
    wanted = frozenset(names)
    kept: dict[tuple[str, tuple[tuple[str, str], ...]], Sample] = {}
    for line in page.split("\n"):
        if len(line) > LINE_MAX or (found := _NAME.match(line)) is None or found[1] not in wanted:
            continue
        if (sample := _sample(line, found[1], found.end())) is None:
            continue
        key = sample[0], tuple(sorted(sample[1].items()))
        if key in kept or len(kept) < SERIES_MAX:
            kept[key] = sample
    return tuple(kept.values())


def _sample(line: str, name: str, at: int) -> Sample | None:
    labels: dict[str, str] = {}
    if line[at : at + 1] == "{":
        at += 1
        while line[at : at + 1] != "}":
            label = _LABEL.match(line, at)
            if label is None:
                # A comma may stand after the last label, and blanks before the brace.
                if line[at:].lstrip(" \t")[:1] != "}":
                    return None
                at = line.index("}", at)
                break
            if len(labels) < LABELS_MAX:
                labels[label[1]] = _ESCAPED.sub(_meant, label[2])[:TEXT_MAX]
            at = label.end()
        at += 1
    value = _VALUE.match(line, at)
    try:
        number = float(value[1]) if value else math.nan
    except ValueError:
        return None
    return (name, labels, number) if math.isfinite(number) else None


def _meant(escaped: re.Match[str]) -> str:
    return "\n" if escaped[1] == "n" else escaped[1]
