"""Give a node its power back that a dead run took, by this user's own means, and see that it speaks again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from chaos.errors import TimedOut
from chaos.faults.support.node_heartbeat import RETURN_S, await_voice, is_well, last_renewed
from chaos.objects.kinds import NodeView
from chaos.safety import Inverse
from chaos.wait import until

if TYPE_CHECKING:
    from chaos.faults.undo.restore import Undoer

__all__ = ["give_power_back"]


def give_power_back(undoer: Undoer, inverse: Inverse) -> tuple[Literal["undone", "left"], str]:
    """Switch it on, which changes nothing if it is on, and wait until it is Ready. Raises `ClusterRefused`.

    The means is never read from the cluster: whoever may write there could have this host run what he likes.
    """
    name = inverse.target.name
    if undoer.power is None:
        return "left", f"node {name} may be without power, and nobody here can give it back: name [node_power]"
    before = {name: last_renewed(undoer.cluster, name)}
    if reason := undoer.power.on(name):
        return "left", f"node {name}: {reason}"
    if before[name] and (silent := await_voice(undoer.cluster, [name], before)):
        return "left", silent
    try:
        until(
            lambda: _is_back(undoer, name), deadline_s=RETURN_S, awaited=f"node {name} Ready, without taints of a loss"
        )
    except TimedOut as late:
        return "left", late.what
    return "undone", f"node {name} has its power, and is Ready"


def _is_back(undoer: Undoer, name: str) -> bool:
    found = undoer.cluster.get("Node", None, name)
    return found is not None and is_well(NodeView(found))
