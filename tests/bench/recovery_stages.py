"""How long each stage of a recovery takes: bound, median and worst over many kills, hangs and node losses on the lab.

`python tests/bench/recovery_stages.py --kills 20 --hangs 20 --losses 5` (as root) makes so many, one after the other in
one trial of each kind, and prints the table over all run folders under `--runs`; so portions add up. Without a number
it only prints. Exits with 1 if any stage was late or is not known.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from stage_trials import DETECTION_S

from chaos.checks.recovery.stage_judge import Recovery, recoveries
from chaos.checks.recovery.stages import Stage
from chaos.checks.verdict import Answer
from chaos.clock import seconds
from chaos.history import load_history

HERE = Path(__file__).parent
HEAD = ("stage", "since", "bound s", "median s", "worst s", "part of the whole, median s", "seen")


def run(trial: str, faults: int, runs: Path) -> None:
    """Run one trial of so many faults on the lab; what it found is in its run folder."""
    file = f"{HERE / 'stage_trials.py'}::{trial}"
    command = [sys.executable, "-m", "pytest", "-q", file, "--faults", str(faults), "--gameday-runs", str(runs)]
    subprocess.run(command, check=False, cwd=HERE.parent.parent)


def read(runs: Path) -> Iterator[Recovery]:
    """Every recovery in the run folders, judged anew."""
    for folder in sorted(path.parent for path in runs.glob("*/trial.json")):
        history = load_history(folder)
        if history.stopped or not history.finished:
            sys.stdout.write(f"left out, for its trial was cut short: {folder.name}\n")
            continue
        hung = any(fault.name == "process-hang" for fault in history.faults)
        yield from recoveries(history, detection_s=DETECTION_S if hung else 0.0)


def table(kind: str, found: Sequence[Recovery]) -> Iterator[str]:
    """The table of one kind of recovery, in Markdown."""
    whole = [one.whole_s for one in found]
    broken = sum(one.broken for one in found)
    unknown = sum(any(stage.answer is Answer.UNKNOWN for stage in one.stages) for one in found)
    yield f"{len(found)} x {kind}: whole median {statistics.median(whole):.2f} s, worst {max(whole):.2f} s"
    yield f"stages late in {broken}, not known in {unknown}"
    yield ""
    yield "| " + " | ".join(HEAD) + " |"
    yield "| " + " | ".join("---" for _ in HEAD) + " |"
    for name in dict.fromkeys(stage.name for one in found for stage in one.stages):
        yield _row([stage for one in found for stage in one.stages if stage.name == name], len(found))
    yield ""


def _row(stages: Sequence[Stage], count: int) -> str:
    took = [seconds(stage.took_ns) for stage in stages if stage.took_ns is not None]
    bounds = sorted({round(stage.rule.bound.total_s, 1) for stage in stages if stage.rule.bound is not None})
    bound = "none" if not bounds else _words(bounds)
    cells = (
        stages[0].name,
        " and ".join(stages[0].rule.since),
        bound,
        f"{statistics.median(took):.3f}" if took else "-",
        f"{max(took):.3f}" if took else "-",
        f"{statistics.median(seconds(stage.part_ns) for stage in stages):.3f}",
        f"{len(took)} of {count}",
    )
    return "| " + " | ".join(cells) + " |"


def _words(bounds: Sequence[float]) -> str:
    return f"{bounds[0]:g}" if len(bounds) == 1 else f"{bounds[0]:g} to {bounds[-1]:g}"


def _kind(recovery: Recovery) -> str:
    """The fault and the path back: the stages of another path begin with other steps."""
    return f"{recovery.timeline.fault.name}, {recovery.timeline.loss.path}"


def late(found: Iterable[Recovery]) -> Iterator[str]:
    """Each stage that was late or is not known, in words."""
    for one in found:
        for stage in one.stages:
            if stage.answer is not Answer.PASS:
                yield f"{stage.answer.name} {one.timeline.fault.id} {one.who}: {stage.name} {stage.reason}"


def main() -> int:
    """Inject what was asked for, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=0, help="pod kills, all in one trial")
    parser.add_argument("--hangs", type=int, default=0, help="hangs, all in one trial")
    parser.add_argument("--runs", type=Path, default=Path("runs/stages"), help="where run folders are made and read")
    parser.add_argument("--losses", type=int, default=0, help="nodes that are switched off, all in one trial")
    given = parser.parse_args()
    runs = given.runs.resolve()
    for trial, count in (("test_kills", given.kills), ("test_hangs", given.hangs), ("test_losses", given.losses)):
        if count:
            run(trial, count, runs)
    found = tuple(read(runs))
    for kind in dict.fromkeys(map(_kind, found)):
        for line in table(kind, [one for one in found if _kind(one) == kind]):
            sys.stdout.write(line + "\n")
    troubles = list(late(found))
    sys.stdout.write("".join(f"{line}\n" for line in troubles) or "every stage within its bound\n")
    return 1 if troubles or not found else 0


if __name__ == "__main__":
    sys.exit(main())
