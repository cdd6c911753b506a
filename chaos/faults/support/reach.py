"""See a container's processes, by its own shell, by its node, or by a container that is put beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chaos.cluster import DRY_RUN, DryRunExecutor, mutations
from chaos.errors import TimedOut
from chaos.faults.containers import Place, Survey, not_running, place_of, survey
from chaos.faults.context import FaultContext
from chaos.faults.support.ways import NO_TOOLS, Seen, Tools, Way, shell_way
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.wait import until

__all__ = ["DEBUG_NAME", "Reached", "pod_of", "reach", "surveyed", "tools_of"]

DEBUG_NAME = "gameday-debug-"
"""How the names of ephemeral containers of ours begin."""

DEBUG_S = 60.0
"""For a kubelet to pull a small image and start an ephemeral container."""

DEBUG_LASTS_S = 86_400
"""How long such a container waits for orders: a watchdog that is left in it ends with it."""

_tools: dict[str, Tools] = {}
"""What an image has, by its digest: it is asked once for each."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A container into which somebody could look, and where that was."""

    place: Place
    seen: Seen


def reach(context: FaultContext, ref: Ref, container: str, *, guarded: bool) -> Reached | str:
    """See the processes of a pod's container; why that cannot be, in words. `guarded` as for `shell_way`.

    An ephemeral container is made where nothing else will do and the user's file names an image for it.
    """
    place, pod = place_of(context.recorder, ref, container), pod_of(context, ref)
    if place is None or pod is None:
        return not_running(ref, container)
    below = context.infrastructure
    if isinstance(context.executor, DryRunExecutor):
        return f"{DRY_RUN}: {ref.name}: {shell_way(place.container, None, below, guarded=guarded).words}"
    found = surveyed(context, pod, place)
    if isinstance(found, str):
        return found
    way = shell_way(place.container, _tools_seen(found), below, guarded=guarded)
    if way.means == "debug":
        return _through_debug(context, pod, place, way)
    if way.means == "none":
        return f"{ref.name}: {way.words}"
    processes = found.processes if found else ()
    if way.means == "node" and below.containers is not None:
        processes = below.containers.processes(pod.node, place.container_id)
    return Reached(place, Seen(pod, place.container, way.means, processes))


def tools_of(context: FaultContext, pod: PodView, place: Place) -> Tools | str:
    """What a container's image has; why nobody could ask it, in words."""
    seen = surveyed(context, pod, place)
    return seen if isinstance(seen, str) else _tools_seen(seen)


def pod_of(context: FaultContext, ref: Ref) -> PodView | None:
    """The pod as the watch shows it."""
    return next((pod for pod in map(PodView, context.recorder.objects("Pod")) if pod.uid == ref.uid), None)


def surveyed(context: FaultContext, pod: PodView, place: Place) -> Survey | str | None:
    """What the container's own shell shows, None where the image has none, else why it could not be asked."""
    image = next((str(one.raw.get("imageID") or "") for one in pod.containers if one.name == place.container), "")
    if _tools.get(image) == NO_TOOLS:
        return None
    seen = survey(context, place)
    if isinstance(seen, str) and seen:
        return seen
    found = seen if isinstance(seen, Survey) else None
    if image:
        _tools[image] = _tools_seen(found)
    return found


def _tools_seen(seen: Survey | None) -> Tools:
    return Tools(sleep=seen.sleep) if seen else NO_TOOLS


def _through_debug(context: FaultContext, pod: PodView, place: Place, way: Way) -> Reached | str:
    made = _debug_container(context, pod, place)
    if isinstance(made, str):
        return made
    seen = survey(context, made)
    if isinstance(seen, Survey) and seen.sleep:
        return Reached(made, Seen(pod, place.container, "debug", seen.processes))
    why = seen if isinstance(seen, str) and seen else "its image has no sh, or no sleep"
    return f"{pod.name}: {way.words}: {why}"


def _debug_container(context: FaultContext, pod: PodView, place: Place) -> Place | str:
    """Put an ephemeral container beside a container, with its processes; one of ours that runs is taken again."""
    image = context.infrastructure.own.debug_image
    there = [one for one in _ephemeral(pod) if one.get("targetContainerName") == place.container]
    ours = [str(one["name"]) for one in there if str(one["name"]).startswith(DEBUG_NAME) and one.get("image") == image]
    for name in ours:
        if _runs(pod, name):
            return replace(place, through=name)
    # One that is to come, e.g. for want of its image, cannot be removed: another beside it would stay as well.
    name = next((one for one in ours if not _state(pod, one).get("terminated")), "")
    if not name:
        name = f"{DEBUG_NAME}{hashlib.sha256(f'{place.container_id} {len(ours)}'.encode()).hexdigest()[:8]}"
        if why := _added(context, pod, place, name):
            return why

    def runs() -> bool:
        now = pod_of(context, place.pod)
        return now is not None and _runs(now, name)

    try:
        until(runs, deadline_s=DEBUG_S, awaited=f"ephemeral container {name}")
    except TimedOut:
        why = _waits(pod_of(context, place.pod), name)
        return f"{pod.name}: ephemeral container {name} does not run{why}; it cannot be removed, and goes with the pod"
    return replace(place, through=name)


def _added(context: FaultContext, pod: PodView, place: Place, name: str) -> str:
    """Have an ephemeral container of that name added. Return an empty string, or why it is not."""
    made = {
        "name": name,
        "image": context.infrastructure.own.debug_image,
        "command": ["sh", "-c", f"sleep {DEBUG_LASTS_S}"],
        "targetContainerName": place.container,
        # Only who is the same user, or root, may send its processes signals; and what policy lets that one be, it is.
        **_security(pod, place.container),
    }
    patch = mutations.patch(
        place.pod,
        {"spec": {"ephemeralContainers": [made]}},
        mutations.STRATEGIC,
        subresource="ephemeralcontainers",
        action="debug-container",
        fault=context.fault,
    )
    done = context.executor.do(patch)
    return "" if done.outcome == "ok" else f"{pod.name}: no ephemeral container could be added: {done.reason}"


def _ephemeral(pod: PodView) -> list[Mapping[str, Any]]:
    return list(pod.spec.get("ephemeralContainers") or ())


def _state(pod: PodView | None, name: str) -> Mapping[str, Any]:
    statuses = (pod.status.get("ephemeralContainerStatuses") or ()) if pod else ()
    return next((one.get("state") or {} for one in statuses if one.get("name") == name), {})


def _runs(pod: PodView, name: str) -> bool:
    return bool(_state(pod, name).get("running"))


def _waits(pod: PodView | None, name: str) -> str:
    state = _state(pod, name)
    told = state.get("waiting") or state.get("terminated") or {}
    words = " ".join(str(told[key]) for key in ("reason", "message") if told.get(key))
    return f": {words}" if words else ""


def _security(pod: PodView, container: str) -> Mapping[str, Any]:
    own = next((one.get("securityContext") for one in pod.runs if one.get("name") == container), None)
    return {"securityContext": own} if own else {}
