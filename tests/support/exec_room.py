"""A namespace on the lab with pods to run commands in; joins a lab that is up."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab_objects import model_pod

from chaos.cluster import Cluster, LiveExecutor, NullJournal, connect, mutations
from chaos.lab import Lab
from chaos.lab.lab import lab_session
from chaos.objects.base import Ref
from chaos.progress import Silent
from chaos.safety.undo_journal import own_namespace
from chaos.wait import until

NAMESPACE = "gameday-test-exec"


@contextmanager
def exec_room() -> Iterator[Cluster]:
    """The cluster of the lab, with a namespace of our own that goes in the end."""
    with (
        lab_session(Lab(), nodes=3, words="the tests of exec", keep=False, progress=Silent()) as facts,
        connect(kubeconfig=facts.kubeconfig, context=facts.context) as cluster,
    ):
        executor = LiveExecutor(cluster, NullJournal())
        names = (NAMESPACE, own_namespace(NAMESPACE))
        for name in names:
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            until(
                lambda space=space: executor.do(mutations.create(space)).outcome == "ok",
                deadline_s=60,
                awaited=f"{name} made",
            )
        try:
            yield cluster
        finally:
            for name in names:
                executor.do(mutations.delete(Ref("Namespace", "", name)))


def started(cluster: Cluster, name: str, image: str | None = None) -> Ref:
    """A pod of ours that runs: the model's image, or another that answers nothing; Ready if it can be."""
    written = {"apiVersion": "v1", "kind": "Pod", **model_pod(name, node="n1")}
    written["metadata"] |= {"namespace": NAMESPACE}
    if image:
        written["spec"]["containers"][0] |= {"image": image}
        written["spec"]["containers"][0].pop("readinessProbe")
    done = LiveExecutor(cluster, NullJournal()).do(mutations.create(written))
    assert done.outcome == "ok", done.reason

    def ready() -> str:
        pod = cluster.get("Pod", NAMESPACE, name)
        conditions = pod["status"].get("conditions", ()) if pod else ()
        there = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        return pod["metadata"]["uid"] if pod and there else ""

    return Ref("Pod", NAMESPACE, name, until(ready, deadline_s=60, awaited=f"pod {name} Ready"))
