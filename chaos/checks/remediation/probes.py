"""Probes that are missing, or that have no patience."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chaos.checks.remediation.model import Advice, Case, patch_of
from chaos.checks.verdict import Finding
from chaos.semantics import Probe, container_probes

__all__ = ["liveness_hasty", "liveness_missing", "readiness_missing"]

HANDLERS = ("httpGet", "grpc", "tcpSocket", "exec")


def liveness_missing(case: Case, finding: Finding) -> Iterator[Advice]:
    """A replica hung, and no liveness probe was there to restart it."""
    container = case.container
    if not container or container.get("livenessProbe"):
        return
    handler = _handler(case, "startupProbe", "readinessProbe")
    probe = {**handler, "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 3}
    told = {**case.pod_spec, "containers": [{**container, "livenessProbe": probe}]}
    killed_s = max((one.ended_s or 0.0 for one in container_probes(told)), default=0.0)
    grace_s = case.pod_spec.get("terminationGracePeriodSeconds", 30)
    sums: tuple[str, ...] = (
        "a hang is seen after P + (F - 1) * max(P, T) + T = 2 + 2 * 2 + 2 = 8 s",
        f"with the grace of {grace_s} s the container is killed within {killed_s:g} s",
    )
    if not handler:
        sums += ("the container has no other probe to copy the request from: put your server's health path in",)
        probe = {"httpGet": {"path": "/livez", "port": _port(case)}, **probe}
    why = "Nothing restarts a container that hangs without a liveness probe; it only leaves the traffic, if that."
    yield Advice(finding.check, "Add a liveness probe", why, sums, _probe(case, "livenessProbe", probe), case.how)


def liveness_hasty(case: Case, finding: Finding) -> Iterator[Advice]:
    """A replica was restarted that would have passed again: its liveness probe gives up at once."""
    probe = Probe.of(case.container, "livenessProbe")
    if probe is None or probe.failure_threshold > 1:
        return
    period_s, timeout_s = probe.period_s, probe.timeout_s
    now = f"now: P + (F - 1) * max(P, T) + T = {period_s:g} + 0 + {timeout_s:g} = {probe.hang_detection_s:g} s"
    slowest_s = max(probe.period_s, probe.timeout_s)
    longest_s = max((_stood_s(fault) for fault in case.history.faults if fault.name == "process-hang"), default=0.0)
    threshold = max(3, int((longest_s - probe.period_s - probe.timeout_s) // slowest_s) + 2)
    then_s = probe.period_s + (threshold - 1) * slowest_s + probe.timeout_s
    sums: tuple[str, ...] = (
        now,
        f"failureThreshold {threshold}: {period_s:g} + {threshold - 1} * {slowest_s:g} + {timeout_s:g} = {then_s:g} s",
    )
    if longest_s:
        sums += (f"the hang stood for {longest_s:.1f} s, and was to be sat out",)
    why = "The first failed liveness probe is the last, so every short stall costs a restart."
    patch = _probe(case, "livenessProbe", {"failureThreshold": threshold})
    yield Advice(finding.check, "Give the liveness probe patience", why, sums, patch, case.how)


def _stood_s(fault: Any) -> float:
    begin_ns, end_ns = fault.landed_ns or fault.begin_ns, fault.healed_ns
    return 0.0 if end_ns is None else float(end_ns - begin_ns) / 1e9


def readiness_missing(case: Case, finding: Finding) -> Iterator[Advice]:
    """Users met replicas that could not answer, and no readiness probe kept those out of the traffic."""
    container = case.container
    if not container or container.get("readinessProbe") or not case.history.faults:
        return
    handler = _handler(case, "startupProbe", "livenessProbe") or {"httpGet": {"path": "/readyz", "port": _port(case)}}
    probe = {**handler, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 3}
    sums = (
        "a replica that fails leaves the traffic after F * P = 3 * 1 = 3 s, one that hangs after 1 + 2 * 1 + 1 = 4 s",
        "without it a container counts as ready as soon as it runs, and until it dies",
    )
    why = "Without a readiness probe a new or sick replica gets requests that it cannot answer."
    yield Advice(finding.check, "Add a readiness probe", why, sums, _probe(case, "readinessProbe", probe), case.how)


def _handler(case: Case, *others: str) -> dict[str, Any]:
    """What another probe of the container asks."""
    for other in others:
        given = case.container.get(other) or {}
        for handler in HANDLERS:
            if handler in given:
                return {handler: dict(given[handler])}
    return {}


def _port(case: Case) -> Any:
    ports = case.container.get("ports") or ({"containerPort": 8080},)
    return ports[0].get("name") or ports[0].get("containerPort")


def _probe(case: Case, kind: str, probe: dict[str, Any]) -> str:
    container = {"name": str(case.container.get("name", "")), kind: probe}
    return patch_of({"spec": {"template": {"spec": {"containers": [container]}}}})
