"""Every scenario on every healthy variant: it passes, or says why it cannot be had; what was tried once is kept."""

import json
import shutil
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import pytest
from adopted_session import LONG, ON_NODES, ON_PODS, ROOT, SHORT, Row, TeamService, lab
from plain_model import consent, deploy_plainly, spec_with, spread_again
from variants import VARIANTS

from chaos.cluster import connect
from chaos.lab import Lab, LabFacts

__all__ = ["lab"]  # a fixture

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine"),
]

KEPT = ROOT / "runs" / "matrix"
"""What was tried already: a file for each variant and file of scenarios. Remove it to begin anew."""

FILES = tuple(sorted(one.name for one in (ROOT / "scenarios").glob("test_*.py") if one.name != "test_soak.py"))
REPLICAS = 4


@pytest.mark.parametrize("name", VARIANTS)
def test_no_scenario_fails_on_a_healthy_service(lab: tuple[Lab, LabFacts], name: str, tmp_path: Path) -> None:
    """A FAIL or an UNKNOWN of any scenario is a wrong answer about this service, or about that scenario."""
    left = [file for file in FILES if not _kept(name, file).exists()]
    if left:
        _try(*lab, name, left, tmp_path)
    found = [Row(**one) for file in FILES for one in json.loads(_kept(name, file).read_text())["rows"]]
    wrong = [one for file in FILES for one in json.loads(_kept(name, file).read_text())["wrong"]]
    assert wrong == []
    assert [f"{row.scenario}: {row.reason}" for row in found if row.result not in {"PASS", "skipped"}] == []
    assert any(row.result == "PASS" for row in found)


def _try(running: Lab, facts: LabFacts, name: str, files: list[str], folder: Path) -> None:
    """Deploy the variant, run these files of scenarios on it, and keep what became of each as soon as it is known."""
    variant, namespace = VARIANTS[name], f"team-{name}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        admin = stack.enter_context(connect(kubeconfig=facts.kubeconfig, context=facts.context))
        service = TeamService(running, facts, admin, namespace, variant.kind, spec=spec_with({}))
        stack.callback(service.remove)
        spec = spec_with({"replicas": REPLICAS, **variant.fields})
        deploy_plainly(facts.kubeconfig, admin, spec, namespace, change=variant.change, kind=variant.kind)
        consent(facts.kubeconfig, namespace, pods=",".join(ON_PODS), nodes=",".join(ON_NODES), kind=variant.kind)
        for file in files:
            answers = LONG if file == "test_termination.py" else SHORT
            rows, wrong = service.tried(folder / Path(file).stem, [f"scenarios/{file}"], answers)
            _kept(name, file).write_text(json.dumps({"rows": [asdict(row) for row in rows], "wrong": wrong}))
            spread_again(facts.kubeconfig, admin, namespace, variant.kind)


def _kept(name: str, file: str) -> Path:
    return KEPT / f"{name}-{Path(file).stem}.json"
