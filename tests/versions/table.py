"""Write docs/versions.md: what the scenarios and the property tests said on each Kubernetes that the lab can be."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from chaos.lab.control_plane.build import MINORS, Release, kubernetes_version
from chaos.lab.host.cache import cache_root

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "runs" / "versions"
SUITES = {
    "quick": "quick scenarios",
    "themes": "budgets, probes, autoscaler",
    "properties": "property tests",
}
"""The files of results, by what they hold; the Makefile's target `versions` writes them."""


def cell(kept: Path) -> tuple[str, bool]:
    """What one suite came to, and whether all that ran passed."""
    if not kept.exists() or not kept.stat().st_size:
        return "not run", False
    cases = list(ET.parse(kept).getroot().iter("testcase"))  # noqa: S314  # written by our own tests
    amiss, skipped = [], 0
    for case in cases:
        told = next((one for kind in ("failure", "error") for one in case.iter(kind)), None)
        skipped += next(case.iter("skipped"), None) is not None
        if told is not None:
            amiss.append(f"{case.get('name')}: {' '.join((told.get('message') or '').split())[:200]}")
    minutes, seconds = divmod(round(sum(float(case.get("time") or 0) for case in cases)), 60)
    words = f"{len(cases) - skipped - len(amiss)} passed"
    words += f", {skipped} skipped" if skipped else ""
    words += f", {len(amiss)} not: {'; '.join(amiss)}" if amiss else ""
    return f"{words} ({minutes} min {seconds} s)".replace("|", "/"), bool(cases) and not amiss


def row(release: Release, suites: tuple[str, ...]) -> tuple[str, bool]:
    """The line of one release, and whether each of its suites passed."""
    folder = KEPT / f"{release.control_plane}-{release.nodes}"
    cells = {suite: cell(folder / f"{suite}.xml") for suite in suites}
    shown = " | ".join(cells[suite][0] if suite in cells else "not meant to run" for suite in SUITES)
    whole = kubernetes_version(release.control_plane).removeprefix("v")
    nodes = kubernetes_version(release.nodes).removeprefix("v")
    return f"| {whole} | {nodes} | {shown} |", all(passed for _, passed in cells.values())


def sizes() -> str:
    """How much disk each compiled version takes."""
    found = []
    for minor in MINORS:
        programs = list((cache_root() / f"kube-{minor}").glob("*/kube"))
        if programs:
            found.append(f"{minor} {max(one.stat().st_size for one in programs) / 1e6:.0f} MB")
    return ", ".join(found)


def main() -> int:
    """Write the document. Return 1 if anything of it did not pass or was not run."""
    newest = MINORS[-1]
    asked = [(Release(minor, minor), tuple(SUITES)) for minor in MINORS]
    asked += [(Release(newest, older), ("quick",)) for older in MINORS[-2:-4:-1]]
    rows = [row(release, suites) for release, suites in asked]
    text = [
        "# On each Kubernetes",
        "",
        "Made by `make versions`, on the lab; each cell has its wall time.",
        "",
        f"| control plane | nodes | {' | '.join(SUITES.values())} |",
        f"| --- | --- {'| --- ' * len(SUITES)}|",
        *(line for line, _ in rows),
        "",
        f"The compiled programs in the cache: {sizes()}.",
        "",
    ]
    (ROOT / "docs" / "versions.md").write_text("\n".join(text))
    return 0 if all(passed for _, passed in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
