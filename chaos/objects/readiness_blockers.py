"""What keeps the replicas of a system from being Ready, in words: pure over raw API objects.

Some blockers never go away by themselves (an image that may not be pulled). They carry a patience: how long they may
stand before waiting on is pointless. The others may come good until the deadline.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from chaos.objects.base import Raw, View
from chaos.objects.kinds import EventLog

__all__ = ["Blocker", "blockers", "in_words"]

Kind = Literal[
    "refused",
    "unschedulable",
    "unscheduled",
    "not-started",
    "evicted",
    "volume",
    "sandbox",
    "image",
    "configuration",
    "creating",
    "crashing",
    "out-of-memory",
    "startup-probe",
    "readiness-probe",
    "liveness-probe",
    "not-ready",
]


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that keeps a pod or a ReplicaSet from being ready.

    Attributes:
        who: the name of the pod or the ReplicaSet.
        words: the reason for people.
        patience_s: after how long waiting on is pointless; None where it may pass by itself at any time.
    """

    kind: Kind
    who: str
    words: str
    patience_s: float | None = None


def in_words(blockers: Iterable[Blocker], *, at_most: int = 3) -> str:
    """The blockers in words, the most frequent first, each with the pods that it holds up; empty if there are none."""
    found = tuple(blockers)
    counts = Counter(one.words for one in found)
    lines = []
    for words, count in counts.most_common(at_most):
        who = next(one.who for one in found if one.words == words)
        lines.append(f"{who}{f' and {count - 1} more' if count > 1 else ''}: {words}")
    if len(counts) > at_most:
        lines.append(f"and {len(counts) - at_most} other blockers")
    return "; ".join(lines)


REFUSED_PATIENCE_S = 10.0
"""For pods that admission refuses. A new namespace refuses pods for a moment, until it has its service account."""

REVISION = "deployment.kubernetes.io/revision"


def blockers(
    *,
    pods: Iterable[Raw],
    replicasets: Iterable[Raw] = (),
    events: Iterable[Raw] = (),
    last_lines: Mapping[str, str] | None = None,
) -> tuple[Blocker, ...]:
    """Say what is in the way of each replica that is not Ready.

    All objects are raw and must be the system's own. Only pods of the newest ReplicaSet count, where ReplicaSets are
    given: the older ones are on their way out. `last_lines` holds the last line that a pod's container logged, by name.
    """
    log, newest = EventLog(events), _newest(tuple(replicasets))
    found = [_refused(newest, log)] if newest else []
    found += [
        _of_pod(pod, log, (last_lines or {}).get(pod["metadata"]["name"], ""))
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))
        if _counts(pod, newest)
    ]
    return tuple(one for one in found if one)


def _newest(replicasets: Sequence[Raw]) -> Raw | None:
    def revision(replicaset: Raw) -> int:
        return int(replicaset["metadata"].get("annotations", {}).get(REVISION, 0))

    return max(replicasets, key=revision, default=None)


def _counts(pod: Raw, newest: Raw | None) -> bool:
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp"):
        return False
    return newest is None or any(
        owner["uid"] == newest["metadata"]["uid"] for owner in metadata.get("ownerReferences", [])
    )


def _refused(replicaset: Raw, events: EventLog) -> Blocker | None:
    """Say why the ReplicaSet may not create its pods, if it has fewer than it wants."""
    status, metadata = replicaset.get("status", {}), replicaset["metadata"]
    if status.get("replicas", 0) >= replicaset.get("spec", {}).get("replicas", 1):
        return None
    condition = View(replicaset).condition("ReplicaFailure")
    reported = str(condition.get("message", "")) if condition.get("status") == "True" else ""
    reported = reported or events.last(metadata.get("uid", ""), "FailedCreate")
    if not reported:
        return None
    word = "a quota does not allow its pods" if "exceeded quota" in reported else "its pods are refused"
    return Blocker("refused", metadata["name"], f"{word}: {reported}", REFUSED_PATIENCE_S)


def _of_pod(pod: Raw, events: EventLog, last_line: str) -> Blocker | None:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if status.get("phase") == "Failed":
        why = status.get("message") or status.get("reason") or "no reason given"
        return Blocker("evicted", name, f"the pod has failed: {why}")
    if View(pod).condition("Ready").get("status") == "True":
        return None
    if not pod.get("spec", {}).get("nodeName"):
        return _unscheduled(name, View(pod).condition("PodScheduled"))
    statuses = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    for one in statuses:
        if blocker := container_blocker(pod, one, events, last_line):
            return blocker
    if statuses:
        return Blocker("not-ready", name, View(pod).condition("Ready").get("message") or "its pod is not Ready yet")
    return Blocker("not-started", name, f"the kubelet of node {pod['spec']['nodeName']} has not begun with it")


def _unscheduled(name: str, scheduled: Raw) -> Blocker:
    if scheduled.get("reason") == "Unschedulable":
        return Blocker("unschedulable", name, f"no node takes it: {scheduled.get('message', 'no reason given')}")
    return Blocker("unscheduled", name, "the scheduler has not looked at it yet")


NEVER_PATIENCE_S = 5.0
"""For what the kubelet will refuse each time: long enough for a status that is being mended to arrive."""

CONFIGURATION_PATIENCE_S = 15.0
"""For a missing ConfigMap or Secret: somebody may be about to create it."""

ABSENT_IMAGE_PATIENCE_S = 30.0
"""For an image that the registry does not have or give: covers three tries of the kubelet (10 s, 20 s apart)."""

# Reasons in pkg/kubelet/images/types.go, pkg/kubelet/kuberuntime/kuberuntime_container.go and cri-api's errors.go.
_PULLING = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed")
_CONFIGURATION = (
    "CreateContainerConfigError",
    "CreateContainerError",
    "PreCreateHookError",
    "PreStartHookError",
    "PostStartHookError",
    "RunContainerError",
)
_ABSENT = re.compile(r"not found|manifest unknown|denied|unauthorized|does not exist|invalid reference", re.IGNORECASE)


def container_blocker(pod: Raw, status: Raw, events: EventLog, last_line: str = "") -> Blocker | None:
    """Say what is in a container's way, None if it is Ready; which it is, in a pod of several.

    `last_line` is the last line that it logged.
    """
    if status.get("ready"):
        return None
    found, spec = _in_its_way(pod, status, events, last_line), pod.get("spec") or {}
    if len([*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]) < 2:
        return found
    return replace(found, words=f"container {status.get('name')}: {found.words}")


def _in_its_way(pod: Raw, status: Raw, events: EventLog, last_line: str) -> Blocker:
    name = pod["metadata"]["name"]
    waiting = status.get("state", {}).get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason in ("ErrImageNeverPull", "InvalidImageName", *_PULLING):
        return _image(pod, status, events)
    if reason in _CONFIGURATION:
        words = f"the container cannot be made: {_waiting_message(waiting, reason)}"
        return Blocker("configuration", name, words, CONFIGURATION_PATIENCE_S)
    if fallen := _fallen(status):
        return _crash(pod, status, events, fallen, last_line)
    if not status.get("state", {}).get("running"):
        return _not_made(pod, status, events)
    return _probe(pod, status, events)


def _image(pod: Raw, status: Raw, events: EventLog) -> Blocker:
    name, waiting = pod["metadata"]["name"], status["state"]["waiting"]
    image, reason = status.get("image", ""), waiting["reason"]
    if reason == "ErrImageNeverPull":
        node = pod.get("spec", {}).get("nodeName", "?")
        words = f"image {image} is not on node {node}, and imagePullPolicy Never forbids to pull it"
        return Blocker("image", name, words, NEVER_PATIENCE_S)
    if reason == "InvalidImageName":
        return Blocker("image", name, f"image {image!r} is not a valid image name", NEVER_PATIENCE_S)
    # While the kubelet backs off, its status only says so; the event of the failed try says why.
    why = _said(pod, status, events, "Failed", saying="image") or _waiting_message(waiting, reason)
    absent = _ABSENT.search(why)
    return Blocker("image", name, f"image {image} cannot be pulled: {why}", ABSENT_IMAGE_PATIENCE_S if absent else None)


def _fallen(status: Raw) -> Raw:
    """Give how the container ended last; empty if it never has."""
    return status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated") or {}


def _crash(pod: Raw, status: Raw, events: EventLog, ended: Raw, last_line: str) -> Blocker:
    name, restarts = pod["metadata"]["name"], status.get("restartCount", 0)
    times = f", restarted {restarts} {'time' if restarts == 1 else 'times'}" if restarts else ""
    if ended.get("reason") == "OOMKilled":
        limit = _memory_limit(pod, status.get("name", ""))
        return Blocker("out-of-memory", name, f"killed for using more memory than its limit{limit}{times}")
    began = str(ended.get("startedAt") or "")
    for probe, kind in _PROBES:
        if _said(pod, status, events, "Killing", saying=f"failed {probe.lower()} probe", since=began):
            reported = _said(pod, status, events, "Unhealthy", saying=f"{probe} probe")
            return Blocker(kind, name, f"killed by its {probe.lower()} probe{times}: {reported or 'no reason given'}")
    message = last_line or " ".join(str(ended.get("message", "")).split())
    tail = f"; its last line: {message}" if message else ""
    how = f"signal {ended['signal']}" if ended.get("signal") else f"exit code {ended.get('exitCode', '?')}"
    cannot = ended.get("reason") in ("ContainerCannotRun", "StartError")
    return Blocker(
        "crashing",
        name,
        f"the container {'cannot be started' if cannot else 'ends'} ({how}{times}){tail}",
        NEVER_PATIENCE_S if cannot else None,
    )


_PROBES: tuple[tuple[str, Kind], ...] = (("Startup", "startup-probe"), ("Liveness", "liveness-probe"))


def _not_made(pod: Raw, status: Raw, events: EventLog) -> Blocker:
    name, uid = pod["metadata"]["name"], pod["metadata"].get("uid", "")
    reason = ((status.get("state") or {}).get("waiting") or {}).get("reason") or "no reason given"
    if reported := _said(pod, status, events, "Pulling"):
        return Blocker("creating", name, f"the container is being made: {reported}")
    being_made = Blocker("creating", name, f"the container is being made ({reason})")
    # What comes after the volumes and the sandbox shows that these are there, for whichever container it comes.
    if events.last(uid, "Pulling"):
        return being_made
    if reported := events.last(uid, "FailedMount", "FailedAttachVolume", "FailedMapVolume"):
        return Blocker("volume", name, f"a volume is not mounted: {reported}")
    if reported := events.last(uid, "FailedCreatePodSandBox", "NetworkNotReady"):
        return Blocker("sandbox", name, f"the pod's sandbox cannot be made: {reported}")
    return being_made


def _probe(pod: Raw, status: Raw, events: EventLog) -> Blocker:
    ready: tuple[str, Kind] = ("Readiness", "readiness-probe")
    probe, kind = ready if status.get("started", True) else _PROBES[0]
    reported = _said(pod, status, events, "Unhealthy", saying=f"{probe} probe")
    return Blocker(kind, pod["metadata"]["name"], reported or f"its {probe.lower()} probe has not passed yet")


def _said(pod: Raw, status: Raw, events: EventLog, reason: str, *, saying: str = "", since: str = "") -> str:
    """What the last Event of a reason says that is about this container, or about none of the pod's alone."""
    uid, container = pod["metadata"].get("uid", ""), str(status.get("name") or "")
    return events.last(uid, reason, container=container, saying=saying, since=since)


def _memory_limit(pod: Raw, container: str) -> str:
    for one in pod.get("spec", {}).get("containers", []):
        if one.get("name") == container:
            limit = one.get("resources", {}).get("limits", {}).get("memory")
            return f" of {limit}" if limit else " (it has none: the node ran out)"
    return ""


def _waiting_message(waiting: Raw, reason: str) -> str:
    message = " ".join(str(waiting.get("message", "")).split())
    return message or reason
