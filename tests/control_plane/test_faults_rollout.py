"""Changes of a template on a real control plane: rolled out, put back, and never over somebody else's change."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from cluster_room import limit
from fault_ground import SIX, FaultGround, fault_ground
from fault_proxy import Drop, FaultProxy, Swallow
from simulated_cluster import SimulatedCluster

from chaos.cluster import mutations
from chaos.errors import UsageError
from chaos.faults import BadRollout, RollingUpdate
from chaos.faults.support.object_patch import Template
from chaos.objects.base import Ref

THREE = SIX.having(replicas=3, env={"COLOUR": "blue"})
START_S = 60
"""As long as the startup probe of each of them permits."""


@pytest.fixture
def proxy(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[FaultProxy]:
    """A proxy that breaks the faults' own calls on demand."""
    with FaultProxy(simulated.kubeconfig, tmp_path) as standing:
        yield standing


@pytest.fixture
def ground(simulated: SimulatedCluster, tmp_path: Path, proxy: FaultProxy) -> Iterator[FaultGround]:
    """Three replicas, acted on through the proxy."""
    with fault_ground(simulated, tmp_path, THREE, through=(proxy.kubeconfig, proxy.context)) as stood:
        yield stood


def template(ground: FaultGround) -> dict[str, Any]:
    """The pod template as the server has it."""
    found = ground.cluster.get("Deployment", ground.system.namespace, "model")
    assert found is not None
    whole: dict[str, Any] = found["spec"]["template"]
    return whole


def env(ground: FaultGround) -> dict[str, str]:
    """The environment variables in the template."""
    return {one["name"]: one["value"] for one in template(ground)["spec"]["containers"][0]["env"]}


def test_an_update_replaces_every_pod_and_stays(ground: FaultGround) -> None:
    """It has landed with the first new pod, waits for three slow starts, is finished when all are new, and stays."""
    before = {pod.uid for pod in ground.pods()}
    update = RollingUpdate(ground.system.workload)
    assert ground.land(update).endswith("is made from the new template")
    _, injection = ground.injections[-1]
    assert cast("Any", injection).ended.deadline_s > 3 * START_S
    ground.await_(update.ended)
    assert ground.result()["result"] == "finished"
    assert "3 of 3 replicas updated, 3 available" in ground.result()["words"]
    assert not before & {pod.uid for pod in ground.pods()}
    after = template(ground)
    assert ground.heal(update) == ""
    assert template(ground) == after


def test_an_update_that_a_quota_refuses_has_landed(ground: FaultGround) -> None:
    """No pod of the new template may be made: that is what the fault did, and its proof is the API server's word."""
    limit(ground.cluster, ground.executor, ground.system.namespace, {"pods": "3"})
    update = RollingUpdate(ground.system.workload, deadline_s=5)
    assert "exceeded quota" in ground.land(update)
    ground.await_(update.ended)
    assert ground.result()["result"] == "failed"
    assert len(ground.pods()) == 3
    # What was refused before, of this workload or another, is no proof of the next one.
    later = Template(ground.context, ground.system.workload)
    assert later.make(lambda template: template) == ""
    assert later.refused() == ""


def test_a_second_update_rolls_again(ground: FaultGround) -> None:
    """The annotation differs from the one that a former update left, so that there is something to roll."""
    for _ in range(2):
        update = RollingUpdate(ground.system.workload)
        ground.land(update)
        ground.await_(update.ended)
        assert ground.heal(update) == ""
    results = [line["result"] for line in ground.lines() if line["event"] == "fault-result"]
    assert results == ["finished", "finished"]


def test_environment_variables_are_put_back(ground: FaultGround) -> None:
    """The heal restores the template as it was, word for word, for variables that were there and that were not."""
    before = template(ground)
    update = RollingUpdate(ground.system.workload, env={"COLOUR": "red", "SIZE": "big"})
    ground.land(update)
    assert env(ground) == {"COLOUR": "red", "SIZE": "big"}
    assert ground.heal(update) == ""
    assert template(ground) == before


@pytest.mark.parametrize("kind", ["image", "probe"])
def test_a_bad_template_is_put_back_word_for_word(ground: FaultGround, kind: Any) -> None:
    """Whatever made the release bad is gone after the heal: the template equals the former one."""
    before = template(ground)
    bad = BadRollout(ground.system.workload, kind=kind)
    assert ground.inject(bad) == ""
    container = template(ground)["spec"]["containers"][0]
    if kind == "image":
        assert container["image"] == "registry.example/model:gameday-no-such-image"
    else:
        assert container["readinessProbe"]["httpGet"]["path"] == "/gameday-never-ready"
    assert ground.heal(bad) == ""
    assert template(ground) == before


def test_a_template_that_somebody_else_changed_is_left_and_told(ground: FaultGround) -> None:
    """The heal never overwrites a change that is not ours; it returns the command that undoes a rollout."""
    bad = BadRollout(ground.system.workload, kind="image")
    assert ground.inject(bad) == ""
    theirs = {"spec": {"template": {"metadata": {"annotations": {"by": "somebody else"}}}}}
    assert ground.executor.do(mutations.patch(ground.system.workload, theirs)).outcome == "ok"
    left = ground.heal(bad)
    assert f"run: kubectl rollout undo deployment/model -n {ground.system.namespace}" in left
    assert template(ground)["metadata"]["annotations"]["by"] == "somebody else"


def test_a_change_whose_answer_was_lost_is_undone_all_the_same(ground: FaultGround, proxy: FaultProxy) -> None:
    """Where nobody can know whether the template was changed it is read anew, and the heal puts it back."""
    before = template(ground)
    proxy.trouble(Swallow(), method="PATCH", path=r"/deployments/(?!.*dryRun)")
    bad = BadRollout(ground.system.workload, kind="image")
    assert ground.inject(bad) == ""
    assert template(ground) != before
    assert ground.heal(bad) == ""
    assert template(ground) == before


def test_a_change_that_was_never_sent_is_told(ground: FaultGround, proxy: FaultProxy) -> None:
    """A request that broke before it did anything is the reason why the fault missed, and there is nothing to heal."""
    before = template(ground)
    proxy.trouble(Drop(), method="PATCH", path=r"/deployments/(?!.*dryRun)")
    bad = BadRollout(ground.system.workload, kind="image")
    assert ground.inject(bad).startswith("roll-out model: ")
    assert ground.heal(bad) == ""
    assert template(ground) == before
    assert ground.outcomes("restore-template") == []


def test_an_unknown_kind_of_bad_release_is_refused() -> None:
    """The kinds that there are stand in the error."""
    with pytest.raises(UsageError, match="not one of image, probe"):
        BadRollout(Ref("Deployment", "a", "b", "c"), kind="typo")  # type: ignore[arg-type]  # the point
