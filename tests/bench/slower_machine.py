"""Whether scenarios say the same on a slower machine: all of them on the lab, alone and beside a burner.

`python tests/bench/slower_machine.py [SCENARIOS…]` (as root) runs pytest on them twice, on a lab of its own each time:
with nothing beside it, and with half of a core taken throughout. What one replica carries is learned anew for each: it
is another machine. It prints the verdicts side by side and exits with 1 unless they are the same, and all PASS or
skipped. A session that is in `--out` already is not run again. Without scenarios it runs them all, which takes hours.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

from burner import burning  # noqa: E402  # where it lies is known only now

from chaos.lab.host.cache import cache_root  # noqa: E402

LEAST = 0.8
"""The part of its share that the burner must have had, or else it was no burden."""

KEPT = "replica-capacity"
GOOD = ("PASS", "skipped")


@contextmanager
def learning_anew(folder: Path) -> Iterator[None]:
    """Lay aside what was learned of replicas; it is back afterwards, in place of what was learned meanwhile."""
    aside = folder.with_name(f"{folder.name}.aside")
    if aside.exists():  # a run that was killed laid it aside
        shutil.rmtree(folder, ignore_errors=True)
    else:
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.rename(aside)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)


def session(scenarios: Sequence[str], junit: Path) -> None:
    """Run them; what became of each is in the file."""
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *scenarios, "--junitxml", str(junit)]
    argv += ["--gameday-runs", str(junit.parent / f"runs-{junit.stem}")]
    with learning_anew(cache_root() / KEPT):
        subprocess.run(argv, cwd=ROOT, check=False)


def outcomes(junit: Path) -> dict[str, str]:
    """What became of each scenario: PASS, skipped, or its kind of failure with the first line of it.

    None of a session that never came to its end.
    """
    found: dict[str, str] = {}
    if not junit.exists():
        return found
    for case in ET.parse(junit).getroot().iter("testcase"):  # noqa: S314  # written by pytest for us
        told = next((one for kind in ("skipped", "failure", "error") for one in case.findall(kind)), None)
        name = f"{case.get('classname')}::{case.get('name')}"
        if told is None:
            found[name] = "PASS"
        else:
            words = (told.get("message") or "").strip().partition("\n")[0]
            found[name] = "skipped" if told.tag == "skipped" else f"{told.tag}: {words}"
    return found


def table(alone: Mapping[str, str], burdened: Mapping[str, str]) -> Iterator[str]:
    """Both verdicts of each scenario, in Markdown."""
    yield "| scenario | alone | beside the burner | |"
    yield "| --- | --- | --- | --- |"
    for name in sorted({*alone, *burdened}):
        one, other = alone.get(name, "not run"), burdened.get(name, "not run")
        same = "" if one.partition(":")[0] == other.partition(":")[0] else "differs"
        yield f"| {name} | {one} | {other} | {same} |"


def holds(alone: Mapping[str, str], burdened: Mapping[str, str]) -> bool:
    """Whether both are the same, some passed, and none did anything else than pass or be skipped."""
    said = [*alone.values(), *burdened.values()]
    return alone == burdened and "PASS" in said and all(one in GOOD for one in said)


def main() -> int:
    """Run what is not there yet, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", default=["scenarios"])
    parser.add_argument("--out", type=Path, default=ROOT / "runs/slower")
    parser.add_argument("--share", type=float, default=0.5, help="of one core, that the burner takes")
    parser.add_argument("--hours-max", type=float, default=6.0, help="after so long the burner ends by itself")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    alone, burdened = given.out / "alone.xml", given.out / "burdened.xml"
    if not alone.exists():
        session(given.scenarios, alone)
    if not burdened.exists():
        with burning(given.share, at_most_s=3600 * given.hours_max) as had:
            session(given.scenarios, burdened)
            took = had()
        sys.stdout.write(f"the burner took {took:.2f} of a core\n")
        if took < LEAST * given.share:
            burdened.unlink(missing_ok=True)
            sys.stdout.write("that is no burden: run it again\n")
            return 1
    both = outcomes(alone), outcomes(burdened)
    sys.stdout.write("\n".join(table(*both)) + "\n")
    return 0 if holds(*both) else 1


if __name__ == "__main__":
    sys.exit(main())
