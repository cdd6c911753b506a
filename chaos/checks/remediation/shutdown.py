"""Requests cut short because a pod was given too little time to end, or stopped taking them too early."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import polars as pl

from chaos.checks.remediation.model import Advice, Case, patch_of
from chaos.checks.verdict import Finding
from chaos.clock import NS
from chaos.history.facts.replica_counts import ready_replicas
from chaos.history.sli import GOOD

__all__ = ["shutdown_too_short"]

PRE_STOP_S = 5
"""For every node to take a leaving replica out of its rules; ours, since Kubernetes promises no time for it."""
AROUND_NS = 2 * NS
"""How far from a pod's end a broken request still is blamed on it."""
SHARE = 0.5
"""Least share of the bad requests that must lie around ends of pods."""


def shutdown_too_short(case: Case, finding: Finding) -> Iterator[Advice]:
    """Most bad requests lie around the ends of pods that were asked to go while others were ready."""
    if not _around_ends(case):
        return
    grace_s = int(case.pod_spec.get("terminationGracePeriodSeconds", 30))
    sleep_s = _sleep_s(case)
    longest_s = _longest_s(case)
    wanted_sleep_s = max(sleep_s, PRE_STOP_S)
    wanted_s = math.ceil(longest_s) + wanted_sleep_s
    if grace_s >= wanted_s and sleep_s >= wanted_sleep_s:
        return
    sums = (
        f"longest request that was answered in full: {longest_s:.1f} s",
        f"preStop sleep, while every node learns that the replica leaves: {wanted_sleep_s} s (now {sleep_s} s)",
        f"grace of at least {math.ceil(longest_s)} + {wanted_sleep_s} = {wanted_s} s (now {grace_s} s)",
    )
    container: dict[str, Any] = {"name": str(case.container.get("name", ""))}
    if sleep_s < wanted_sleep_s:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": wanted_sleep_s}}}
    spec = {"terminationGracePeriodSeconds": max(wanted_s, grace_s), "containers": [container]}
    why = (
        "Requests broke while pods ended that had been asked to: they stopped taking connections before the traffic "
        "left them, or were killed before their last answer was out."
    )
    patch = patch_of({"spec": {"template": {"spec": spec}}})
    yield Advice(finding.check, "Give a leaving replica time", why, sums, patch, case.how)


def _around_ends(case: Case) -> bool:
    """Whether most bad requests overlap the end of a pod that went in order, none of them while nobody was ready."""
    bad = case.history.requests.filter(~pl.col("outcome").is_in((*GOOD, "unsent")))
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


def _sleep_s(case: Case) -> int:
    hook = (case.container.get("lifecycle") or {}).get("preStop") or {}
    return int((hook.get("sleep") or {}).get("seconds", 0))


def _longest_s(case: Case) -> float:
    """The longest time from sending to the last byte of an answer in full."""
    good = case.history.requests.filter(pl.col("outcome").is_in(GOOD) & pl.col("sent_ns").is_not_null())
    longest = good.select((pl.col("end_ns") - pl.col("sent_ns")).max()).item() if good.height else None
    return 0.0 if longest is None else float(longest) / NS
