"""Probes: those that are missing, and those that end a server which is only loading or busy.

The arithmetic is the kubelet's (pkg/kubelet/prober/worker.go). Of a server that is still loading, with the initial
delay I, period P and failure threshold F, the F-th failure comes I + (F - 1) * P after the start at the earliest, and
I + F * P at the latest, as ticks are not aligned to the start.
"""

import math
from collections.abc import Iterator
from typing import Any

from chaos.objects.base import Raw
from chaos.review.manifest_set import ManifestSet
from chaos.review.model import Workload
from chaos.review.patches import Patch, container_patch
from chaos.review.shapes import HANDLERS, PROBES, handler_of, probe_of, rows, sub, whole
from chaos.review.violation import Violation
from chaos.semantics import Probe

__all__ = ["PATIENCE_S", "probes"]

PATIENCE_S = 60
"""For so long a liveness probe that asks what readiness asks has to fail before it may be believed; ours."""

START_S = 600
"""What a startup probe of a patch grants: models of some tens of GB load within minutes; ours."""

LONG_START_S = 300
"""A liveness probe that ends no start before this is left in peace; ours."""

SHORT_START_S = 60
"""A startup probe that ends every start sooner is hasty for a server that loads a model; ours."""

DELAY_S = 120
"""A fixed delay of readiness from which a recovery takes needlessly long; ours."""

STARTUP = {"periodSeconds": 10, "failureThreshold": START_S // 10}
ONLY_OPEN = "; the patch only sees whether the port is open, a path that answers when ready is better"


def probes(known: ManifestSet) -> Iterator[Violation]:
    """Every violation of a rule about when a server counts as started, ready and alive."""
    for workload in known.workloads:
        container, port = workload.serving
        yield from _missing(workload, container, port)
        yield from _starting(workload, container)
        yield from _living(workload, container)
        yield from _ready(workload, container)


def _missing(workload: Workload, container: Raw, port: Any) -> Iterator[Violation]:
    asks = handler_of(container, "startupProbe", "readinessProbe", "livenessProbe")
    lacking = [one for one in ("readinessProbe", "livenessProbe") if not sub(container, one)]
    handler = asks or ({"tcpSocket": {"port": port}} if port else {})
    about, fields = workload.manifest, _added(container, handler, lacking)
    patch = container_patch(workload, container, fields) if handler else None
    guess = ONLY_OPEN if handler and not asks else ""
    if not any(sub(container, one) for one in PROBES):
        counted = ("the autoscaler counts a replica that loads as ready",) if workload.scalers else ()
        early = (
            "traffic is sent to pods that are still loading" if workload.serves else "a release waits for no new pod"
        )
        sentence = f"no probes: {early}, and one that hangs is never restarted"
        yield Violation("probes-missing", about, f"{workload.where(container)}{sentence}{guess}", counted, patch)
        return
    if "readinessProbe" in lacking:
        sentence = "no readiness probe: traffic is sent to pods that cannot answer"
        yield Violation("readiness-probe-missing", about, workload.where(container) + sentence, (), patch)
    if "livenessProbe" in lacking:
        sentence = "no liveness probe: a process that hangs is never started anew"
        yield Violation("liveness-probe-missing", about, workload.where(container) + sentence, (), patch)


def _added(container: Raw, handler: Raw, lacking: list[str]) -> dict[str, Any]:
    """The probes that are missing; with a liveness probe also a startup probe, or it would end every long start."""
    patient = {**handler, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": PATIENCE_S // 10}
    usual = {"readinessProbe": {**handler, "periodSeconds": 5}, "livenessProbe": patient}
    added: dict[str, Any] = {name: usual[name] for name in lacking}
    if "livenessProbe" in lacking and not sub(container, "startupProbe"):
        return {"startupProbe": {**handler, **STARTUP}, **added}
    return added


def _starting(workload: Workload, container: Raw) -> Iterator[Violation]:
    """Starts that a probe ends."""
    startup, liveness = probe_of(container, "startupProbe"), probe_of(container, "livenessProbe")
    where = workload.where(container)
    if startup is None and liveness is not None and _failed_s(liveness)[0] < LONG_START_S:
        asks = handler_of(container, "livenessProbe")
        patch = container_patch(workload, container, {"startupProbe": {**asks, **STARTUP}}) if asks else None
        earliest_s = _failed_s(liveness)[0]
        sentence = f"{where}no startup probe: liveness ends a start that takes over {earliest_s} s"
        sums = (*_sums(liveness), f"the patch's startup probe: {STARTUP['failureThreshold']} * 10 = {START_S} s")
        yield Violation("startup-probe-missing", workload.manifest, sentence, sums, patch)
    if startup is not None and _failed_s(startup)[1] < SHORT_START_S:
        latest_s, period_s = _failed_s(startup)[1], int(startup.period_s)
        fields = {"startupProbe": {"failureThreshold": math.ceil(START_S / period_s)}}
        sentence = f"{where}a start that takes over {latest_s} s never succeeds: the startup probe ends it each time"
        patch = container_patch(workload, container, fields)
        yield Violation("startup-window-short", workload.manifest, sentence, _sums(startup), patch)


def _failed_s(probe: Probe) -> tuple[int, int]:
    """When the last failure that counts comes, at the earliest and at the latest."""
    first, period, failures = int(probe.initial_delay_s), int(probe.period_s), probe.failure_threshold
    return first + (failures - 1) * period, first + failures * period


def _sums(probe: Probe) -> tuple[str, ...]:
    earliest_s, latest_s = _failed_s(probe)
    delay, period, failures = f"{probe.initial_delay_s:g}", f"{probe.period_s:g}", probe.failure_threshold
    return (
        f"initialDelaySeconds {delay}, periodSeconds {period}, failureThreshold {failures}",
        f"it is ended {delay} + ({failures} - 1) * {period} = {earliest_s} s after its start at the earliest",
        f"and {delay} + {failures} * {period} = {latest_s} s at the latest",
    )


def _living(workload: Workload, container: Raw) -> Iterator[Violation]:
    """Servers that liveness ends though they are only busy."""
    liveness = probe_of(container, "livenessProbe")
    if liveness is None:
        return
    where, about = workload.where(container), workload.manifest
    period, failures = int(liveness.period_s), liveness.failure_threshold
    if failures == 1:
        sentence = f"{where}failureThreshold 1: liveness ends a server after one failed answer"
        yield Violation("liveness-one-failure", about, sentence, (), _liveness(workload, container, failureThreshold=3))
    if _same(container) and failures * period < PATIENCE_S:
        enough = max(6, math.ceil(PATIENCE_S / period))
        sums = (
            f"{failures} failures * {period} s = {failures * period} s of a busy server end it",
            f"failureThreshold {enough}: {enough} * {period} = {enough * period} s",
        )
        sentence = f"{where}liveness and readiness ask the same: a pod that is only busy is killed"
        patch = _liveness(workload, container, failureThreshold=enough)
        yield Violation("liveness-asks-readiness", about, sentence, sums, patch)
    if sub(container, "livenessProbe", "exec") and liveness.timeout_s <= 1:
        sentence = f"{where}the liveness probe runs a program with a timeout of 1 s: on a busy node it fails, and kills"
        yield Violation("liveness-exec-timeout", about, sentence, (), _liveness(workload, container, timeoutSeconds=5))


def _liveness(workload: Workload, container: Raw, **fields: int) -> Patch | None:
    return container_patch(workload, container, {"livenessProbe": fields})


def _same(container: Raw) -> bool:
    """Whether both ask the same of the server; an open port is answered for it by the kernel, however busy it is."""
    asked = [_resolved(container, one) for one in ("livenessProbe", "readinessProbe")]
    return asked[0] == asked[1] and bool(asked[0]) and "tcpSocket" not in asked[0]


def _resolved(container: Raw, probe: str) -> dict[str, Any]:
    """What a probe asks, with its port as a number."""
    named = {one.get("name"): one.get("containerPort") for one in rows(container, "ports") if one.get("name")}
    found = {}
    for handler in HANDLERS:
        if given := sub(container, probe, handler):
            port = given.get("port")
            found[handler] = {**given, "port": port if whole(port) is not None else named.get(str(port), port)}
    return found


def _ready(workload: Workload, container: Raw) -> Iterator[Violation]:
    """Readiness that sees too little, or comes too late."""
    readiness = probe_of(container, "readinessProbe")
    if readiness is None:
        return
    where, about = workload.where(container), workload.manifest
    startup = handler_of(container, "startupProbe")
    if sub(container, "readinessProbe", "tcpSocket") and (not startup or "tcpSocket" in startup):
        sentence = f"{where}readiness asks for an open port, which is not a loaded model: ask a path that answers then"
        yield Violation("readiness-asks-port", about, sentence)
    delay_s = int(readiness.initial_delay_s)
    if delay_s >= DELAY_S:
        handler = handler_of(container, "readinessProbe")
        fields: dict[str, Any] = {"readinessProbe": {"initialDelaySeconds": 0}}
        if not startup and handler:
            fields["startupProbe"] = {**handler, "periodSeconds": 10, "failureThreshold": max(60, delay_s // 5)}
        sums = (f"initialDelaySeconds {delay_s} = {delay_s / 60:.1f} min without this replica, however fast it loads",)
        sentence = f"{where}readiness asks only after {delay_s} s, so that each recovery takes as long"
        yield Violation("readiness-delayed", about, sentence, sums, container_patch(workload, container, fields))
