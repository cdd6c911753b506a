"""Services that are broken as teams break them: the scenario says so, by the check and in the words that are named."""

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from adopted_session import LONG, ON_NODES, ON_PODS, SHORT, TeamService, lab
from broken_services import BROKEN, KILL_HALF, SWITCH
from plain_model import consent, deploy_plainly, kubectl, spec_with

from chaos.cluster import connect
from chaos.lab import Lab, LabFacts

__all__ = ["lab"]  # a fixture

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine"),
]

REPLICAS = 4


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_found(
    lab: tuple[Lab, LabFacts], name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The check that the service names gives its answer and its reason; a PASS is a wrong one."""
    running, facts = lab
    broken, namespace = BROKEN[name], f"broken-{name}"
    properties = request.node.user_properties
    properties += [("broken", broken.service.words), ("caught by", f"{broken.check}: {broken.answer}")]
    with ExitStack() as stack:
        admin = stack.enter_context(connect(kubeconfig=facts.kubeconfig, context=facts.context))
        kind = broken.service.kind
        service = TeamService(running, facts, admin, namespace, kind, spec=spec_with({}), named=broken.named)
        stack.callback(service.remove)
        spec = spec_with({"replicas": REPLICAS, **broken.service.fields})
        deploy_plainly(facts.kubeconfig, admin, spec, namespace, change=broken.service.change, kind=kind)
        consent(facts.kubeconfig, namespace, pods=",".join(ON_PODS), nodes=",".join(ON_NODES), kind=kind)
        if broken.without_switch:
            kubectl(facts.kubeconfig, "delete", "configmap", SWITCH, "-n", namespace)
        if broken.afterwards:
            kubectl(facts.kubeconfig, "apply", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(broken.afterwards))
        answers = LONG if broken.scenario == KILL_HALF else SHORT
        _, found = service.run(tmp_path / "run", [f"scenarios/{broken.scenario}"], answers)
    (row,) = found
    assert row.result == "failure", row
    _, _, said = row.reason.partition(f"{broken.answer} {broken.check} ")
    assert said, row.reason
    assert broken.because in said, row.reason
