"""What the canary costs users: their p99 with it and without it, in turn within one trial on the lab, as root.

`python tests/bench/canary_cost.py --rounds 10 --block-s 30 --rate-rps 4`. Only requests that were meant and ended
within a block count, so that none met both. Exits with 1 if the p99 with the canary is over 1.05 times that without.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

import polars as pl

from chaos.checks import RateOffered
from chaos.checks.judge import Judgement
from chaos.errors import NotProven
from chaos.faults.permissions import CANARY
from chaos.history import load_history
from chaos.history.sli import SENT, response_s
from chaos.plugin.markers import allow_deploying
from chaos.plugin.session_report import draw_run
from chaos.progress import Terminal
from chaos.trial.canary import canary_of
from chaos.trial.environment import reference_profile, reference_spec
from chaos.trial.lab_environment import lab_environment
from chaos.trial.request import Output, ScenarioFacts, TrialRequest
from chaos.trial.run import RunningTrial, run_trial

WORST = 1.05
REPLICAS = 3

Block = tuple[int, int]
"""From when to when."""


def alternate(ready: RunningTrial, rounds: int, block_s: float, rate_rps: float) -> dict[bool, list[Block]]:
    """Let steady traffic flow while the canary comes and goes; when it was there, and when it was not."""
    context = ready.trial._context
    assert context is not None
    blocks: dict[bool, list[Block]] = {False: [], True: []}
    with ready.traffic.steady(rate_rps=rate_rps):
        ready.trial.baseline(duration_s=block_s)
        for _ in range(rounds):
            begin_ns = context.clock.now_ns()
            ready.trial.hold(duration_s=block_s)
            blocks[False].append((begin_ns, context.clock.now_ns()))
            with canary_of(context, reference_profile()) as canary:
                assert canary is not None, (context.run / "canary.jsonl").read_text()
                begin_ns = context.clock.now_ns()
                ready.trial.hold(duration_s=block_s)
                blocks[True].append((begin_ns, context.clock.now_ns()))
    return blocks


def p99_s(run: Path, blocks: Sequence[Block]) -> tuple[float, int]:
    """Users' p99 within the blocks, and of how many requests."""
    inside = [(pl.col("intended_ns") >= begin) & (pl.col("end_ns") < end) for begin, end in blocks]
    table = load_history(run).requests.filter(SENT & pl.any_horizontal(*inside))
    took = sorted(table.select(response_s().alias("s"))["s"].to_list())
    return took[math.ceil(0.99 * len(took)) - 1], len(took)


def main() -> int:
    """Measure, and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--block-s", type=float, default=30.0)
    parser.add_argument("--rate-rps", type=float, default=4.0)
    given = parser.parse_args()
    run = Path(mkdtemp(prefix="canary-cost-")) / "run"

    def draw(judgement: Judgement) -> Path:
        draw_run(judgement)
        return judgement.run

    with lab_environment(nodes=3, keep=False, words="what the canary costs", progress=Terminal()) as lab:
        allow_deploying(lab, [CANARY])
        request = TrialRequest(
            scenario=ScenarioFacts("canary_cost", "tests/bench/canary_cost.py", "What the canary costs users.", 7),
            run=run,
            system=reference_spec(lab).having(replicas=REPLICAS),
            profile=reference_profile(),
        )
        with run_trial(lab, request, Output(say=lambda _: None, draw=draw)) as ready:
            blocks = alternate(ready, given.rounds, given.block_s, given.rate_rps)
            try:
                ready.trial.judge(RateOffered(), needs_fault=False)
            except NotProven as doubt:
                sys.stdout.write(f"not proven: {doubt}\n")
                return 1
    (without_s, count), (beside_s, others) = p99_s(run, blocks[False]), p99_s(run, blocks[True])
    asked = load_history(run).canary
    assert asked is not None
    sys.stdout.write(
        f"p99 {without_s:.3f} s without ({count} requests), {beside_s:.3f} s with the canary ({others}), "
        f"{beside_s / without_s:.3f} times; it asked {len(asked.requests)} times; {run}\n"
    )
    return 0 if beside_s <= WORST * without_s else 1


if __name__ == "__main__":
    sys.exit(main())
