"""The objectives that users' requests were held to, as the finding says, so that a chart can draw them."""

from __future__ import annotations

from chaos.checks.verdict import Verdict
from reports.model.cluster import Limit

__all__ = ["judged_limits"]

MEASURES = {"latency": "latency_objective_s", "first token": "first_token_objective_s"}


def judged_limits(verdict: Verdict) -> tuple[Limit, ...]:
    """The objectives of `slo-met`: one limit a percentile, each value once, the answer that of the finding."""
    found = {
        (measure, float(finding.values[key])): Limit(measure, float(finding.values[key]), finding.answer.name)
        for finding in verdict.findings
        if finding.check == "slo-met"
        for measure, key in MEASURES.items()
        if finding.values.get(key) is not None
    }
    return tuple(found.values())
