"""How long a report takes and how large it is, for a million requests and a hundred thousand watch events.

Run it by hand: `python tests/bench/report_size.py [requests] [events]`. Prints seconds and bytes, and fails if the page
is over its limit.
"""

import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from report_histories import INITIAL, Asked, PodPlan, at, fault, history, replaced, samples, table_of

from chaos.checks.verdict import Answer, Finding, Verdict
from chaos.clock import NS
from chaos.history import History, Phase
from reports import summarise, to_json, write_html
from reports.page.report import SIZE_MOST_BYTES

HOUR_S = 3600.0
OUTCOMES = ["ok"] * 985 + ["refused"] * 5 + ["failed"] * 4 + ["unanswered"] * 3 + ["late"] * 2 + ["truncated"]


def requests(count: int) -> pl.DataFrame:
    """An hour of requests at a steady rate, log-normal, in every outcome, three token gaps each."""
    chance = random.Random(1)  # noqa: S311  # made to repeat, not to be secret
    intended = [at(0) + round(k * HOUR_S * NS / count) for k in range(count)]
    took = [round(chance.lognormvariate(-2, 0.8) * NS) for _ in range(count)]
    rows = {
        "id": range(count),
        "stream": ["steady-1"] * count,
        "intended_ns": intended,
        "sent_ns": intended,
        "first_token_ns": [a + b // 3 for a, b in zip(intended, took, strict=True)],
        "end_ns": [a + b for a, b in zip(intended, took, strict=True)],
        "outcome": chance.choices(OUTCOMES, k=count),
        "token_gaps_ns": [[b // 20] * 3 for b in took],
    }
    return table_of(rows)


def pods(events: int) -> tuple[list[PodPlan], list[tuple[float, PodPlan]]]:
    """Pods that flap Ready often enough for so many events, and a pod killed every two minutes."""
    chance = random.Random(2)  # noqa: S311  # made to repeat, not to be secret
    lives, kills, living = [], [], dict(enumerate(INITIAL))
    for number, kill_s in enumerate(range(120, int(HOUR_S) - 60, 120)):
        slot = chance.randrange(len(living))
        dead, replacement = replaced(living[slot], float(kill_s), kill_s + 9.0, f"model-6f7d9c-{number:05d}", "n2")
        kills.append((float(kill_s), living[slot]))
        lives.append(dead)
        living[slot] = replacement
    flapping = 20
    each = (events - 10 * len(lives)) // (2 * flapping)
    for k in range(flapping):
        step_s = (HOUR_S - 2) / each
        spans = tuple((1 + n * step_s, 1 + (n + 0.2) * step_s) for n in range(each))
        lives.append(PodPlan(f"model-6f7d9c-flap{k}", f"n{k % 3}", -1, None, unready=spans))
    return [*lives, *living.values()], kills


def made(count: int, events: int) -> History:
    """The history of that hour."""
    lives, kills = pods(events)
    faults = tuple(fault(when_s, when_s + 20, plan, number=k) for k, (when_s, plan) in enumerate(kills, 1))
    given = {
        "faults": faults,
        "phases": (Phase("baseline", at(0), at(120)), Phase("fault", at(120), at(HOUR_S - 60))),
        "generator": samples(0, int(HOUR_S), count / HOUR_S),
    }
    whole = history(HOUR_S, tuple(lives), Asked(), count / HOUR_S, traffic_s=(0, HOUR_S), **given)
    return replace(whole, requests=requests(count))


def main(count: int = 1_000_000, events: int = 100_000) -> int:
    """Measure once, and print."""
    whole = made(count, events)
    verdict = Verdict.of((Finding("slo-met", Answer.PASS, "users are served", "objective 0.98", "availability 0.987"),))
    began = time.perf_counter()
    report = summarise(whole, verdict)
    summed_s = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        write_html(report, path)
        written_s = time.perf_counter() - began - summed_s
        size = path.stat().st_size
        if len(sys.argv) > 3:
            path.rename(sys.argv[3])
    sys.stdout.write(
        f"{whole.requests.height:,} requests, {len(whole.watch):,} watch events, {len(whole.faults)} faults: "
        f"summed in {summed_s:.2f} s, written in {written_s:.2f} s, "
        f"{size:,} bytes (limit {SIZE_MOST_BYTES:,}), JSON {len(to_json(report)):,} bytes\n"
    )
    return 0 if size <= SIZE_MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:3])))
