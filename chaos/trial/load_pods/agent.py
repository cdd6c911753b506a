"""One load pod, asked through the API server's proxy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chaos.cluster import Cluster, path_of
from chaos.errors import ClusterRefused, GamedayError
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from loadgen.driver.clock_offset import Remote
from loadgen.pod.contract import PORT

__all__ = ["Agent", "Unheard"]

ANSWER_S = 10.0


class Unheard(GamedayError):
    """The pod gave no answer: it, the way to it, or the API server is away. What was asked may have been done."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A pod that keeps a generator. `token` is what it obeys; each action may be asked for again."""

    cluster: Cluster
    pod: Ref
    token: str = field(repr=False)

    def do(self, action: str, *, timeout_s: float = ANSWER_S, **told: Any) -> dict[str, Any]:
        """Ask for a action of `loadgen.pod.server`. Raises `Unheard`."""
        path = f"{path_of('Pod', self.pod.namespace)}/{self.pod.name}:{PORT}/proxy/do"
        body = {"token": self.token, "do": action, "told": told}
        try:
            answer = self.cluster.transport.call("POST", path, body=body, timeout_s=timeout_s)
        except ClusterRefused as refused:
            raise Unheard(f"pod {self.pod.name}: {refused.what}") from None
        said = answer.json()
        if not answer.ok or not isinstance(said, dict) or said.get("kind") == "Status":
            told_why = said.get("why") if isinstance(said, dict) else None
            raise Unheard(f"pod {self.pod.name}: {told_why or answer.words()}")
        return said

    def clock(self) -> Remote:
        """What its clocks show. Raises `Unheard`."""
        return Remote(**self.do("clock"))

    def gone(self) -> str:
        """Why this very pod will never answer again; empty if it may, or if nobody can tell now."""
        try:
            raw = self.cluster.get("Pod", self.pod.namespace, self.pod.name)
        except ClusterRefused:
            return ""
        if raw is None or raw["metadata"]["uid"] != self.pod.uid:
            return f"pod {self.pod.name} was deleted"
        if PodView(raw).finished:
            return f"pod {self.pod.name} has ended: {_ending(raw)}"
        return ""


def _ending(raw: dict[str, Any]) -> str:
    """How a pod ended, as its status has it."""
    status = raw.get("status") or {}
    for one in status.get("containerStatuses") or ():
        if ended := (one.get("state") or {}).get("terminated"):
            return f"{ended.get('reason') or 'no reason given'}, exit code {ended.get('exitCode')}"
    return str(status.get("message") or status.get("reason") or status.get("phase") or "no reason given")
