"""The order of a verdict's findings: what a reader should see first."""

from __future__ import annotations

from chaos.checks.verdict import Answer, Finding, Verdict


def finding(check: str, answer: Answer) -> Finding:
    """A finding of which only the name and the answer matter."""
    return Finding(check=check, answer=answer, rule="r", limit="l", measured="m")


def order(*findings: Finding) -> list[str]:
    """The names of the checks as the verdict has them."""
    return [one.check for one in Verdict.of(findings).findings]


def test_worst_first_and_else_as_given() -> None:
    """FAIL before UNKNOWN before PASS, and equals in the order in which the scenario names them."""
    told = order(
        finding("a", Answer.PASS), finding("b", Answer.UNKNOWN), finding("c", Answer.FAIL), finding("d", Answer.PASS)
    )
    assert told == ["c", "b", "a", "d"]


def test_of_what_is_unknown_the_premises_come_first() -> None:
    """A fault that did not land is why the rest cannot be decided, so it is what the report's headline says."""
    told = order(
        finding("recovered", Answer.UNKNOWN), finding("slo-met", Answer.PASS), finding("fault-landed", Answer.UNKNOWN)
    )
    assert told == ["fault-landed", "recovered", "slo-met"]


def test_premises_that_hold_stay_behind_the_claims() -> None:
    """Of a trial that passed, the scenario's own claims are what is to be read."""
    told = order(finding("recovered", Answer.PASS), finding("fault-landed", Answer.PASS))
    assert told == ["recovered", "fault-landed"]
