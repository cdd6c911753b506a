"""Whose cordon it is, and whether a node is back, as the API server keeps account of it."""

from typing import Any

import pytest

from chaos.cluster import NullJournal
from chaos.errors import ClusterRefused
from chaos.faults import CommandInfrastructure, Infrastructure
from chaos.faults.context import UndoContext
from chaos.faults.undo import restore_infrastructure
from chaos.faults.undo.restore_infrastructure import node_on
from chaos.faults.undo.restore_object import closed_by
from chaos.objects.base import Ref
from chaos.safety import UndoEntry


def node(*entries: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A node with these writers and what they wrote."""
    managed = [{"manager": name, "operation": "Update", "fieldsV1": fields} for name, fields in entries]
    return {"metadata": {"name": "n1", "managedFields": managed}}


CORDON = {"f:spec": {"f:unschedulable": {}}}
OTHER = {"f:metadata": {"f:labels": {}}, "f:spec": {"f:podCIDR": {}}}


@pytest.mark.parametrize(
    ("written", "by"),
    [
        (node(("gameday", CORDON), ("kubelet", OTHER)), {"gameday"}),
        (node(("kubectl-cordon", CORDON), ("gameday", OTHER)), {"kubectl-cordon"}),
        (node(("kubelet", OTHER)), set()),
        ({"metadata": {"name": "n1"}}, set()),
    ],
)
def test_who_closed_a_node_is_read_from_the_account(written: dict[str, Any], by: set[str]) -> None:
    """Only the writer of that very field counts; a server that keeps no account says nobody."""
    assert closed_by(written) == by


class Leased:
    """A cluster in which a node that was switched off still reads as Ready; its lease cannot be read at first."""

    def __init__(self, *, renews: bool) -> None:
        self.renews, self.reads = renews, 0

    def get(self, kind: str, _namespace: str | None, name: str) -> dict[str, Any]:
        """The node, or its lease."""
        if kind == "Node":
            ready = {"type": "Ready", "status": "True"}
            return {"metadata": {"name": name, "uid": "node-1"}, "spec": {}, "status": {"conditions": [ready]}}
        self.reads += 1
        if self.reads == 1:
            raise ClusterRefused("get Lease n1: the API server refused: 503")
        return {"spec": {"renewTime": f"renewal {self.reads if self.renews else 0}"}}


@pytest.mark.parametrize(("renews", "result"), [(True, "undone"), (False, "left")])
def test_a_node_that_only_reads_as_ready_is_not_back(
    result: str, monkeypatch: pytest.MonkeyPatch, *, renews: bool
) -> None:
    """Its loss may not be noticed yet: that it renews its lease shows that it runs, also where one read was refused."""
    monkeypatch.setattr(restore_infrastructure, "RETURN_S", 1.0)
    monkeypatch.setattr(restore_infrastructure, "LOOK_S", 0.01)
    cluster: Any = Leased(renews=renews)
    switch = Infrastructure(CommandInfrastructure("true {node}", "true {node}"))
    context = UndoContext(cluster, cluster, NullJournal(), "node-down-1", infrastructure=switch)
    told, words = node_on(context, UndoEntry("node-on", Ref("Node", "", "n1", "node-1"), ""))
    assert (told, "a renewed lease of node n1" in words) == (result, not renews)
