"""One run at a time: taken, held, refused to a second, taken over only when it expired, and lost."""

import pytest
from plain_service import plain_namespace

from chaos.cluster import Cluster, LiveExecutor, NullJournal, mutations
from chaos.errors import ClusterRefused
from chaos.objects.base import Ref
from chaos.safety.lease import LEASE_NAME, RunLease, holder_of
from chaos.wait import until


def lease_of(cluster: Cluster, namespace: str, who: str) -> RunLease:
    """A lease that is not taken yet."""
    return RunLease(cluster, LiveExecutor(cluster, NullJournal()), namespace, who)


def test_a_second_run_names_the_first(cluster: Cluster) -> None:
    """While the first renews, the second is refused with the first one's name; after it, the lease is free at once."""
    with plain_namespace(cluster) as namespace:
        with lease_of(cluster, namespace, "the first") as first:
            with pytest.raises(ClusterRefused, match=r"another run is at work in namespace .*: the first"):
                lease_of(cluster, namespace, "the second").__enter__()
            assert first.lost == ""
        assert cluster.get("Lease", namespace, LEASE_NAME) is None
        with lease_of(cluster, namespace, "the second"):
            assert holder_of(cluster.get("Lease", namespace, LEASE_NAME)) == "the second"


def test_a_stale_lease_is_taken_over_after_it_expired(cluster: Cluster) -> None:
    """A dead holder's lease is waited for as long as it lasts, whatever its clock said, and then taken."""
    with plain_namespace(cluster) as namespace:
        spec = {"holderIdentity": "the dead", "leaseDurationSeconds": 1, "renewTime": "2099-01-01T00:00:00.000000Z"}
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LEASE_NAME, "namespace": namespace},
            "spec": spec,
        }
        assert LiveExecutor(cluster, NullJournal()).do(mutations.create(body)).outcome == "ok"
        with lease_of(cluster, namespace, "the living"):
            assert holder_of(cluster.get("Lease", namespace, LEASE_NAME)) == "the living"


def test_a_lease_that_another_took_is_lost(cluster: Cluster) -> None:
    """The holder notices with its next renewal, says who has it now, and leaves it to them at the end."""
    with plain_namespace(cluster) as namespace:
        with lease_of(cluster, namespace, "the first") as first:
            taken = {"spec": {"holderIdentity": "a robber"}}
            LiveExecutor(cluster, NullJournal()).do(mutations.patch(Ref("Lease", namespace, LEASE_NAME), taken))
            until(lambda: first.lost, deadline_s=15, awaited="the loss to be noticed")
            assert first.lost == "the lease is held by a robber now"
        assert holder_of(cluster.get("Lease", namespace, LEASE_NAME)) == "a robber"


def test_a_lease_that_cannot_be_written_is_refused_in_words(cluster: Cluster) -> None:
    """Without the namespace, or the right, the run does not begin."""
    with pytest.raises(ClusterRefused, match="the lease nowhere/gameday cannot be taken"):
        lease_of(cluster, "nowhere", "anybody").__enter__()
