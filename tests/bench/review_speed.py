"""How long `gameday review` takes for a thousand documents, and for four times as many.

Run it by hand: `python tests/bench/review_speed.py [documents]`. Prints seconds, and fails if they are over the limit
or grow faster than the documents.
"""

import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from review_stories import service_of, workload_of

from chaos.review import Review, review

REACH_S = 2.0
TIMES = 4
GROWTH_MAX = 1.5 * TIMES


def written(folder: Path, documents: int) -> Path:
    """So many documents in one namespace, three to a service; each service lacks a probe."""
    made = []
    for number in range(documents // 3):
        name, labels = f"chat-{number}", {"app": f"chat-{number}", "team": "ml"}
        _, service, budget = service_of(service={"selector": labels}, budget={"selector": {"matchLabels": labels}})
        named = [{**one, "metadata": {"name": name, "namespace": "prod"}} for one in (service, budget)]
        workload = workload_of(name, labels=labels, container={"livenessProbe": None})
        workload["metadata"]["namespace"] = "prod"
        made += [workload, *named]
    path = folder / f"{documents}.yaml"
    path.write_text(yaml.safe_dump_all(made), encoding="utf-8")
    return path


def measured(path: Path) -> tuple[float, Review]:
    """The median of three reviews."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        found = review([str(path)])
        took.append(time.monotonic() - began)
    return sorted(took)[1], found


def main() -> int:
    """Review them, print, and say whether it is quick enough."""
    documents = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        few_s, found = measured(written(Path(folder), documents))
        many_s, _ = measured(written(Path(folder), TIMES * documents))
    sys.stdout.write(f"{documents} documents, {len(found.findings)} findings: {few_s:.2f} s\n")
    sys.stdout.write(f"{TIMES * documents} documents: {many_s:.2f} s, {many_s / few_s:.1f} times as long\n")
    return 0 if few_s <= REACH_S and many_s <= GROWTH_MAX * few_s else 1


if __name__ == "__main__":
    sys.exit(main())
