"""Every scenario on a service that others deployed, as the printed identity: it passes or says why it cannot be had."""

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from adopted_session import LONG, ON_NODES, ON_PODS, ROOT, SHORT, Row, TeamService, lab
from asked_systems import System, asked, systems
from plain_model import consent, deploy_plainly, spec_with, spread_again

from chaos.cluster import connect
from chaos.lab import Lab, LabFacts

__all__ = ["lab"]  # a fixture

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine"),
]

CANNOT_BE_HAD = {
    "test_a_replica_that_is_cut_off_costs_its_share_and_returns",
    "test_an_hour_of_steady_load_with_trouble_every_few_minutes",
}
"""The one as the lab enforces no NetworkPolicy, the other as it takes an hour."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each system that scenarios ask for its own test."""
    if "stands" in metafunc.fixturenames:
        found = systems(spec_with({}), asked(ROOT))
        metafunc.parametrize("stands", found, ids=[one.name for one in found])


def test_the_scenarios_pass_or_are_skipped_and_leave_all_as_it_was(
    lab: tuple[Lab, LabFacts], stands: System, tmp_path: Path
) -> None:
    """No scenario fails or is refused, and what the owners wrote in namespace and nodes reads as before."""
    running, facts = lab
    namespace = f"team-{stands.name}"
    with ExitStack() as stack:
        admin = stack.enter_context(connect(kubeconfig=facts.kubeconfig, context=facts.context))
        scaled = stands.spec if stands.spec.autoscale else None
        service = TeamService(running, facts, admin, namespace, data=stands.spec.kept_files, spec=scaled)
        stack.callback(service.remove)
        deploy_plainly(facts.kubeconfig, admin, stands.spec, namespace)
        consent(facts.kubeconfig, namespace, pods=",".join(ON_PODS), nodes=",".join(ON_NODES))
        table, wrong = list[Row](), list[str]()
        for file, scenarios in stands.by_file().items():
            if table:
                spread_again(facts.kubeconfig, admin, namespace)
            found, amiss = service.tried(tmp_path / file, scenarios, LONG if file == "test_termination" else SHORT)
            table, wrong = table + found, wrong + amiss
        print()  # noqa: T201  # the table is what a person runs this for
        for row in table:
            print(f"| {row.scenario} | {row.result} | {row.took_s:.0f} s | {row.reason} |")  # noqa: T201
        assert wrong == []
        assert len(table) == len(stands.scenarios)
        assert {row.result for row in table} <= {"PASS", "skipped"}
        assert {row.scenario for row in table if row.result == "skipped"} <= CANNOT_BE_HAD
