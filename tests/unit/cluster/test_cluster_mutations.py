"""Mutations as data: whom they hit, and what is refused before anything is sent."""

import pytest

from chaos.cluster import mutations
from chaos.cluster.resources import KINDS, path_of, ref_of
from chaos.errors import UsageError
from chaos.objects.base import Ref

POD = Ref("Pod", "ns", "model-0", "u-1")


def test_a_pod_is_deleted_by_uid() -> None:
    """The delete names the pod and demands its UID; the grace is the pod's own unless another is given."""
    own = mutations.delete_pod(POD, grace_s=None, fault="pod-kill-1")
    assert (own.method, own.path) == ("DELETE", "/api/v1/namespaces/ns/pods/model-0")
    assert own.body["preconditions"] == {"uid": "u-1"}
    assert "gracePeriodSeconds" not in own.body
    assert (own.action, own.target, own.fault) == ("delete-pod", POD, "pod-kill-1")
    assert mutations.delete_pod(POD, grace_s=0).body["gracePeriodSeconds"] == 0


def test_a_victim_without_a_uid_is_refused() -> None:
    """By name alone a successor could die: neither deletion nor eviction is even built."""
    anybody = Ref("Pod", "ns", "m")
    with pytest.raises(UsageError, match="Pod m has no UID"):
        mutations.delete_pod(anybody, grace_s=0)
    with pytest.raises(UsageError, match="Pod m has no UID"):
        mutations.evict_pod(anybody)


def test_an_eviction_names_the_pod_twice_and_its_uid() -> None:
    """URL and body agree, as the server demands, and the UID travels in the delete options."""
    evict = mutations.evict_pod(POD, dry_run=True)
    assert evict.path == "/api/v1/namespaces/ns/pods/model-0/eviction"
    assert evict.body["metadata"] == {"name": "model-0", "namespace": "ns"}
    assert evict.body["deleteOptions"]["preconditions"] == {"uid": "u-1"}
    assert evict.query == {"dryRun": "All"}


def test_nothing_without_a_name_or_a_namespace_is_changed() -> None:
    """An empty name would delete a whole collection, an empty namespace another object: both are refused."""
    with pytest.raises(UsageError, match="without a name"):
        mutations.delete(Ref("Pod", "ns", ""))
    with pytest.raises(UsageError, match="has no namespace"):
        mutations.delete(Ref("Pod", "", "model-0"))


def test_a_kind_without_a_namespace_needs_none() -> None:
    """Nodes are patched by name; the action has a name of its own in the journal."""
    cordon = mutations.patch(Ref("Node", "", "n1"), {"spec": {"unschedulable": True}}, action="cordon")
    assert (cordon.action, cordon.path) == ("cordon", "/api/v1/nodes/n1")
    assert cordon.body == {"spec": {"unschedulable": True}}


def test_a_patch_carries_the_uid_of_its_object() -> None:
    """The server compares it; other metadata of the patch stays."""
    patch = mutations.patch(POD, {"metadata": {"labels": {"a": "b"}}})
    assert patch.body == {"metadata": {"labels": {"a": "b"}, "uid": "u-1"}}


def test_a_list_of_operations_is_sent_as_it_is() -> None:
    """A JSON patch has no place for a UID but a test of its own."""
    operations = [{"op": "test", "path": "/metadata/uid", "value": "u-1"}]
    assert mutations.patch(POD, operations, mutations.JSON).body == operations


def test_a_secret_stays_out_of_the_journal() -> None:
    """The detail says that something was left out, and nothing of it."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}, "data": {"k": "djE="}}
    assert "djE=" not in str(mutations.apply(secret).detail())
    assert mutations.apply(secret).body["data"] == {"k": "djE="}


def test_paths_follow_the_table() -> None:
    """Core and named groups, with and without a namespace, with a subresource."""
    assert path_of("Pod") == "/api/v1/pods"
    assert path_of("Deployment", "ns", "d", "scale") == "/apis/apps/v1/namespaces/ns/deployments/d/scale"
    assert path_of("Node", "ignored", "n1") == "/api/v1/nodes/n1"
    assert path_of("PodDisruptionBudget", "ns") == "/apis/policy/v1/namespaces/ns/poddisruptionbudgets"
    assert all(name == kind.name for name, kind in KINDS.items())


def test_a_reference_is_read_off_an_object() -> None:
    """Kind, place, name and UID; what an object lacks is empty."""
    metadata = {"name": "model-0", "namespace": "ns", "uid": "u-1"}
    assert ref_of({"kind": "Pod", "metadata": metadata}) == POD
    assert ref_of({"kind": "Node", "metadata": {"name": "n1"}}) == Ref("Node", "", "n1")


@pytest.mark.parametrize("word", [".", "..", "a/../../kube-system/pods/b", "../prod", "a?dryRun=All", "a#", "a%2f.."])
def test_what_is_no_name_is_in_no_path(word: str) -> None:
    """A word that leads out of its place in the API is refused, as a namespace and as a name; a colon leads nowhere."""
    for ref in (Ref("Pod", word, "model-0", "u-1"), Ref("Pod", "ns", word, "u-1")):
        with pytest.raises(UsageError, match="is no name of an object"):
            mutations.delete(ref)
    assert path_of("ClusterRole", None, "system:node").endswith("/clusterroles/system:node")
