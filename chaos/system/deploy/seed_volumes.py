"""Fill the system's volume claims once, before its replicas start: a Job for each, waited for and then removed."""

from collections.abc import Mapping
from typing import Any

from chaos.cluster import Cluster, Executor, mutations
from chaos.errors import TimedOut
from chaos.objects.base import Ref, View
from chaos.objects.pod import PodView
from chaos.system.deploy.apply import applied
from chaos.system.manifests.render import (
    Manifest,
    claim_manifest,
    claim_name,
    fill_container,
    object_labels,
    unless_empty,
)
from chaos.system.spec.parts import Fill, Volume
from chaos.system.spec.system_spec import SystemSpec
from chaos.wait import until

__all__ = ["fill_claims", "fill_job"]

BACKOFF_LIMIT = 2


def fill_claims(cluster: Cluster, executor: Executor, spec: SystemSpec, namespace: str, *, run: str) -> str:
    """Make the claims that are to be filled, and fill them. Return an empty string, or why one could not be filled.

    Raises as `deploy` does where the API server refuses an object.
    """
    reasons = []
    for volume in spec.volumes:
        if volume.fill is not None and volume.shared_claim:
            applied(executor, claim_manifest(spec, volume, namespace, run=run))
            applied(executor, fill_job(spec, volume, volume.fill, namespace, run=run))
            name = f"{claim_name(spec, volume)}-fill"
            reasons.append(_filled(cluster, name, namespace, volume.fill.deadline_s))
            if not reasons[-1]:
                # Its pod would be one more on its node, to be drained and lost with the replicas.
                executor.do(mutations.delete(Ref("Job", namespace, name)))
    return "; ".join(reason for reason in reasons if reason)


def fill_job(spec: SystemSpec, volume: Volume, fill: Fill, namespace: str, *, run: str) -> Manifest:
    """The Job that fills a volume's claim. Its pods bear no label of the system, so that no Service leads to them."""
    claim = {"name": volume.name, "persistentVolumeClaim": {"claimName": claim_name(spec, volume)}}
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [fill_container(spec, volume, fill)],
        "volumes": [claim],
        **unless_empty(nodeSelector=dict(spec.node_selector)),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{claim_name(spec, volume)}-fill",
            "namespace": namespace,
            "labels": object_labels(spec, run),
        },
        "spec": {
            "backoffLimit": BACKOFF_LIMIT,
            "activeDeadlineSeconds": fill.deadline_s,
            "template": {"metadata": {"labels": dict(spec.labels)}, "spec": pod},
        },
    }


def _filled(cluster: Cluster, name: str, namespace: str, deadline_s: float) -> str:
    """Wait for the Job's end; why it did not end well, in words."""

    def ended() -> Mapping[str, Any] | None:
        job = View(cluster.get("Job", namespace, name) or {})
        return next((one for one in map(job.condition, ("Complete", "Failed")) if one.get("status") == "True"), None)

    def seen() -> str:
        return _seen(cluster, name, namespace)

    try:
        how = until(ended, deadline_s=deadline_s, awaited=f"job {name}", last_seen=seen)
    except TimedOut as late:
        return f"the claim is not filled: {late.what}"
    if how["type"] == "Complete":
        return ""
    return f"the claim is not filled: job {name}: {how.get('message') or how.get('reason')}; {seen()}"


def _seen(cluster: Cluster, name: str, namespace: str) -> str:
    """What became of the Job's pods."""
    states = []
    for pod in map(PodView, cluster.list("Pod", namespace, selector=f"job-name={name}")):
        why = pod.condition("PodScheduled").get("message") if not pod.node else pod.phase
        ends = [(one.raw.get("state") or {}).get("terminated") or {} for one in pod.containers]
        codes = [f"exit code {end['exitCode']}" for end in ends if end.get("exitCode")]
        states.append(f"{pod.name}: {', '.join([str(why or 'not scheduled'), *codes])}")
    return "; ".join(states) or "no pod was made"
