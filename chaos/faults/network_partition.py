"""A replica that nobody reaches, though it runs and its own kubelet finds it well."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.cluster import path_of
from chaos.errors import ClusterRefused, TimedOut
from chaos.faults.base import Field
from chaos.faults.support.parallel import each
from chaos.faults.support.pod_network import cut_off, reconnect
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.wait import until

__all__ = ["NetworkPartition"]

REACH_S = 3.0
"""How long the API server may take to reach a pod through its proxy before it counts as not reached."""

LANDED_S = 20.0
"""For a network plugin to act on a new NetworkPolicy; Kubernetes promises no time for it."""

BACK_S = 30.0
"""The same for its end, and for connections that were dropped to be tried again."""


@dataclass(frozen=True, slots=True)
class NetworkPartition:
    """Cut the target replicas off from everything but their own kubelet.

    In the lab their node drops their packets; elsewhere a NetworkPolicy for that very pod allows nothing. It has landed
    when the API server, which reached each of them through its proxy before, reaches none any more: a network plugin
    that does not enforce policies leaves no proof. Healing takes the cut away and waits until those that still live are
    reached again. `path` is asked at the pods' first port; any answer of the server's own will do.
    """

    targets: Targets
    path: str = "/"
    _cut: list[PodView] = field(default_factory=list, init=False, repr=False, compare=False)
    _proofs: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "network-partition"

    @property
    def words(self) -> str:
        """What it does to whom."""
        return f"cut {self.targets.words} off from the network"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The pods that are cut off."""
        return self.targets.refs

    @property
    def landing_deadline_s(self) -> float:
        """It is proved when it is injected."""
        return REACH_S

    def inject(self, field: Field) -> str:
        """Cut them off, and see that they are not reached any more. Return why any could not be."""
        return each(self.victims, lambda ref: self._isolate(field, ref))

    def landed(self, field: Field) -> str:  # noqa: ARG002  # seen when it was injected: a look takes seconds
        """Prove it: the API server reached each before, and does not any more."""
        return "; ".join(sorted(self._proofs)) if self.victims and len(self._proofs) == len(self.victims) else ""

    def heal(self, field: Field) -> str:
        """Let them be reached again. Return what could not be undone, and how to do it by hand."""
        return "; ".join(reason for pod in self._cut if (reason := self._mend(field, pod)))

    def _isolate(self, field: Field, ref: Ref) -> str:
        pod = next((pod for pod in map(PodView, field.recorder.objects("Pod")) if pod.uid == ref.uid), None)
        if pod is None:
            return f"pod {ref.name} is not there any more"
        if not self._reached(field, pod):
            return f"pod {ref.name} is not reached through the API server's proxy even now, so no cut could be proved"
        # Before the action: whatever comes in between, it may be cut off, and has to be reached again.
        self._cut.append(pod)
        if reason := cut_off(field, field.means.pod_network, pod):
            return reason
        try:
            until(lambda: not self._reached(field, pod), deadline_s=LANDED_S, awaited=f"pod {ref.name} cut off")
        except TimedOut:
            return (
                f"pod {ref.name} is still reached {LANDED_S:g} s later: does the network plugin enforce NetworkPolicy?"
            )
        self._proofs.append(f"{ref.name} ({ref.uid[:8]}) was reached by the API server, and is not any more")
        return ""

    def _mend(self, field: Field, pod: PodView) -> str:
        if left := reconnect(field, field.means.pod_network, pod):
            return left

        def back() -> bool:
            found = field.cluster.get("Pod", pod.namespace, pod.name)
            return found is None or found["metadata"]["uid"] != pod.uid or self._reached(field, pod)

        try:
            until(back, deadline_s=BACK_S, awaited=f"pod {pod.name} reached again")
        except TimedOut as late:
            return late.what
        return ""

    def _reached(self, field: Field, pod: PodView) -> bool:
        """Whether the pod itself answers through the API server's proxy, whatever it says."""
        ports = [port for one in pod.spec.get("containers") or () for port in one.get("ports") or ()]
        named = f"{pod.name}:{ports[0]['containerPort']}" if ports else pod.name
        path = f"{path_of('Pod', pod.namespace)}/{named}/proxy{self.path}"
        try:
            answer = field.cluster.transport.call("GET", path, timeout_s=REACH_S)
        except ClusterRefused:
            return False
        said = answer.json()
        # What the API server says in the pod's stead is a Status.
        return not (isinstance(said, dict) and said.get("kind") == "Status")
