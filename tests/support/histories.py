"""Small builders for hand-written histories: a story of pods and requests, told in seconds from the trial's start."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import polars as pl
from numbering import numbered

from chaos.clock import NS
from chaos.history import (
    REQUEST_SCHEMA,
    Action,
    Fault,
    Gap,
    GeneratorSample,
    History,
    LoadPoint,
    Outcome,
    Phase,
    Stream,
    TrialFacts,
    WatchEvent,
)
from chaos.objects.base import Ref
from loadgen.shapes.base import Shape

T0 = 1_760_000_000 * NS
NAMESPACE, WORKLOAD, OWNER = "gameday-1", "model", "rs-1"
PROBED: Mapping[str, Any] = {
    "terminationGracePeriodSeconds": 10,
    "containers": [
        {
            "name": "m",
            "imagePullPolicy": "Never",
            "startupProbe": {"periodSeconds": 1, "failureThreshold": 5},
            "readinessProbe": {"periodSeconds": 1},
            "livenessProbe": {"periodSeconds": 1},
        }
    ],
}
"""Ready at most 8 s after its containers start; hence replaced within 29 s, restarted in place within 43 s."""


def at(seconds: float) -> int:
    """A moment, in seconds from the trial's start."""
    return T0 + round(seconds * NS)


def facts(**changes: Any) -> TrialFacts:
    """The facts of a trial on the workload `model`."""
    system = {"selector": {"app": WORKLOAD}}
    known = TrialFacts(
        "test_story", "A claim.", 1, False, NAMESPACE, "Deployment", WORKLOAD, WORKLOAD, {"system": system}
    )
    return replace(known, **changes)


def pod(
    uid: str,
    *,
    ready: bool = False,
    node: str = "n1",
    owner: str = OWNER,
    deleting: bool = False,
    running: bool | None = None,
    restarts: int = 0,
    spec: Mapping[str, Any] = PROBED,
    disruption: str = "",
) -> dict[str, Any]:
    """A raw pod; a ready one runs. `disruption` is the reason of its condition DisruptionTarget."""
    runs = ready if running is None else running
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}} if runs else {"waiting": {"reason": "ContainerCreating"}}
    metadata: dict[str, Any] = {
        "uid": uid,
        "name": f"model-{uid}",
        "namespace": NAMESPACE,
        "labels": {"app": WORKLOAD},
        "ownerReferences": [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}],
    }
    if deleting:
        metadata |= {"deletionTimestamp": "2026-01-01T00:00:10Z", "deletionGracePeriodSeconds": 10}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    if disruption:
        conditions.append({"type": "DisruptionTarget", "status": "True", "reason": disruption})
    return {
        "metadata": metadata,
        "spec": {**spec, **({"nodeName": node} if node else {})},
        "status": {
            "phase": "Running" if runs else "Pending",
            "conditions": conditions,
            "containerStatuses": [{"name": "m", "ready": ready, "restartCount": restarts, "state": state}],
        },
    }


def deployment(replicas: int, *, spec: Mapping[str, Any] = PROBED) -> dict[str, Any]:
    """The raw workload."""
    return {
        "metadata": {"uid": "d-1", "name": WORKLOAD, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": WORKLOAD}},
            "template": {"spec": dict(spec)},
        },
    }


def replica_set(replicas: int, uid: str = OWNER, *, deployment_name: str = WORKLOAD) -> dict[str, Any]:
    """A raw ReplicaSet of a Deployment."""
    owners = [{"kind": "Deployment", "name": deployment_name, "uid": "d-1", "controller": True}]
    return {
        "metadata": {"uid": uid, "name": uid, "namespace": NAMESPACE, "ownerReferences": owners},
        "spec": {"replicas": replicas},
    }


def node(
    name: str, *, ready: bool = True, labels: Mapping[str, str] | None = None, cordoned: bool = False
) -> dict[str, Any]:
    """A raw node, labelled with its name as every kubelet does."""
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    metadata = {"uid": f"node-{name}", "name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
    return {
        "metadata": metadata,
        "spec": {"unschedulable": True} if cordoned else {},
        "status": {"conditions": conditions},
    }


@dataclass
class Story:
    """A trial told line by line; `history()` closes it."""

    end_s: float = 120.0
    events: list[WatchEvent] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    parts: dict[str, Any] = field(default_factory=dict)

    def saw(self, at_s: float, type_: Any, raw: Mapping[str, Any], kind: str = "Pod") -> Self:
        """A watch event."""
        self.events.append(WatchEvent(at(at_s), kind, type_, raw))
        return self

    def has(self, **parts: Any) -> Self:
        """Fields of the History, as they are."""
        self.parts |= parts
        return self

    def replicas(self, *uids: str, spec: Mapping[str, Any] = PROBED) -> Self:
        """The system stands, with these pods Ready, when the watch begins."""
        self.saw(0, "LISTED", deployment(len(uids), spec=spec), "Deployment")
        self.saw(0, "LISTED", replica_set(len(uids)), "ReplicaSet")
        for name in ("n1", "n2"):
            self.saw(0, "LISTED", node(name), "Node")
        for uid in uids:
            self.saw(0, "LISTED", pod(uid, ready=True, spec=spec))
        return self

    def killed(self, uid: str, at_s: float) -> Self:
        """A pod is gone at once, as with a grace of 0."""
        return self.saw(at_s, "DELETED", pod(uid, ready=True))

    def replaced(
        self, uid: str, at_s: float, *, ready_s: float | None, owner: str = OWNER, spec: Mapping[str, Any] = PROBED
    ) -> Self:
        """A pod is created, scheduled 0.1 s later, runs 1 s later, and is Ready at `ready_s`, if ever."""
        self.saw(at_s, "ADDED", pod(uid, node="", owner=owner, spec=spec))
        self.saw(at_s + 0.1, "MODIFIED", pod(uid, owner=owner, spec=spec))
        self.saw(at_s + 1, "MODIFIED", pod(uid, running=True, owner=owner, spec=spec))
        if ready_s is not None:
            self.saw(ready_s, "MODIFIED", pod(uid, ready=True, owner=owner, spec=spec))
        return self

    def fault(self, *victims: str, at_s: float = 30, healed_s: float = 40, name: str = "pod-kill") -> Self:
        """A fault lands half a second after it began, on pods of these UIDs, and is healed."""
        refs = tuple(Ref("Pod", NAMESPACE, f"model-{uid}", uid) for uid in victims)
        number = len(self.parts.get("faults", ())) + 1
        one = Fault(
            f"{name}-{number}", name, "words", refs, at(at_s), at(at_s + 0.5), at(healed_s), proof="gone by UID"
        )
        return self.has(faults=(*self.parts.get("faults", ()), one))

    def acted(
        self,
        name: str,
        at_s: float,
        *,
        outcome: Outcome = "ok",
        uid: str = "a",
        fault: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> Self:
        """A journalled action on a pod."""
        number = len(self.parts.get("actions", ())) + 1
        ref = Ref("Pod", NAMESPACE, f"model-{uid}", uid)
        one = Action(f"act-{number}", name, ref, at(at_s), at(at_s + 0.01), outcome, fault, detail or {})
        return self.has(actions=(*self.parts.get("actions", ()), one))

    def gap(self, begin_s: float, end_s: float, kind: str = "Pod") -> Self:
        """A span in which states of a kind were lost."""
        return self.has(gaps=(*self.parts.get("gaps", ()), Gap(kind, at(begin_s), at(end_s), "410 Gone")))

    def traffic(
        self,
        *,
        rate_rps: float = 10,
        begin_s: float = 0,
        end_s: float = 100,
        latency_s: float = 0.1,
        lag_s: float = 0.0,
        cpu_share: float = 0.1,
    ) -> Self:
        """A steady stream, every request answered, and the generator's own account of it."""
        name = f"steady-{len(self.parts.get('streams', ())) + 1}"
        stream = Stream(name, "steady", rate_rps, at(begin_s), at(end_s), "http", "here")
        count = round((end_s - begin_s) * rate_rps)
        for number in range(count):
            intended = at(begin_s) + round(number * NS / rate_rps)
            self.rows.append(request(number, name, intended, latency_s=latency_s, lag_s=lag_s))
        samples = [
            GeneratorSample(at(second), min(count, round(second * rate_rps)), 0, 0, 0, 0, 0, 0, cpu_share)
            for second in range(1, round(end_s) + 1)
        ]
        samples.append(GeneratorSample(at(end_s + 1), len(self.rows), 0, 0, 0, None, None, None, 0.0, final=True))
        return self.has(streams=(*self.parts.get("streams", ()), stream), generator=tuple(samples))

    def shaped(
        self,
        shape: Shape,
        *,
        begin_s: float = 0,
        end_s: float = 100,
        latency_s: Callable[[float], float] = lambda _: 0.1,
    ) -> Self:
        """A stream of any shape as the journal has it; `latency_s` of what is intended at a second of the trial."""
        name = f"{shape.plain()['kind']}-{len(self.parts.get('streams', ())) + 1}"
        profile = tuple(LoadPoint(at(begin_s) + point.offset_ns, point.rate_rps) for point in shape.rate_profile)
        span = (at(begin_s), at(end_s))
        stream = Stream(name, shape.words, shape.rate_min_rps, *span, "http", "here", "", profile, shape.plain())
        for number, intended in shape.arrivals_ns(*span):
            self.rows.append(request(number, name, intended, latency_s=latency_s((intended - T0) / NS)))
        samples = [GeneratorSample(at(second), 1, 0, 0, 0, 0, 0, 0, 0.1) for second in range(1, round(end_s) + 1)]
        samples.append(
            GeneratorSample(at(end_s + 1), len(self.rows), 0, 0, 0, None, None, None, 0.0, True, len(self.rows), 0)
        )
        return self.has(streams=(*self.parts.get("streams", ()), stream), generator=tuple(samples))

    def fate(self, ids: Iterable[int], outcome: str, **changes: Any) -> Self:
        """Change the fate of some requests."""
        for number in ids:
            self.rows[number] |= {"outcome": outcome, **changes}
        return self

    def history(self) -> History:
        """The story as a History: everything covered, three phases, finished."""
        kinds = ("Pod", "Deployment", "ReplicaSet", "Node", "EndpointSlice")
        parts: dict[str, Any] = {
            "facts": facts(),
            "began_ns": T0,
            "ended_ns": at(self.end_s),
            "covered_ns": dict.fromkeys(kinds, (T0, at(self.end_s))),
            "phases": (
                Phase("baseline", at(5), at(25)),
                Phase("fault", at(30), at(40)),
                Phase("recovery", at(40), at(min(100, self.end_s))),
            ),
        }
        watch = numbered(sorted(self.events, key=lambda event: event.at_ns), T0)
        return History(**(parts | self.parts), watch=watch, requests=pl.DataFrame(self.rows, schema=REQUEST_SCHEMA))


def request(
    number: int, stream: str, intended_ns: int, *, latency_s: float = 0.1, lag_s: float = 0.0
) -> dict[str, Any]:
    """One record of a request that was answered in full, `latency_s` after it was sent."""
    sent = intended_ns + round(lag_s * NS)
    end = sent + round(latency_s * NS)
    return {
        "id": number,
        "stream": stream,
        "intended_ns": intended_ns,
        "sent_ns": sent,
        "first_byte_ns": end,
        "first_token_ns": end,
        "end_ns": end,
        "outcome": "ok",
        "status": 200,
    }


def kill_story() -> Story:
    """Three replicas, one of them killed at 30 s and replaced within 4 s, under traffic, watched without a gap."""
    return (
        Story()
        .replicas("a", "b", "c")
        .fault("a")
        .acted("delete-pod", 30.1, fault="pod-kill-1")
        .killed("a", 30.2)
        .replaced("d", 30.3, ready_s=34)
        .traffic()
    )


def killed(*, until_s: float = 120) -> Story:
    """Three replicas of which one is killed at 30.2 s, and nothing else happens; the bound is 29 s."""
    return Story(until_s).replicas("a", "b", "c").fault("a").killed("a", 30.2)


def nothing() -> History:
    """A history in which nothing was recorded at all."""
    return History(facts=facts(), began_ns=T0, ended_ns=T0)
