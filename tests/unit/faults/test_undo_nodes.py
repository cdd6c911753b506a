"""Whose cordon it is, as the API server keeps account of it."""

from typing import Any

import pytest

from chaos.faults.undo.restore_object import closed_by


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
