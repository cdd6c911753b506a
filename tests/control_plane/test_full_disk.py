"""A run whose disk takes no more heals all the same: the cluster comes before the record of it."""

import errno
from pathlib import Path

import pytest
from dying import FAULTS, filled_at
from plain_service import apply_all, plain_namespace, service_of, settle, snapshot
from simulated_cluster import SimulatedCluster

from chaos.cluster import Cluster, LiveExecutor, NullJournal
from chaos.faults.undo import find_left, undo_all

pytestmark = pytest.mark.slow

LINES_MAX = 80


@pytest.mark.parametrize("fault", FAULTS)
def test_a_disk_that_takes_no_more_prevents_no_heal(
    simulated: SimulatedCluster, cluster: Cluster, tmp_path: Path, fault: str
) -> None:
    """From the first line on, the second and so on: the cluster is as before, and undoing once more does nothing."""
    with plain_namespace(cluster) as namespace:
        apply_all(cluster, namespace, service_of("chat", replicas=3))
        settle(cluster, namespace)
        before = snapshot(cluster, namespace)
        for line in range(1, LINES_MAX):
            why = (errno.ENOSPC, errno.EROFS)[line % 2]
            filled = filled_at(simulated, namespace, fault, line, tmp_path, errno=why)
            assert snapshot(cluster, namespace) == before, f"full from line {line} on"
            undone = undo_all(cluster, LiveExecutor(cluster, NullJournal()), find_left(cluster, namespace))
            assert [one.words for one in undone if one.result != "nothing"] == []
            assert find_left(cluster, namespace) == ()
            settle(cluster, namespace)
            if not filled:
                break
        else:
            pytest.fail(f"{fault} never came to its end within {LINES_MAX} lines")
    assert line > 1
