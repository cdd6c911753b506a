"""A replica that nobody reaches, though it runs and its own kubelet finds it well."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from typing_extensions import override

from chaos.cluster import DRY_RUN, mutations, path_of
from chaos.errors import ClusterRefused, TimedOut, UsageError
from chaos.faults.base import Injection, TargetedFault, each
from chaos.faults.context import FaultContext
from chaos.faults.infrastructure import PodNetwork
from chaos.faults.permissions import Right, rights
from chaos.faults.undo.restore_object import CUT
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.safety import UndoEntry
from chaos.safety.undo_journal import OURS
from chaos.wait import until
from loadgen.profile_base import is_path

__all__ = ["NetworkPartition"]

REACH_S = 3.0
"""How long the API server may take to reach a pod through its proxy before it counts as not reached."""

REACH_MAX_BYTES = 64 * 1024 * 1024

LANDED_S = 20.0
"""For a network plugin to act on a new NetworkPolicy; Kubernetes promises no time for it."""

SILENCES, SILENCE_S = 3, 2.0
"""So many calls in a row, each of so many seconds, must get no answer: a busy server may miss one or two."""

BACK_S = 30.0
"""The same for its end, and for connections that were dropped to be tried again."""


@dataclass(frozen=True, slots=True)
class NetworkPartition(TargetedFault):
    """Cut the target replicas off from everything but their own kubelet.

    In the lab their node drops their packets; elsewhere a NetworkPolicy for that very pod allows nothing. It has landed
    when the API server, which reached each of them through its proxy before, reaches none any more, call after call,
    and still reaches another replica: a network plugin that does not enforce policies leaves no proof. Healing takes
    the cut away and waits until those that still live are reached again. `path` is asked at the pods' first port; any
    answer of the server's own will do.
    """

    name: ClassVar[str] = "network-partition"
    permissions: ClassVar[tuple[Right, ...]] = (
        *rights("get patch", "Pod"),
        *rights("create delete get", "NetworkPolicy"),
        *rights("get", "Pod", "proxy"),
    )
    silent: ClassVar[bool] = True

    path: str = "/"

    def __post_init__(self) -> None:
        if not is_path(self.path):
            raise UsageError(f"NetworkPartition.path: {self.path!r} is not a path that begins with / and has no ..")

    @property
    @override
    def words(self) -> str:
        return f"cut {self.targets.words} off from the network"

    @property
    @override
    def landing_deadline_s(self) -> float:
        """It is proved when it is injected."""
        return REACH_S

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Cut them off, and see that they are not reached any more: a look takes seconds, so it is proved only now."""
        return _Partition(self, context)


class _Partition(Injection):
    def __init__(self, fault: NetworkPartition, context: FaultContext) -> None:
        super().__init__(fault, context)
        self._fault = fault
        self._cut: list[PodView] = []
        self._proofs: list[str] = []
        self.missed = each(fault.victims, self._isolate)

    @override
    def landed(self) -> str:
        """The API server reached each before, and does not any more."""
        victims = self._fault.victims
        return "; ".join(sorted(self._proofs)) if victims and len(self._proofs) == len(victims) else ""

    @override
    def heal(self) -> str:
        """Take the cut away, and wait until those that still live are reached again."""
        if left := super().heal():
            return left
        cut, self._cut = self._cut, []
        return each(cut, self._await_reached)

    def _isolate(self, ref: Ref) -> str:
        pod = next((pod for pod in map(PodView, self.context.recorder.objects("Pod")) if pod.uid == ref.uid), None)
        if pod is None:
            return f"pod {ref.name} is not there any more"
        if not self._reached(pod):
            return f"pod {ref.name} is not reached through the API server's proxy even now, so no cut could be proved"
        if reason := _cut_off(self.context, pod, ref):
            return reason
        self._cut.append(pod)
        stop_reason = self.context.stop_reason
        try:
            until(lambda: stop_reason() or self._silent(pod), deadline_s=LANDED_S, awaited=f"pod {ref.name} cut off")
        except TimedOut:
            return (
                f"pod {ref.name} is still reached {LANDED_S:g} s later: does the network plugin enforce NetworkPolicy?"
            )
        if reason := stop_reason():
            return f"pod {ref.name}: {reason}"
        self._proofs.append(f"{ref.name} ({ref.uid[:8]}) was reached by the API server, and is not any more")
        return ""

    def _silent(self, pod: PodView) -> bool:
        """Whether a pod gives no answer, again and again, and another replica does, if there is another."""
        if any(self._reached(pod, SILENCE_S) for _ in range(SILENCES)):
            return False
        victims = {ref.uid for ref in self._fault.victims}
        pods = map(PodView, self.context.recorder.objects("Pod"))
        others = [one for one in pods if one.uid not in victims and one.ready]
        return not others or any(map(self._reached, others))

    def _await_reached(self, pod: PodView) -> str:
        def back() -> bool:
            found = self.context.cluster.get("Pod", pod.namespace, pod.name)
            return found is None or found["metadata"]["uid"] != pod.uid or self._reached(pod)

        try:
            until(back, deadline_s=BACK_S, awaited=f"pod {pod.name} reached again")
        except TimedOut as late:
            return late.what
        return ""

    def _reached(self, pod: PodView, timeout_s: float = REACH_S) -> bool:
        """Whether the pod itself answers through the API server's proxy, whatever it answers."""
        ports = [port for one in pod.spec.get("containers") or () for port in one.get("ports") or ()]
        named = f"{pod.name}:{ports[0]['containerPort']}" if ports else pod.name
        path = f"{path_of('Pod', pod.namespace)}/{named}/proxy{self._fault.path}"
        try:
            transport = self.context.cluster.transport
            answer = transport.call("GET", path, timeout_s=timeout_s, pod_max_bytes=REACH_MAX_BYTES)
        except ClusterRefused:
            return False
        body = answer.json()
        # What the API server answers in the pod's stead is a Status.
        return not (isinstance(body, dict) and body.get("kind") == "Status")


def _cut_off(context: FaultContext, pod: PodView, ref: Ref) -> str:
    """Cut a pod off. Return an empty string, or why that could not be done."""
    network = context.infrastructure.pod_network
    return _cut_by_policy(context, ref) if network is None else _cut_by_node(context, network, pod, ref)


def _cut_by_node(context: FaultContext, network: PodNetwork, pod: PodView, ref: Ref) -> str:
    address = str(pod.status.get("podIP", ""))
    entry = UndoEntry("reconnect-pod", ref, "gameday undo", {"node": pod.node, "address": address})
    if reason := context.record(entry):
        return f"pod {ref.name}: {reason}"
    reason = context.act("cut-off", ref, lambda: network.cut(pod.node, address), by=network.words)
    if reason == DRY_RUN:
        context.discard(entry)
    return reason


def _cut_by_policy(context: FaultContext, ref: Ref) -> str:
    policy = Ref("NetworkPolicy", ref.namespace, f"gameday-cut-{ref.uid[:8]}")
    manual = f"kubectl delete networkpolicy -n {policy.namespace} {policy.name}"
    entry = UndoEntry("delete-policy", policy, manual, {"pod": asdict(ref)})
    if reason := context.record(entry):
        return f"pod {ref.name}: {reason}"
    mark = {"metadata": {"labels": {CUT: ref.uid}}}
    marked = context.executor.do(mutations.patch(ref, mark, action="mark", fault=context.fault))
    if marked.outcome == "fail":
        context.discard(entry)
    if marked.outcome != "ok":
        return f"pod {ref.name} cannot be marked for a NetworkPolicy: {marked.reason}"
    made = context.executor.do(mutations.create(_policy(policy, ref, context.fault), fault=context.fault))
    return "" if made.outcome == "ok" else f"the NetworkPolicy for {ref.name} cannot be made: {made.reason}"


def _policy(policy: Ref, pod: Ref, fault: str) -> dict[str, Any]:
    """A policy for this very pod that allows nothing in and nothing out."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": policy.name,
            "namespace": policy.namespace,
            "labels": dict(OURS),
            "annotations": {"gameday.dev/fault": fault},
        },
        "spec": {"podSelector": {"matchLabels": {CUT: pod.uid}}, "policyTypes": ["Ingress", "Egress"]},
    }
