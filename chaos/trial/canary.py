"""The canary: each ready endpoint of the system's Service is asked directly, which tells who serves without a header.

Each has a stream of its own: one token, at intended times that hang on nobody else's, one request at a time, through
the API server's proxy for pods. None of it is part of what users are measured by: it goes to canary.jsonl, without any
prompt or answer. A request is sent at most once a second, and so seldom that it takes at most `SHARE_MAX` of a replica:
the quickest answer seen says what one costs a server that does nothing beside it.

Whether a replica that is told to end finishes what it has taken shows only by a request that it had then, and nobody
knows which of users' it had. So the victims of a fault that ends pods are held: from just before it until each is being
deleted they have one long answer after the other to give. That is more than the share above, but of a replica that is
about to be taken away, and of no other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from chaos.clock import NS, Clock
from chaos.cluster import proxy_path
from chaos.cluster.transport import Transport
from chaos.errors import ClusterRefused, HarnessBroken, UsageError
from chaos.faults import Fault
from chaos.history.writing.jsonl import AppendFile, as_line
from chaos.history.writing.redaction import redacted_message
from chaos.objects.base import Raw, View
from chaos.objects.kinds import EndpointSliceView
from chaos.objects.pod import PodView
from chaos.system import System
from chaos.trial.context import TrialContext
from chaos.trial.pod_question import Question
from loadgen.profiles import OpenAiChatProfile, Profile

__all__ = ["SHARE_MAX", "Canary", "Target", "canary_of", "targets", "victims_held"]

SHARE_MAX, EVERY_S = 0.02, 1.0
"""The most that it takes of a replica's time, and the least time between two requests to one replica."""

REPLICAS_MAX = 64
"""Each has a thread of its own."""

LOOK_S, STOP_S = 0.2, 5.0

HELD_TOKENS, HELD_MAX_S, TAKEN_S = 64, 120.0, 0.5
"""The least length of a long answer, how long a victim is held at most, and how long a server has to take a request."""


WAY = "the API server's proxy for pods"


@dataclass(frozen=True, slots=True)
class Target:
    """A pod to ask, and the port that the Service sends users to."""

    uid: str
    name: str
    port: int


def targets(
    slices: Iterable[Raw], services: Iterable[Raw], system: System, pods: Iterable[PodView]
) -> dict[str, Target]:
    """The system's `pods` among the ready endpoints of its Service, by UID; one of two families once.

    What a slice says of pods the API server does not check: it may name any.
    """
    known = {(pod.uid, pod.name) for pod in pods}
    ours = (system.namespace, system.service)
    own = (View(raw) for raw in services)
    ports = [port for view in own if (view.namespace, view.name) == ours for port in view.spec.get("ports") or ()]
    names = {str(port.get("name") or "") for port in ports if port.get("port") == system.port}
    found: dict[str, Target] = {}
    for view in map(EndpointSliceView, slices):
        given = view.raw.get("ports") or ()
        # A slice of one port leaves no choice.
        fit = [port for port in given if str(port.get("name") or "") in names or len(given) == 1]
        if (view.namespace, view.service) != ours or not fit or not isinstance(fit[0].get("port"), int):
            continue
        for one in view.endpoints:
            target = one.raw.get("targetRef") or {}
            uid, name = one.pod_uid, str(target.get("name"))
            if one.ready and target.get("kind") == "Pod" and (uid, name) in known:
                found.setdefault(uid, Target(uid, name, fit[0]["port"]))
    return found


class Canary:
    """Asks the pods that it is given, each in a thread of its own, and writes what came of it."""

    def __init__(self, transport: Transport, clock: Clock, file: AppendFile, namespace: str, profile: Profile) -> None:
        """Ask with a request of `profile`, of one token where it is a chat. Raises `UsageError` if none can be sent."""
        self.one = Question.of(profile, 1)
        # Only an answer of a length that can be chosen is long.
        self._long = Question.of(profile, HELD_TOKENS) if isinstance(profile, OpenAiChatProfile) else None
        self._transport, self._clock, self._file, self._namespace = transport, clock, file, namespace
        self._lock, self._aiming, self._stopping = threading.Lock(), threading.Lock(), threading.Event()
        self._asked: dict[str, threading.Event] = {}
        self._pending: dict[object, tuple[str, Target, int, int]] = {}
        self._quickest_s: float | None = None
        self.failure: HarnessBroken | None = None
        """Why something was not recorded; None as long as all is."""

    @property
    def every_s(self) -> float:
        """The least time between two requests to one replica, by what is known so far."""
        return EVERY_S if self._quickest_s is None else max(EVERY_S, self._quickest_s / SHARE_MAX)

    def aim(self, now: Mapping[str, Target]) -> None:
        """Ask these from now on, those that are asked already first where there are too many, and no others."""
        with self._aiming:
            wanted = {} if self._stopping.is_set() else now
            for uid in self._asked.keys() - wanted.keys():
                self._asked.pop(uid).set()
            for uid in sorted(wanted.keys() - self._asked.keys())[: REPLICAS_MAX - len(self._asked)]:
                gone = self._asked[uid] = threading.Event()
                name = f"canary-{wanted[uid].name}"
                threading.Thread(target=self._stream, args=(wanted[uid], gone), name=name, daemon=True).start()

    def stop(self) -> None:
        """Ask no more, and write which requests are without an answer."""
        self._stopping.set()
        self.aim({})
        with self._lock:
            for asked in self._pending.values():
                self._write(*asked, {"outcome": "unanswered", "error": "the trial ended"})
            self._pending.clear()

    def finish(self) -> None:
        """The same. Raises `HarnessBroken` if anything could not be written."""
        self.stop()
        if self.failure is not None:
            raise self.failure

    def hold(self, victims: Iterable[Target], ending: Callable[[str], bool]) -> None:
        """Have these answer at length until each is `ending`, by its UID. Returns when they have taken a request."""
        if self._long is None:
            return
        for target in victims:
            name = f"canary-holds-{target.name}"
            threading.Thread(target=self._hold, args=(target, self._long, ending), name=name, daemon=True).start()
        self._stopping.wait(TAKEN_S)

    def _hold(self, target: Target, question: Question, ending: Callable[[str], bool]) -> None:
        until_ns = self._clock.now_ns() + round(HELD_MAX_S * NS)
        while not self._stopping.is_set() and not ending(target.uid) and self._clock.now_ns() < until_ns:
            if self._asked_once("held", target, question, self._clock.now_ns()) != "ok":
                return

    def _stream(self, target: Target, gone: threading.Event) -> None:
        intended_ns = self._clock.now_ns()
        while not gone.wait(max(0.0, (intended_ns - self._clock.now_ns()) / NS)):
            sent_ns = self._clock.now_ns()
            if self._asked_once("asked", target, self.one, intended_ns) == "ok":
                took_s = (self._clock.now_ns() - sent_ns) / NS
                self._quickest_s = min(took_s, self._quickest_s or took_s)
            intended_ns = max(intended_ns + round(self.every_s * NS), self._clock.now_ns())

    def _asked_once(self, event: str, target: Target, question: Question, intended_ns: int) -> str:
        """Ask once and write what became of it; that outcome, empty when the canary has stopped."""
        sent_ns, key = self._clock.now_ns(), object()
        with self._lock:
            if self._stopping.is_set():
                return ""
            self._pending[key] = (event, target, intended_ns, sent_ns)
        said = question.put(self._transport, proxy_path("Pod", self._namespace, target.name, target.port))
        with self._lock:
            if self._pending.pop(key, None) is None:
                return ""
            self._write(event, target, intended_ns, sent_ns, said)
        return str(said["outcome"])

    def _write(self, event: str, target: Target, intended_ns: int, sent_ns: int, said: Mapping[str, Any]) -> None:
        end_ns = self._clock.now_ns()
        times = {"intended_ns": intended_ns, "sent_ns": sent_ns, "end_ns": end_ns}
        line = {"event": event, "pod": target.name, "uid": target.uid, **times, **said}
        if "error" in line:
            line["error"] = redacted_message(str(line["error"]))[:200]
        try:
            _append(self._file, end_ns, line)
        except HarnessBroken as broken:
            self.failure = broken


ENDING = frozenset({"pod-kill", "evict", "node-drain"})
"""The faults that have pods end soon, and know which."""


@contextmanager
def victims_held(canary: Canary | None, context: TrialContext, fault: Fault) -> Iterator[None]:
    """While a fault is made that ends pods: hold those of them that users are sent to, from just before it."""
    if canary is None or fault.name not in ENDING:
        yield
        return
    over = threading.Event()
    objects = context.recorder.objects
    hit = {(victim.kind, victim.uid) for victim in fault.victims}
    nodes = {victim.name for victim in fault.victims if victim.kind == "Node"}
    ends = {pod.uid for pod in context.pods() if ("Pod", pod.uid) in hit or pod.node in nodes}
    found = targets(objects("EndpointSlice"), objects("Service"), context.system, context.pods())

    def ending(uid: str) -> bool:
        return over.is_set() or all(pod.uid != uid or pod.deleting for pod in context.pods())

    canary.hold([target for uid, target in found.items() if uid in ends], ending)
    try:
        yield
    finally:
        over.set()


def _append(file: AppendFile, at_ns: int, line: Mapping[str, Any]) -> None:
    file.write(at_ns, as_line(line)[1:])


@contextmanager
def canary_of(context: TrialContext, profile: Profile) -> Iterator[Canary | None]:
    """The canary of a trial while the block lasts; None where it may ask nothing, which canary.jsonl says in words."""
    cluster, system, clock = context.cluster, context.system, context.clock
    file = AppendFile(context.run / "canary.jsonl")
    try:
        canary = Canary(cluster.transport, clock, file, system.namespace, profile)
        verb = "get" if canary.one.method == "GET" else "create"
        allowed = cluster.may(verb, "Pod", system.namespace, subresource="proxy")
        why = "" if allowed else f"this user may not {verb} Pod/proxy in namespace {system.namespace} (gameday rbac)"
    except (UsageError, ClusterRefused) as refused:
        canary, why = None, refused.what
    if canary is None or why:
        _append(file, clock.now_ns(), {"event": "refused", "reason": why})
        context.journal.event("note", text=f"no replica is asked directly: {why}")
        file.close()
        yield None
        return
    _append(file, clock.now_ns(), {"event": "began", "way": WAY, "every_s": EVERY_S, "share_max": SHARE_MAX})
    share = f"at most once in {EVERY_S:g} s, so that it takes at most {SHARE_MAX:.0%} of it"
    context.journal.event("note", text=f"each replica is asked directly, through {WAY}, for one token {share}")
    ended = threading.Event()

    def look() -> None:
        objects = context.recorder.objects
        try:
            while not ended.wait(LOOK_S):
                canary.aim(targets(objects("EndpointSlice"), objects("Service"), system, context.pods()))
        except Exception as error:  # noqa: BLE001  # unnoticed, replicas would not be asked and nobody know
            canary.failure = HarnessBroken(f"the canary asks nobody else: {error!r}"[:500])

    looking = threading.Thread(target=look, name="canary", daemon=True)
    looking.start()
    try:
        yield canary
    finally:
        ended.set()
        looking.join(STOP_S)
        canary.stop()
        file.close()
