"""The Job of load pods on a real control plane: made as written, and gone in the end whoever dies."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plain_service import plain_namespace
from simulated_cluster import SimulatedCluster
from trial_room import Room, answering

from chaos.checks import SloMet
from chaos.checks.verdict import Answer
from chaos.clock import Clock
from chaos.cluster import Cluster, Journal, LiveExecutor, NullJournal, connect
from chaos.errors import HarnessBroken, NotProven
from chaos.faults.undo import find_left, undo_all
from chaos.history import load_history
from chaos.safety import ClusterUndoLog
from chaos.slo import Slo
from chaos.trial.load_pods.job import INDEX, LOAD_LABEL, LoadPods, job_manifest, pod_selector, policy_manifest
from chaos.trial.load_pods.workers import load_job
from chaos.trial.request import LoadSettings
from chaos.wait import until
from loadgen.plan import Plan
from loadgen.profiles import HttpProfile

pytestmark = pytest.mark.timed


def place(namespace: str) -> LoadPods:
    """Three load pods in a namespace, beside pods with the label app=chat."""
    return LoadPods(
        namespace=namespace,
        run=f"run-in-{namespace}",
        image="registry.example/load:1",
        workers=3,
        lasts_s=600,
        target_namespace=namespace,
        target_labels={"app": "chat"},
    )


def pods_of(cluster: Cluster, pods: LoadPods) -> list[dict[str, Any]]:
    """The Job's pods."""
    return cluster.list("Pod", pods.namespace, selector=pod_selector(pods))


def agreed(wanted: Any, live: Any) -> bool:
    """Whether all that was wanted is there as it was written."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(agreed(value, live.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and all(map(agreed, wanted, live)) and len(wanted) == len(live)
    return bool(wanted == live)


def test_the_job_is_as_written_and_goes_with_its_pods(cluster: Cluster, tmp_path: Path) -> None:
    """The API server keeps every field; pods that do not answer are no workers; nothing is left, and no promise."""
    plan = Plan(
        run_folder=tmp_path,
        clock=Clock.start(),
        url="http://chat",
        profile=HttpProfile(),
        seed=1,
        in_flight_max=2000,
        duration_max_s=60.0,
    )
    with plain_namespace(cluster) as namespace:
        pods, executor = place(namespace), LiveExecutor(cluster, NullJournal())
        undo = ClusterUndoLog(executor, namespace, pods.run, deadline_s=600)
        with (
            Journal(tmp_path / "actions.jsonl", plan.clock) as journal,
            load_job(cluster, pods, executor=executor, tidy=executor, journal=journal, undo=undo) as job,
        ):
            live = cluster.get("Job", namespace, pods.job.name)
            wanted = job_manifest(pods, "x")
            wanted["spec"]["template"]["spec"]["containers"][0].pop("env")
            assert live is not None
            assert agreed(wanted, live)
            until(lambda: len(pods_of(cluster, pods)) == 3, deadline_s=20, awaited="three pods")
            assert {one["metadata"]["annotations"][INDEX] for one in pods_of(cluster, pods)} == {"0", "1", "2"}
            assert len(find_left(cluster, namespace)) == 1
            with pytest.raises(HarnessBroken, match="0 of 3 load workers were ready within 2 s"):
                job.start(plan, deadline_s=2.0)
        assert cluster.get("Job", namespace, pods.job.name) is None
        assert not pods_of(cluster, pods)
        assert not find_left(cluster, namespace)


def test_the_policy_is_as_written_and_goes_with_the_job(cluster: Cluster) -> None:
    """The API server keeps every field; nobody deletes it but the garbage collector, and the Job's end is enough."""
    with plain_namespace(cluster) as namespace:
        pods, executor = (
            replace(place(namespace), ingress=("10.0.0.0/28", "fd00::/64")),
            LiveExecutor(cluster, NullJournal()),
        )
        undo = ClusterUndoLog(executor, namespace, pods.run, deadline_s=600)
        with load_job(cluster, pods, executor=executor, tidy=executor, journal=NullJournal(), undo=undo) as job:
            live = cluster.get("NetworkPolicy", namespace, pods.job.name)
            assert live is not None
            assert agreed(policy_manifest(pods, job.uid), live)
        until(
            lambda: cluster.get("NetworkPolicy", namespace, pods.job.name) is None,
            deadline_s=30,
            awaited="its policy gone",
        )


def test_the_job_of_a_killed_run_is_undone(simulated: SimulatedCluster, cluster: Cluster) -> None:
    """What was promised before the Job was made is enough for any later process to remove it."""
    with plain_namespace(cluster) as namespace:
        pods = place(namespace)
        context = multiprocessing.get_context("forkserver")
        process = context.Process(target=_die, args=(str(simulated.kubeconfig), simulated.context, namespace))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        assert cluster.get("Job", namespace, pods.job.name) is not None
        done = undo_all(cluster, LiveExecutor(cluster, NullJournal()), find_left(cluster, namespace))
        assert [one.result for one in done] == ["undone"], done
        assert cluster.get("Job", namespace, pods.job.name) is None
        until(lambda: not pods_of(cluster, pods), deadline_s=30, awaited="its pods gone")
        assert not find_left(cluster, namespace)


def _die(kubeconfig: str, context: str, namespace: str) -> None:
    with connect(kubeconfig=Path(kubeconfig), context=context) as cluster:
        pods, executor = place(namespace), LiveExecutor(cluster, NullJournal())
        undo = ClusterUndoLog(executor, namespace, pods.run, deadline_s=600)
        with load_job(cluster, pods, executor=executor, tidy=executor, journal=NullJournal(), undo=undo):
            until(lambda: len(pods_of(cluster, pods)) == 3, deadline_s=20, awaited="three pods")
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_trial_without_its_load_workers_is_unknown(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """It is stopped before its first phase with the reason, nothing is sent, and nothing is left."""
    with answering() as url:
        room = Room(simulated, url, tmp_path)
        room.environment = replace(room.environment, load_image_name="registry.example/load:1")
        load = LoadSettings(workers=2, in_cluster=True, start_deadline_s=2.0)
        with room.trial("workers-missing", load=load) as ready:
            with ready.traffic.steady(rate_rps=10):
                ready.trial.baseline(duration_s=2)
            with pytest.raises(NotProven, match="0 of 2 load workers were ready within 2 s"):
                ready.trial.judge(SloMet(Slo(availability=0.99)))
        [judgement] = room.judged
        assert judgement.verdict.answer is Answer.UNKNOWN
        history = load_history(room.runs / "workers-missing")
        assert "0 of 2 load workers" in history.stopped
        assert not history.streams
        assert not room.cluster.list("Job", None, selector=LOAD_LABEL)
        assert not room.cluster.list("Pod", None, selector=LOAD_LABEL)
        room.cluster.close()
