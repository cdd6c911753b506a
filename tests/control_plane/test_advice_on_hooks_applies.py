"""What is advised on a shutdown, given to a real API server: it takes the patch, whatever hook there is already."""

from typing import Any

import pytest
import yaml
from hook_stories import RUNNING, Hook, advised
from plain_service import plain_namespace

from chaos.cluster import Cluster, LiveExecutor, NullJournal, mutations
from chaos.cluster.mutations import STRATEGIC
from chaos.objects.base import Ref

SLEEP = {"preStop": {"sleep": {"seconds": 5}}}


def hooked(hook: Hook, grace_s: int, patch: dict[str, Any], cluster: Cluster) -> tuple[str, Hook]:
    """What becomes of the patch to a Deployment with that hook, and the hook that it has afterwards."""
    executor, labels = LiveExecutor(cluster, NullJournal()), {"app": "model"}
    container: dict[str, Any] = {"name": "m", "image": "registry.example/model:1", "imagePullPolicy": "Never"}
    container |= {"lifecycle": {"preStop": hook}} if hook else {}
    spec = {"terminationGracePeriodSeconds": grace_s, "containers": [container]}
    with plain_namespace(cluster) as namespace:
        template = {"metadata": {"labels": labels}, "spec": spec}
        body = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        metadata = {"name": "model", "namespace": namespace}
        made = executor.do(
            mutations.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": body})
        )
        assert made.outcome == "ok", made.reason
        done = executor.do(mutations.patch(Ref("Deployment", namespace, "model"), patch, STRATEGIC))
        found = cluster.get("Deployment", namespace, "model")
        assert found is not None
        (now,) = found["spec"]["template"]["spec"]["containers"]
        return done.outcome, (now.get("lifecycle") or {}).get("preStop") or {}


@pytest.mark.parametrize(
    ("hook", "grace_s", "cut", "kind"),
    [
        pytest.param({}, 20, {}, "sleep", id="none"),
        pytest.param({"sleep": {"seconds": 2}}, 20, {}, "sleep", id="a sleep"),
        pytest.param({}, 6, {"finish_reason": "abort"}, "sleep", id="none, and all of the grace"),
        *(pytest.param(hook, 4, {}, next(iter(hook)), id=name) for name, hook in RUNNING.items()),
    ],
)
def test_an_advised_patch_is_taken(cluster: Cluster, hook: Hook, grace_s: int, cut: dict[str, str], kind: str) -> None:
    """A hook that is no sleep stays, and any other becomes one of the length that was advised."""
    (advice,) = advised(hook, grace_s, **cut)
    outcome, now = hooked(hook, grace_s, yaml.safe_load(advice.patch), cluster)
    assert (outcome, list(now)) == ("ok", [kind])


def test_a_second_handler_is_refused(cluster: Cluster) -> None:
    """What the advice avoids: a sleep beside a program is no hook to the API server."""
    hook = RUNNING["a program that sleeps"]
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "m", "lifecycle": SLEEP}]}}}}
    assert hooked(hook, 60, patch, cluster) == ("fail", hook)
