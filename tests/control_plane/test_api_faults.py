"""Trust in a bad API: whole trials through it. No verdict is false, and nothing is left behind.

PASS only if all of it is in the record, UNKNOWN where the API's trouble left a hole, FAIL never of the service because
of the API. The table of what was done and what came of it is printed at the end of the module.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from api_trial import ApiTrial, Moments, Ran, api_trial
from fault_proxy import Answer, Drop, Hang, Swallow, Trouble
from plain_service import snapshot
from simulated_cluster import SimulatedCluster

from chaos.checks.verdict import Answer as Said
from chaos.checks.verdict import Finding
from chaos.cluster import LiveExecutor, NullJournal
from chaos.errors import ClusterRefused
from chaos.faults.undo import find_left, undo_all
from chaos.plugin.terminal import uncaptured
from chaos.safety.lease import LEASE_NAME, RunLease, holder_of
from chaos.trial.preflight.checks import require_usage

pytestmark = pytest.mark.timed

NODES, UNDO, EVICTION, ALL = "/nodes/", "/configmaps/", "/eviction", "."


def status(code: int, reason: str, message: str) -> bytes:
    """A Status as the API server sends it."""
    told = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code,
    }
    return json.dumps(told).encode()


CONFLICT = Answer(409, status(409, "Conflict", "the object has been modified; please apply your changes to the latest"))
BUSY = Answer(429, status(429, "TooManyRequests", "too many requests, please try again later"), retry_after_s=1)
BROKEN = Answer(500, status(500, "InternalError", "etcdserver: request timed out"))
AWAY = Answer(503, status(503, "ServiceUnavailable", "the server is currently unable to handle the request"))
GONE = Answer(410, status(410, "Expired", "too old resource version"))
DENIED = Answer(403, status(403, "Forbidden", 'admission webhook "guard.example" denied the request: not today'))
UNFIT = Answer(400, status(400, "BadRequest", 'admission webhook "guard.example" denied the request: not today'))


def met(trouble: Trouble, *rules: tuple[str, str, int]) -> Callable[[ApiTrial], None]:
    """Let requests meet a trouble; each rule is a method (empty for any), a path, and how many."""

    def arm(api: ApiTrial) -> None:
        for method, path, times in rules:
            api.proxy.trouble(trouble, method=method, path=path, times=times)

    return arm


def both(*actions: Callable[[ApiTrial], object]) -> Callable[[ApiTrial], None]:
    """Do one after the other."""

    def do(api: ApiTrial) -> None:
        for action in actions:
            action(api)

    return do


def gone(api: ApiTrial) -> None:
    """Break every watch, and let each be told that its version is gone, even if one is told more than once."""
    api.proxy.trouble(GONE, path="watch=true", times=3 * api.proxy.watches())
    api.proxy.cut()


def users_down(api: ApiTrial) -> None:
    """The service itself fails its users."""
    api.users.down = True


@dataclass(frozen=True, slots=True)
class Case:
    """A trouble in words, when it is met, what the verdict must be, and what the findings must say of it.

    Where the verdict hangs on a race it may be one of several. `noted`: what the record must show of the trouble.
    `undo`: it keeps us from healing, so that the next command has to.
    """

    words: str
    moments: Moments
    answer: Said | tuple[Said, ...] = Said.PASS
    says: str = ""
    undo: bool = False
    noted: Callable[[Ran], object] = lambda _ran: True

    @property
    def answers(self) -> tuple[Said, ...]:
        """What the verdict may be."""
        return self.answer if isinstance(self.answer, tuple) else (self.answer,)


CASES: dict[str, Case] = {
    "conflict": Case(
        "409 to writes of the undo journal and the node, to an eviction, and to the heal",
        Moments(
            fault=met(CONFLICT, ("PATCH", UNDO, 2), ("PATCH", NODES, 2), ("POST", EVICTION, 1)),
            heal=met(CONFLICT, ("PATCH", NODES, 2), ("DELETE", UNDO, 1)),
        ),
    ),
    "busy": Case(
        "429 by priority and fairness, with Retry-After, to every write twice and to reads",
        Moments(
            begin=met(BUSY, ("POST", "leases", 2)),
            fault=met(BUSY, ("PATCH", UNDO, 2), ("PATCH", NODES, 2), ("POST", EVICTION, 2), ("GET", NODES, 2)),
            heal=met(BUSY, ("PATCH", NODES, 2), ("DELETE", UNDO, 2)),
        ),
    ),
    "busy-throughout": Case(
        "429 by priority and fairness to every eviction until the drain's deadline",
        Moments(fault=met(BUSY, ("POST", EVICTION, 999))),
        Said.UNKNOWN,
        "busy",
    ),
    "broken": Case(
        "500 to the next three requests, whatever they are, and to writes and the heal",
        Moments(
            fault=met(BROKEN, ("", ALL, 3), ("PATCH", UNDO, 2), ("PATCH", NODES, 2)),
            heal=met(BROKEN, ("PATCH", NODES, 2), ("DELETE", UNDO, 2)),
        ),
    ),
    "away": Case(
        "503 to the next three requests, whatever they are, and to writes, an eviction and the heal",
        Moments(
            fault=met(AWAY, ("", ALL, 3), ("PATCH", UNDO, 2), ("PATCH", NODES, 2), ("POST", EVICTION, 2)),
            heal=met(AWAY, ("PATCH", NODES, 2), ("DELETE", UNDO, 2)),
        ),
    ),
    "dropped": Case(
        "connections reset before the next three requests, and writes and the heal, were sent on",
        Moments(
            fault=met(Drop(), ("", ALL, 3), ("PATCH", UNDO, 2), ("PATCH", NODES, 2)),
            heal=met(Drop(), ("PATCH", NODES, 2), ("DELETE", UNDO, 2)),
        ),
    ),
    "answer-lost": Case(
        "cordon, eviction, uncordon and the journal's removal done, their answers lost",
        Moments(
            fault=met(Swallow(), ("PATCH", UNDO, 1), ("PATCH", NODES, 1), ("POST", EVICTION, 9)),
            heal=met(Swallow(), ("PATCH", NODES, 1), ("DELETE", UNDO, 1)),
        ),
        Said.UNKNOWN,
        "evict-pod ok seen 0 times",
    ),
    "timeout": Case(
        "the cordon done, and no answer until the time limit of 20 s",
        Moments(fault=met(Hang(), ("PATCH", NODES, 1))),
    ),
    "cordon-denied": Case(
        "an admission webhook's 403 to the cordon",
        Moments(fault=met(DENIED, ("PATCH", NODES, 99))),
        Said.UNKNOWN,
        "denied the request: not today",
    ),
    "journal-denied": Case(
        "an admission webhook's 400 to the undo journal",
        Moments(fault=met(UNFIT, ("PATCH", UNDO, 99))),
        Said.UNKNOWN,
        "the undo journal cannot be written",
    ),
    "eviction-denied": Case(
        "an admission webhook's 400 to every eviction",
        Moments(fault=met(UNFIT, ("POST", EVICTION, 99))),
        Said.UNKNOWN,
        "denied the request: not today",
    ),
    "heal-denied": Case(
        "an admission webhook's 403 to the uncordon",
        Moments(heal=met(DENIED, ("PATCH", NODES, 99))),
        Said.UNKNOWN,
        "not healed: node .* is still cordoned .*denied the request: not today.*kubectl uncordon",
        undo=True,
    ),
    "token-renewed": Case(
        "the token expired in mid-trial; the file that the kubeconfig names has a new one",
        Moments(begin=lambda api: api.proxy.demand("first"), fault=lambda api: api.proxy.demand("second")),
    ),
    "token-expired": Case(
        "the token expired in mid-trial, and there is no other",
        Moments(
            begin=lambda api: api.proxy.demand("first"),
            heal=lambda api: api.proxy.demand("second", told=False),
        ),
        Said.UNKNOWN,
        "not healed: uncordon of Node .* was not possible: .*401 Unauthorized",
        undo=True,
    ),
    "gone": Case(
        "every watch broken, and 410 Gone to its continuation",
        Moments(fault=gone),
        Said.UNKNOWN,
        "gap",
        noted=lambda ran: len(ran.history.gaps) > 1,
    ),
    "half-open": Case(
        "every open watch connection stands and brings nothing more; new ones work",
        Moments(landed=lambda api: api.proxy.freeze()),
        (Said.PASS, Said.UNKNOWN),
        noted=lambda ran: any("of what the server had to tell" in late.reason for late in ran.history.late),
    ),
    "half-open-to-the-end": Case(
        "every watch connection, old and new, stands and brings nothing more",
        Moments(landed=lambda api: api.proxy.mute()),
        Said.UNKNOWN,
        "gap|lies in|not watched|did not cover",
        noted=lambda ran: any("dead at its end" in gap.reason for gap in ran.history.gaps),
    ),
    "service-down": Case(
        "503 to the next three requests, while the service itself fails its users",
        Moments(fault=both(met(AWAY, ("", ALL, 3)), users_down)),
        Said.FAIL,
        "slo-met .*availability",
    ),
}


@pytest.fixture(scope="module")
def rows(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The table's rows, printed at the end."""
    told: list[str] = []
    yield told
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    with uncaptured(request.config):
        for line in (
            "| the API's trouble | requests hit | verdict | what the report says |",
            "| - | - | - | - |",
            *told,
        ):
            reporter.write_line(line)


@pytest.fixture
def api(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[ApiTrial]:
    """A service of others behind a proxy."""
    with api_trial(simulated, tmp_path) as made:
        yield made


@pytest.mark.parametrize("name", CASES)
def test_a_bad_api_makes_no_false_verdict_and_leaves_nothing(api: ApiTrial, rows: list[str], name: str) -> None:
    """The verdict is what the record proves, says what was in the way, and the cluster reads as before."""
    case = CASES[name]
    ran = api.run(case.moments)
    rows.append(row_of(case, api, ran))
    told = "\n".join([ran.words, ran.error, *api.said])
    assert ran.verdict.answer in case.answers, told
    assert re.search(case.says, ran.words), told
    blamed = [finding.line() for finding in ran.verdict.findings if finding.answer is Said.FAIL]
    assert case.answer is Said.FAIL or blamed == []
    assert case.noted(ran), (ran.history.gaps, ran.history.late)
    assert api.proxy.met or name.startswith(("half-open", "token")), "nothing met the trouble"
    executor = LiveExecutor(api.direct, NullJournal())
    if case.undo:
        assert any(one.startswith("Node") for one in ran.left), "it was healed, so nothing was proved"
        (left,) = find_left(api.direct, api.namespace)
        assert [one.result for one in undo_all(api.direct, executor, [left])] == ["undone"]
        if holder_of(api.direct.get("Lease", api.namespace, LEASE_NAME)):
            with RunLease(api.direct, executor, api.namespace, "the next run"):
                pass
    assert find_left(api.direct, api.namespace) == ()
    assert Ran(ran.verdict, ran.history, "", ran.before, snapshot(api.direct, api.namespace)).left == []


def written(api: ApiTrial) -> list[str]:
    """Requests that would change something; reviews of access are questions."""
    return [one for one in api.proxy.seen if not one.startswith("GET") and "accessreviews" not in one]


def test_an_api_version_that_is_not_served_is_refused_before_any_write(api: ApiTrial) -> None:
    """A cluster without the autoscaler's version is named with what is missing, and nothing is asked of it but that."""
    missing = Answer(404, status(404, "NotFound", "the server could not find the requested resource"))
    api.proxy.trouble(missing, path="^/apis/autoscaling/v2$", times=9)
    with (
        pytest.raises(
            ClusterRefused, match=r"does not serve autoscaling/v2 \(HorizontalPodAutoscaler\), which Kubernetes"
        ),
        api.opened({}),
    ):
        pass
    assert written(api) == []


def test_missing_metrics_are_refused_before_any_write(api: ApiTrial) -> None:
    """This cluster has no metrics API: a scenario of the autoscaler, and a limit on usage, are refused with that."""
    with api.opened({"abort_usage": {"memory": "1Gi"}}) as stood:
        assert stood.adoption is not None
        found = stood.adoption.find()
        with pytest.raises(
            ClusterRefused, match=r"safety\.abort_usage needs the metrics API, which does not answer: 404"
        ):
            require_usage(stood.adoption, found, scales=False)
        with pytest.raises(ClusterRefused, match="a scenario of the autoscaler needs the metrics API"):
            require_usage(stood.adoption, found, scales=True)
    assert written(api) == []


def row_of(case: Case, api: ApiTrial, ran: Ran) -> str:
    """One row of the table."""
    bad: list[Finding] = [finding for finding in ran.verdict.findings if finding.answer is ran.verdict.answer]
    worst = next((finding for finding in bad if re.search(case.says, finding.line())), bad[0])
    said = "all proved" if ran.verdict.answer is Said.PASS else f"{worst.check}: {worst.reason or worst.measured}"
    return f"| {case.words} | {len(api.proxy.met)} | {ran.verdict.answer.name} | {said} |"
