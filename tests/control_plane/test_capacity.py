"""`gameday capacity` on a service that already runs: only with consent, within its bounds, and put back afterwards."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from plain_service import apply_all, plain_namespace, service_of, snapshot
from simulated_cluster import SimulatedCluster
from trial_room import answering
from typer.testing import CliRunner

from chaos.cli.app import app
from chaos.cluster import Cluster, LiveExecutor, NullJournal, connect, mutations
from chaos.errors import ClusterRefused, NotAllowed, UsageError
from chaos.faults.undo import find_left
from chaos.history import load_history
from chaos.objects.base import Ref
from chaos.safety.lease import RunLease
from chaos.wait import until

pytestmark = pytest.mark.timed


@dataclass(frozen=True, slots=True)
class Service:
    """Three replicas of somebody else's, and the file that names them."""

    cluster: Cluster
    namespace: str
    folder: Path

    def allow(self, actions: str) -> None:
        """Consent, as the owners give it."""
        executor = LiveExecutor(self.cluster, NullJournal())
        namespace, workload = Ref("Namespace", "", self.namespace), Ref("Deployment", self.namespace, "chat")
        for ref, key, value in ((namespace, "adopt", "enabled"), (workload, "allow", actions)):
            patch = {"metadata": {"annotations": {f"gameday.dev/{key}": value}}}
            assert executor.do(mutations.patch(ref, patch, field_manager="kubectl")).outcome == "ok"

    @property
    def command(self) -> list[str]:
        """What measures it, briefly."""
        told = ["--system", str(self.folder / "gameday.toml"), "--runs", str(self.folder), "--availability", "0.9"]
        briefly = ["--from-rps", "5", "--to-rps", "20", "--step-s", "2", "--repeats", "1"]
        return ["capacity", *told, *briefly]

    def capacity(self) -> Result:
        """Measure it."""
        return CliRunner().invoke(app, self.command)

    def found(self) -> Any:
        """What was written of it."""
        (path,) = self.folder.glob("*-capacity-*/capacity.json")
        return json.loads(path.read_text())


@pytest.fixture
def service(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[Service]:
    """The service `chat` in a namespace of its own, of which one replica may be away."""
    with (
        answering() as url,
        connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as cluster,
        plain_namespace(cluster) as namespace,
    ):
        apply_all(cluster, namespace, service_of("chat", replicas=3))
        (tmp_path / "gameday.toml").write_text(
            f"""
[cluster]
context = "{simulated.context}"
kubeconfig = "{simulated.kubeconfig}"
uid = "{cluster.facts.uid}"
[system]
namespace = "{namespace}"
deployment = "chat"
[traffic]
url = "{url}"
profile = "http"
[safety]
pods_max = 1
"""
        )
        yield Service(cluster, namespace, tmp_path)


def test_without_consent_nothing_is_measured(service: Service) -> None:
    """The refusal has the command that would allow it, and no run is begun."""
    before = snapshot(service.cluster, service.namespace)
    result = service.capacity()
    assert isinstance(result.exception, NotAllowed)
    assert "gameday.dev/allow=capacity" in str(result.exception)
    assert not list(service.folder.glob("*-capacity-*"))
    assert snapshot(service.cluster, service.namespace) == before


def test_without_consent_to_scale_the_present_number_is_measured(service: Service) -> None:
    """What is left out is said, with what would allow it, and nothing is changed."""
    service.allow("capacity")
    before = snapshot(service.cluster, service.namespace)
    result = service.capacity()
    assert result.exit_code == 0, result.output
    assert "only the present 3 replicas are measured: scale is not allowed" in " ".join(result.output.split())
    assert [one["words"] for one in service.found()["limits"]] == ["3 replicas: held 20/s, no limit found"]
    assert snapshot(service.cluster, service.namespace) == before


def test_with_consent_fewer_are_measured_within_the_bound_and_put_back(service: Service) -> None:
    """One pod may be down because of us, so one fewer is measured and no more; afterwards there are three again."""
    service.allow("capacity,scale")
    result = service.capacity()
    assert result.exit_code == 0, result.output
    words = ["3 replicas: held 20/s, no limit found", "2 replicas: held 20/s, no limit found"]
    assert [one["words"] for one in service.found()["limits"]] == words
    workload = service.cluster.get("Deployment", service.namespace, "chat")
    assert workload is not None
    assert workload["spec"]["replicas"] == 3
    (run,) = service.folder.glob("*-capacity-*")
    (fault,) = load_history(run).faults
    assert (fault.name, fault.proof) == ("scale", "2 left, all Ready")
    assert not find_left(service.cluster, service.namespace)


def test_a_number_that_an_autoscaler_changes_has_no_limit(service: Service) -> None:
    """It would be another one under load: that is said before anything is asked of it."""
    service.allow("capacity,scale")
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "chat", "namespace": service.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"},
            "minReplicas": 3,
            "maxReplicas": 6,
        },
    }
    assert LiveExecutor(service.cluster, NullJournal()).do(mutations.create(scaler)).outcome == "ok"
    result = service.capacity()
    assert isinstance(result.exception, UsageError)
    assert "an autoscaler changes the number of replicas" in str(result.exception)


@contextmanager
def another_measurement(service: Service) -> Iterator[str]:
    """One in a process of its own, under way; how it is named."""
    argv = [sys.executable, "-c", "from chaos.cli.app import main; main()", *service.command]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, cwd=service.folder, stdout=quiet, stderr=quiet, start_new_session=True) as run:
        try:
            until(lambda: list(service.folder.glob("*-capacity-*")), deadline_s=60, awaited="its run to begin")
            yield f"process {run.pid} on "
        finally:
            run.terminate()
            try:
                run.wait(60)
            finally:
                run.kill()


@contextmanager
def a_trial(service: Service) -> Iterator[str]:
    """The lease of one on another host; how it is named."""
    executor = LiveExecutor(service.cluster, NullJournal())
    with RunLease(service.cluster, executor, service.namespace, "process 7 on runner-1, since today"):
        yield "process 7 on runner-1, since today"


@pytest.mark.parametrize("at_work", [another_measurement, a_trial])
def test_a_measurement_beside_another_run_is_refused(
    service: Service, at_work: Callable[[Service], AbstractContextManager[str]]
) -> None:
    """With the name of whoever holds the lease, before a run is begun: two at once would measure each other."""
    service.allow("capacity")
    before = snapshot(service.cluster, service.namespace)
    with at_work(service) as name:
        runs = set(service.folder.glob("*-capacity-*"))
        result = service.capacity()
        assert isinstance(result.exception, ClusterRefused), result.output
        assert f"another run is at work in namespace {service.namespace}: {name}" in str(result.exception)
        assert set(service.folder.glob("*-capacity-*")) <= runs
    assert snapshot(service.cluster, service.namespace) == before
