"""Systems and faults that are broken on purpose: each names the one check that must catch it, and the answer.

A mutant is written as a scenario. Its test passes only if that check gives that answer; a PASS fails it.
"""

from collections.abc import Generator, Iterator

import pytest

from chaos import SystemSpec
from chaos.checks.verdict import Answer
from chaos.cluster import Executor, LiveExecutor, NullJournal, connect
from chaos.errors import NotProven
from chaos.lab import Lab
from chaos.plugin.stash import STAGED
from chaos.trial.run import RunningTrial


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    config.addinivalue_line("markers", "asks(**fields): what the requests of this mutant have beside the others'")
    config.addinivalue_line(
        "markers",
        "caught_by(check, answer, because): the check that must catch this mutant, how, and a word of its reason",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Turn the verdict round: the mutant must be caught by the check that it names."""
    marker = pyfuncitem.get_closest_marker("caught_by")
    if marker is None:
        return (yield)
    try:
        result = yield
    except NotProven:
        result = None
    check, answer, *because = marker.args
    pyfuncitem.user_properties.append(("caught by", f"{check}: {answer}"))
    judgement = pyfuncitem.stash[STAGED].trial.judgement
    assert judgement is not None, "the mutant was never judged"
    found = {finding.check: finding.answer for finding in judgement.verdict.findings}
    assert found.get(check) is Answer[answer], (
        f"{check} says {found.get(check)!r}; findings:\n{judgement.verdict.lines()}"
    )
    reason = "; ".join(one.reason for one in judgement.verdict.findings if one.check == check)
    for word in because:
        assert word in reason, f"{check} does not say {word!r} but: {reason}"
    return result


@pytest.fixture(scope="session")
def owner(reference_model: SystemSpec) -> Iterator[Executor]:  # the lab is up with it
    """The hand of whoever owns the cluster: what is broken from outside is none of the suite's own account's doing."""
    facts = Lab().facts()
    with connect(kubeconfig=facts.kubeconfig, context=facts.context) as admin:
        yield LiveExecutor(admin, NullJournal())


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> RunningTrial:
    """The trial before it begins, for what is broken in its namespace."""
    found: RunningTrial = request.getfixturevalue("_stage")
    return found
