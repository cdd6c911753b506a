"""Stories of requests that break while a pod ends that has a preStop hook, and the advice that is given on them."""

from typing import Any

from histories import PROBED, Story, pod
from report_cluster import served

from chaos.checks.advice import Advice, advise
from chaos.checks.traffic.slo_met import PercentileDetail
from chaos.checks.verdict import Answer, Finding, Verdict

Hook = dict[str, Any]

RUNNING: dict[str, Hook] = {
    "a program that sleeps": {"exec": {"command": ["sleep", "15"]}},
    "a shell that sleeps": {"exec": {"command": ["/bin/sh", "-c", "sleep 30"]}},
    "a call that drains": {"httpGet": {"path": "/drain", "port": 8080}},
}
"""Hooks that are no sleep, of which nobody says how long they take."""


def advised(hook: Hook, grace_s: int, **cut: str) -> tuple[Advice, ...]:
    """What is said when requests break while a replica of three leaves; others take 2.5 s."""
    lifecycle = {"lifecycle": {"preStop": hook}} if hook else {}
    container = {**PROBED["containers"][0], **lifecycle}
    spec = {**PROBED, "terminationGracePeriodSeconds": grace_s, "containers": [container]}
    story = Story().replicas("a", "b", "c", spec=spec).fault("a").traffic(latency_s=2.5)
    story.saw(30.2, "MODIFIED", pod("a", ready=True, deleting=True, spec=spec)).killed("a", 33)
    detail = served(PercentileDetail(p99_s=None, objective_s=2.0, over=3, allowed=6))
    missed = Finding("slo-met", Answer.FAIL, "rule", "limit", "measured", reason="reason", detail=detail)
    return tuple(advise(story.fate((305, 310, 315), "truncated", **cut).history(), Verdict.of((missed,))))
