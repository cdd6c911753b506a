"""A liveness probe that load alone can fail: the busier the replicas, the more of them are ended."""

import pytest

from chaos.checks import NoRestartLoop, SloMet
from chaos.slo import Slo
from chaos.system import ProbeSpec
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial
from loadgen.profiles import HttpProfile, Profile

pytestmark = [pytest.mark.root, pytest.mark.slow]

WORK_S = 0.6
ONE_AT_A_TIME = f"""
import http.server, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/work":
            time.sleep({WORK_S})
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass

http.server.HTTPServer(("", 8080), Handler).serve_forever()
"""
"""A server that answers one request after the other, the kubelet's among them: when it is busy, it looks dead."""

HEALTH = ProbeSpec(path="/health", period_s=1, timeout_s=1, failure_threshold=2)


@pytest.fixture
def request_profile() -> Profile:
    """One piece of work."""
    return HttpProfile(path="/work")


@pytest.mark.system(
    replicas=2,
    profile="http",
    command=("/usr/bin/python3.11", "-c", ONE_AT_A_TIME),
    grace_s=1,
    startup=None,
    readiness=HEALTH,
    liveness=HEALTH,
)
@pytest.mark.caught_by("no-restart-loop", "FAIL")
def test_liveness_that_load_can_fail_ends_replicas_again_and_again(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """Above what two replicas can do, each is restarted until the load goes; a restart gives no capacity."""
    assert system.spec.replicas == 2
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=5)
        with traffic.steady(rate_rps=2 * 2 / WORK_S):
            trial.hold(duration_s=30)
    trial.judge(SloMet(Slo(availability=0.99)), NoRestartLoop())
