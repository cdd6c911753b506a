"""Close a node for new pods, and open it again: only if it was us who closed it."""

from __future__ import annotations

import tenacity

from chaos.cluster import mutations
from chaos.faults.base import Field
from chaos.objects.base import Ref, View
from chaos.objects.kinds import NodeView
from chaos.safety import Inverse

__all__ = ["Cordon"]

ATTEMPTS = 4
WAIT_MAX_S = 4.0
"""Opening a node again is tried a few times: whoever is left with a closed node has a smaller cluster for good."""

SUCCEEDED = frozenset({404, 409, 422})
"""What the server answers to a patch of a node that is gone, or whose name another one bears (another UID)."""


class Cordon:
    """One node's door. `ours` says whether we closed it."""

    def __init__(self, node: Ref) -> None:
        self.node = node
        self.ours = False
        self._inverse = Inverse("open-node", node, f"kubectl uncordon {node.name}")

    def close(self, field: Field) -> str:
        """Close it. Return an empty string, or why that could not be done."""
        found = field.cluster.get("Node", None, self.node.name)
        if found is None or View(found).uid != self.node.uid:
            return f"node {self.node.name} is not there any more"
        if NodeView(found).unschedulable:
            field.journal.event("note", text=f"node {self.node.name} was cordoned before, so it is left so afterwards")
            return ""
        if reason := field.undo.promise(self._inverse, fault=field.fault):
            return f"node {self.node.name} was not cordoned: {reason}"
        # Before the action: after an answer that never came the node may be closed, and then by us.
        self.ours = True
        done = field.executor.do(_order(self.node, closed=True, fault=field.fault))
        if done.outcome == "fail":
            self.ours = False
            field.undo.kept(self._inverse)
            return f"node {self.node.name} could not be cordoned: {done.reason}"
        return ""

    def closed(self, field: Field) -> bool:
        """Whether the watch shows it closed."""
        return any(
            view.uid == self.node.uid and view.unschedulable for view in map(NodeView, field.recorder.objects("Node"))
        )

    def open(self, field: Field) -> str:
        """Open it if we closed it. Return an empty string, or what is left and the command that mends it."""
        if not self.ours:
            return ""
        done = _patiently(lambda: field.executor.do(_order(self.node, closed=False, fault=field.fault)))
        # This very node is gone: what has its name now was never closed by us.
        if done.outcome == "ok" or done.status in SUCCEEDED:
            self.ours = False
            field.undo.kept(self._inverse)
            return ""
        return f"node {self.node.name} is still cordoned ({done.reason}); run: kubectl uncordon {self.node.name}"


_patiently = tenacity.Retrying(
    retry=tenacity.retry_if_result(lambda done: done.outcome != "ok" and done.status not in SUCCEEDED),
    wait=tenacity.wait_exponential(multiplier=0.5, max=WAIT_MAX_S),
    stop=tenacity.stop_after_attempt(ATTEMPTS),
    retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
)


def _order(node: Ref, *, closed: bool, fault: str) -> mutations.Mutation:
    # None takes the field away, which is how a node that was never cordoned looks.
    body = {"spec": {"unschedulable": True if closed else None}}
    return mutations.patch(node, body, action="cordon" if closed else "uncordon", fault=fault)
