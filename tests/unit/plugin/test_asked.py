"""What a scenario's markers ask of a system that is deployed, and of one that already runs."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from chaos import faults
from chaos.errors import UsageError
from chaos.faults.infrastructure import Infrastructure
from chaos.lab.metrics_path import LabMetricsPath
from chaos.plugin.markers import refuse_unmet
from chaos.plugin.spec_fields import deployed_fields, marked, wanted_fields
from chaos.system import SystemSpec
from chaos.trial.environment import Environment

PLAIN = SystemSpec(name="model", image="registry.example/model:1")
FILLED = {"command": ["cp", "a", "b"], "files": ["model.gguf"]}
BY_KEDA = {"replicas_max": 4, "keda": {"triggers": [{"type": "cpu", "metadata": {"value": "60"}}]}}
CLAIM = {"name": "w", "mount_path": "/w", "storage": "1Gi", "storage_class": "fast", "fill": FILLED}


def asking(*marks: pytest.MarkDecorator) -> Any:
    """A request of a scenario with these markers, the innermost first."""

    def iter_markers(name: str | None = None) -> list[pytest.Mark]:
        return [one.mark for one in marks if name in (None, one.mark.name)]

    return SimpleNamespace(node=SimpleNamespace(iter_markers=iter_markers))


class OneClass:
    """Stands for a cluster with the StorageClass `fast`."""

    facts = SimpleNamespace(nodes=())

    def get(self, kind: str, _namespace: str | None, name: str) -> dict[str, Any] | None:
        """That class, and nothing else."""
        return {"kind": kind} if (kind, name) == ("StorageClass", "fast") else None

    def kind(self, name: str) -> None:
        """No kind that was added."""
        raise UsageError(f"the cluster knows no {name}")


GROUND = Environment(cluster=OneClass())  # type: ignore[arg-type]  # stands in


def test_fields_of_a_deployed_system_are_not_asked_of_one_that_runs() -> None:
    """Both markers make what we deploy, the innermost wins; only `system` is asked of any system."""
    request = asking(
        pytest.mark.system(replicas=2), pytest.mark.deployed(volumes=[CLAIM]), pytest.mark.system(replicas=4, grace_s=5)
    )
    assert wanted_fields(request.node) == {"replicas": 2, "grace_s": 5}
    assert deployed_fields(request.node) == {"replicas": 2, "grace_s": 5, "volumes": [CLAIM]}
    spec = marked(request, PLAIN, {"grace_s": 7})
    assert (spec.replicas, spec.grace_s, spec.kept_files) == (2, 7, ("/w/model.gguf",))
    with pytest.raises(UsageError, match=r"@pytest\.mark\.deployed: 4 has no name"):
        deployed_fields(asking(pytest.mark.deployed(4)).node)


@pytest.mark.parametrize(
    ("marks", "spec", "ours", "told"),
    [
        ((pytest.mark.needs("data"),), PLAIN.having(volumes=[CLAIM]), True, ""),
        ((pytest.mark.needs("data"),), PLAIN, True, "hold files that must survive: give one fill or files"),
        ((), PLAIN, True, ""),
        ((), PLAIN.having(autoscale=BY_KEDA), True, "has no KEDA, and a ScaledObject is to scale the system: install"),
        ((), PLAIN.having(autoscale=BY_KEDA), False, ""),
        ((), PLAIN.having(volumes=[{**CLAIM, "storage_class": "slow"}]), True, "there is no StorageClass slow"),
        ((pytest.mark.needs("storage-class:slow"),), PLAIN, True, "there is no StorageClass slow"),
        ((pytest.mark.needs("storage-class:slow"),), PLAIN, False, ""),
        (
            (pytest.mark.needs("node-infrastructure", "storage-class:slow"),),
            PLAIN,
            False,
            "nothing here can switch a node off",
        ),
    ],
)
def test_a_scenario_is_left_out_for_what_is_not_there(
    marks: tuple[pytest.MarkDecorator, ...],
    spec: SystemSpec,
    ours: bool,  # noqa: FBT001  # a column of the table
    told: str,
) -> None:
    """For data that nobody names, and for a class that what we deploy takes; a class is not asked where others did."""
    if not told:
        refuse_unmet(asking(*marks), GROUND, spec, ours=ours)
        return
    with pytest.raises(pytest.skip.Exception) as skipped:
        refuse_unmet(asking(*marks), GROUND, spec, ours=ours)
    assert told in str(skipped.value)
    assert ";" not in str(skipped.value)


def blinds(trial: Any) -> None:
    """A scenario that stops Prometheus, and has no marker that says so."""
    with trial.fault(faults.MetricsDown("prometheus")):
        pass


@pytest.mark.parametrize("ours", [True, False])
def test_what_only_the_labs_metrics_path_can_is_left_out_elsewhere(*, ours: bool) -> None:
    """By the fault that the code names, before anything is deployed or done, with what a team can do instead."""
    request = asking()
    request.node.function = blinds
    with pytest.raises(pytest.skip.Exception) as skipped:
        refuse_unmet(request, GROUND, PLAIN, ours=ours)
    assert "only the lab's may be stopped: name an adapter or a Prometheus" in str(skipped.value)
    refuse_unmet(request, replace(GROUND, infrastructure=Infrastructure(metrics=LabMetricsPath())), PLAIN, ours=ours)


def test_a_need_that_only_begins_like_data_is_refused() -> None:
    """A mistyped need must not pass for one that is met."""
    with pytest.raises(UsageError, match="'database' is not known"):
        refuse_unmet(asking(pytest.mark.needs("database")), GROUND, PLAIN, ours=True)
