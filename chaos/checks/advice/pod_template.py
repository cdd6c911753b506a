"""Probes that are missing or hasty, and requests cut because a pod was given too little time to end."""

import math
from collections.abc import Iterator
from typing import Any

import polars as pl

from chaos.checks.advice.model import Advice, Case, patch_of
from chaos.checks.verdict import Finding
from chaos.clock import NS, seconds
from chaos.history.facts.replica_counts import ready_replicas
from chaos.history.sli import BAD, GOOD
from chaos.objects.base import Raw
from chaos.review.shapes import handler_of
from chaos.review.termination import OPEN_S
from chaos.semantics import Probe, container_probes

__all__ = ["liveness_hasty", "liveness_missing", "readiness_missing", "shutdown_too_short"]


def liveness_missing(case: Case, finding: Finding) -> Iterator[Advice]:
    """A replica hung, and no liveness probe was there to restart it."""
    container = case.container
    if not container or container.get("livenessProbe"):
        return
    handler = handler_of(case.container, "startupProbe", "readinessProbe")
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
    hangs = [one for one in case.history.faults if one.name == "process-hang" and one.healed_ns is not None]
    longest_s = max((seconds((one.healed_ns or 0) - (one.landed_ns or one.begin_ns)) for one in hangs), default=0.0)
    threshold = max(3, int((longest_s - probe.period_s - probe.timeout_s) // slowest_s) + 2)
    then_s = probe.period_s + (threshold - 1) * slowest_s + probe.timeout_s
    sums: tuple[str, ...] = (
        now,
        f"failureThreshold {threshold}: {period_s:g} + {threshold - 1} * {slowest_s:g} + {timeout_s:g} = {then_s:g} s",
    )
    if longest_s:
        sums += (f"the hang lasted {longest_s:.1f} s, and no restart was wanted",)
    why = "The first failed liveness probe is the last, so every short stall costs a restart."
    patch = _probe(case, "livenessProbe", {"failureThreshold": threshold})
    yield Advice(finding.check, "Give the liveness probe patience", why, sums, patch, case.how)


def readiness_missing(case: Case, finding: Finding) -> Iterator[Advice]:
    """Users met replicas that could not answer, and no readiness probe kept those out of the traffic."""
    container = case.container
    if not container or container.get("readinessProbe") or not case.history.faults:
        return
    handler = handler_of(case.container, "startupProbe", "livenessProbe") or {
        "httpGet": {"path": "/readyz", "port": _port(case)}
    }
    probe = {**handler, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 3}
    sums = (
        "a replica that fails leaves the traffic after F * P = 3 * 1 = 3 s, one that hangs after 1 + 2 * 1 + 1 = 4 s",
        "without it a container counts as ready as soon as it runs, and until it dies",
    )
    why = "Without a readiness probe a new or sick replica gets requests that it cannot answer."
    yield Advice(finding.check, "Add a readiness probe", why, sums, _probe(case, "readinessProbe", probe), case.how)


def _port(case: Case) -> Any:
    ports = case.container.get("ports") or ({"containerPort": 8080},)
    return ports[0].get("name") or ports[0].get("containerPort")


def _probe(case: Case, kind: str, probe: dict[str, Any]) -> str:
    container = {"name": str(case.container.get("name", "")), kind: probe}
    return patch_of({"spec": {"template": {"spec": {"containers": [container]}}}})


AROUND_NS = 2 * NS
"""How far from a pod's end a broken request still is blamed on it."""
SHARE = 0.5
"""Least share of the bad requests that must lie around ends of pods."""


def shutdown_too_short(case: Case, finding: Finding) -> Iterator[Advice]:
    """Most bad requests lie around the ends of pods that were asked to go while others were ready."""
    if not _around_ends(case):
        return
    grace_s = int(case.pod_spec.get("terminationGracePeriodSeconds", 30))
    hook = (case.container.get("lifecycle") or {}).get("preStop") or {}
    runs = _runs(hook)
    sleep_s = int((hook.get("sleep") or {}).get("seconds", 0))
    longest_s, broken_off = _longest_s(case), _broken_off(case)
    # A server that breaks its answers off on SIGTERM has to get it after the last one.
    held_s = math.ceil(longest_s)
    wanted_sleep_s = max(sleep_s, OPEN_S + (held_s if broken_off else 0))
    wanted_s = wanted_sleep_s + (0 if broken_off else held_s)
    short = not runs and sleep_s < wanted_sleep_s
    if grace_s >= wanted_s and not short:
        return
    now = f"it {runs}, for as long as that takes" if runs else f"now {sleep_s} s"
    sums: tuple[str, ...] = (
        f"longest request that was answered in full: {longest_s:.1f} s",
        f"preStop, while every node learns that the replica leaves: {wanted_sleep_s} s ({now})",
        "a load balancer outside the cluster takes longer to learn, often 15 to 120 s: add its deregistration delay",
        f"grace of at least {0 if broken_off else held_s} + {wanted_sleep_s} = {wanted_s} s (now {grace_s} s)",
    )
    if broken_off:
        told = f"it breaks its answers off on SIGTERM ({broken_off}), so preStop has to outlast them: "
        sums = (f"{told}{OPEN_S} + {held_s} = {wanted_sleep_s} s", *sums)
    container: dict[str, Any] = {"name": str(case.container.get("name", ""))}
    if short:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": wanted_sleep_s}}}
    spec = {"terminationGracePeriodSeconds": max(wanted_s, grace_s), "containers": [container]}
    why = (
        "Requests broke while pods ended that had been asked to: they stopped taking connections before the traffic "
        "left them, or were killed before their last answer was out."
    )
    patch = patch_of({"spec": {"template": {"spec": spec}}})
    yield Advice(finding.check, "Give a leaving replica time", why, sums, patch, case.how)


def _runs(hook: Raw) -> str:
    """What a hook does that is no sleep, in words; it stays as it is, since a hook has one handler alone."""
    if command := (hook.get("exec") or {}).get("command"):
        return f"runs {' '.join(map(str, command))}"
    return next((f"makes a call ({kind})" for kind in ("httpGet", "tcpSocket") if hook.get(kind)), "")


def _broken_off(case: Case) -> str:
    """The finish reason by which the server says that it cut answers off; empty if it does not."""
    cut = case.history.requests.filter((pl.col("outcome") == "truncated") & pl.col("finish_reason").is_not_null())
    return f"finish reason {cut['finish_reason'][0]}" if cut.height else ""


def _around_ends(case: Case) -> bool:
    """Whether most bad requests overlap the end of a pod that went in order, none of them while nobody was ready."""
    bad = case.history.requests.filter(BAD)
    ends = [
        (life.terminating_ns, (life.gone_ns or life.terminating_ns) + AROUND_NS)
        for life in case.lives
        if life.terminating_ns is not None and life.terminating_ns >= case.at_ns
    ]
    if bad.is_empty() or not ends:
        return False
    ready = ready_replicas(case.history)
    near = 0
    for begin_ns, end_ns in bad.select("intended_ns", "end_ns").iter_rows():
        over_ns = begin_ns if end_ns is None else end_ns
        if ready.min(begin_ns, over_ns):
            near += any(begin_ns <= until_ns and over_ns >= since_ns for since_ns, until_ns in ends)
    return near >= SHARE * bad.height


def _longest_s(case: Case) -> float:
    good = case.history.requests.filter(pl.col("outcome").is_in(GOOD) & pl.col("sent_ns").is_not_null())
    longest = good.select((pl.col("end_ns") - pl.col("sent_ns")).max()).item() if good.height else None
    return 0.0 if longest is None else float(longest) / NS
