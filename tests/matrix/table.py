"""Write docs/matrix.md: which check caught each broken system, and what every scenario said of each healthy one."""

import json
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

from variants import VARIANTS

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "runs" / "matrix"
MUTANTS = (*sorted((ROOT / "tests" / "mutants").glob("test_*.py")), Path("test_broken_services.py"))
SCENARIOS = tuple(one.stem for one in (ROOT / "scenarios").glob("test_*.py") if one.name != "test_soak.py")


def broken(file: Path) -> tuple[list[str], int]:
    """A line for each thing that was broken on purpose, and how many were not caught as they say."""
    kept = KEPT / f"{file.stem}.xml"
    if not kept.exists():
        return [f"| {file.stem} | | not tried |"], 1
    lines, wrong = [], 0
    for case in ET.parse(kept).getroot().iter("testcase"):  # noqa: S314  # written by our own tests
        told = next((one for kind in ("failure", "error", "skipped") for one in case.iter(kind)), None)
        known = {str(one.get("name")): str(one.get("value")) for one in case.iter("property")}
        what = known.get("broken") or str(case.get("name")).removeprefix("test_").replace("_", " ")
        words = "caught" if told is None else " ".join((told.get("message") or "").split())
        wrong += told is not None
        lines.append(f"| {what} | {known.get('caught by', '')} | {words} |")
    return lines, wrong


def healthy() -> tuple[list[str], int]:
    """A line for each variant: how many scenarios passed or cannot be had, each other answer; and how many of those."""
    lines, wrong = [], 0
    for name, variant in VARIANTS.items():
        kept = [json.loads(one.read_text()) for one in sorted(KEPT.glob(f"{name}-test_*.json"))]
        rows = [row for one in kept for row in one["rows"]]
        count = Counter(row["result"] for row in rows)
        amiss = [row for row in rows if row["result"] not in {"PASS", "skipped"}]
        others = [f"{row['scenario']}: {row['reason'].partition(' PASS ')[0]}" for row in amiss]
        others += [words for one in kept for words in one["wrong"]]
        untried = sorted(file for file in SCENARIOS if not (KEPT / f"{name}-{file}.json").exists())
        others += [f"not tried: {', '.join(untried)}"] if untried else []
        wrong += len(others)
        told = "; ".join(others) or "none"
        lines.append(f"| {variant.words} | {count['PASS']} | {count['skipped']} | {told} |")
    return lines, wrong


def main() -> int:
    """Write the document. Return 1 if anything was not as it should be."""
    found = [broken(file) for file in MUTANTS]
    missed = sum(one for _, one in found)
    services, wrong = healthy()
    text = [
        "# What is caught, and what is left in peace",
        "",
        "Made by `make matrix`, on the lab. Broken systems and faults, and the check that caught them:",
        "",
        "| broken | check and answer | what became of it |",
        "| --- | --- | --- |",
        *(line for lines, _ in found for line in lines),
        "",
        "Healthy services that kubectl deployed, with every scenario that can be had on them:",
        "",
        "| the service has | passed | cannot be had | any other answer |",
        "| --- | --- | --- | --- |",
        *services,
        "",
    ]
    (ROOT / "docs" / "matrix.md").write_text("\n".join(text))
    return 1 if missed or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
