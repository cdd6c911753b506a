"""What is in a container's way: pure over its raw status and the Events about its pod."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chaos.objects.events import EventLog
from chaos.system.diagnosis.blocker import Blocker, Kind

__all__ = ["container_blocker"]

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


def container_blocker(
    pod: Mapping[str, Any], status: Mapping[str, Any], events: EventLog, last_line: str = ""
) -> Blocker | None:
    """Say what is in a container's way, None if it is Ready. `last_line` is the last line that it logged."""
    if status.get("ready"):
        return None
    name, uid = pod["metadata"]["name"], pod["metadata"].get("uid", "")
    waiting = status.get("state", {}).get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason in ("ErrImageNeverPull", "InvalidImageName", *_PULLING):
        return _image(pod, status, events)
    if reason in _CONFIGURATION:
        words = f"the container cannot be made: {_told(waiting, reason)}"
        return Blocker("configuration", name, words, CONFIGURATION_PATIENCE_S)
    if fallen := _fallen(status):
        return _crash(pod, status, events, fallen, last_line)
    if not status.get("state", {}).get("running"):
        return _not_made(name, uid, events, reason)
    return _probe(pod, status, events)


def _image(pod: Mapping[str, Any], status: Mapping[str, Any], events: EventLog) -> Blocker:
    name, waiting = pod["metadata"]["name"], status["state"]["waiting"]
    image, reason = status.get("image", ""), waiting["reason"]
    if reason == "ErrImageNeverPull":
        node = pod.get("spec", {}).get("nodeName", "?")
        words = f"image {image} is not on node {node}, and imagePullPolicy Never forbids to pull it"
        return Blocker("image", name, words, NEVER_PATIENCE_S)
    if reason == "InvalidImageName":
        return Blocker("image", name, f"image {image!r} is not a valid image name", NEVER_PATIENCE_S)
    # While the kubelet backs off, its status only says so; the event of the failed try says why.
    why = events.last(pod["metadata"].get("uid", ""), "Failed", saying="image") or _told(waiting, reason)
    absent = _ABSENT.search(why)
    return Blocker("image", name, f"image {image} cannot be pulled: {why}", ABSENT_IMAGE_PATIENCE_S if absent else None)


def _fallen(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give how the container ended last; empty if it never has."""
    return status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated") or {}


def _crash(
    pod: Mapping[str, Any], status: Mapping[str, Any], events: EventLog, ended: Mapping[str, Any], last_line: str
) -> Blocker:
    name, uid = pod["metadata"]["name"], pod["metadata"].get("uid", "")
    restarts = status.get("restartCount", 0)
    times = f", restarted {restarts} {'time' if restarts == 1 else 'times'}" if restarts else ""
    if ended.get("reason") == "OOMKilled":
        limit = _memory_limit(pod, status.get("name", ""))
        return Blocker("out-of-memory", name, f"killed for using more memory than its limit{limit}{times}")
    began = str(ended.get("startedAt") or "")
    for probe, kind in _PROBES:
        if events.last(uid, "Killing", saying=f"failed {probe.lower()} probe", since=began):
            told = events.last(uid, "Unhealthy", saying=f"{probe} probe")
            return Blocker(kind, name, f"killed by its {probe.lower()} probe{times}: {told or 'no reason given'}")
    message = last_line or " ".join(str(ended.get("message", "")).split())
    said = f"; its last line: {message}" if message else ""
    how = f"signal {ended['signal']}" if ended.get("signal") else f"exit code {ended.get('exitCode', '?')}"
    cannot = ended.get("reason") in ("ContainerCannotRun", "StartError")
    return Blocker(
        "crashing",
        name,
        f"the container {'cannot be started' if cannot else 'ends'} ({how}{times}){said}",
        NEVER_PATIENCE_S if cannot else None,
    )


_PROBES: tuple[tuple[str, Kind], ...] = (("Startup", "startup-probe"), ("Liveness", "liveness-probe"))


def _not_made(name: str, uid: str, events: EventLog, reason: str) -> Blocker:
    if told := events.last(uid, "FailedMount", "FailedAttachVolume", "FailedMapVolume"):
        return Blocker("volume", name, f"a volume is not mounted: {told}")
    if told := events.last(uid, "FailedCreatePodSandBox", "NetworkNotReady"):
        return Blocker("sandbox", name, f"the pod's sandbox cannot be made: {told}")
    if told := events.last(uid, "Pulling"):
        return Blocker("creating", name, f"the container is being made: {told}")
    return Blocker("creating", name, f"the container is being made ({reason or 'no reason given'})")


def _probe(pod: Mapping[str, Any], status: Mapping[str, Any], events: EventLog) -> Blocker:
    name, uid = pod["metadata"]["name"], pod["metadata"].get("uid", "")
    ready: tuple[str, Kind] = ("Readiness", "readiness-probe")
    probe, kind = ready if status.get("started", True) else _PROBES[0]
    told = events.last(uid, "Unhealthy", saying=f"{probe} probe")
    return Blocker(kind, name, told or f"its {probe.lower()} probe has not passed yet")


def _memory_limit(pod: Mapping[str, Any], container: str) -> str:
    for one in pod.get("spec", {}).get("containers", []):
        if one.get("name") == container:
            limit = one.get("resources", {}).get("limits", {}).get("memory")
            return f" of {limit}" if limit else " (it has none: the node ran out)"
    return ""


def _told(waiting: Mapping[str, Any], reason: str) -> str:
    message = " ".join(str(waiting.get("message", "")).split())
    return message or reason
