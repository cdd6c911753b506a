"""What the persistence scenarios must catch: weights that go with the container, a claim that goes with its node."""

import pytest

from chaos import faults
from chaos.checks import DataSurvived, SloMet
from chaos.faults import targets
from chaos.slo import Slo
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

HALF = Slo(availability=0.3)
WEIGHTS = "/weights/model.gguf"
FILL = {"command": ["sh", "-c", f'busybox cp "$WEIGHTS" {WEIGHTS}'], "files": ["model.gguf"]}
CLAIM = {"name": "weights", "mount_path": "/weights", "storage": "500Mi", "read_only": True, "fill": FILL}
SHARED = {**CLAIM, "storage_class": "gameday-shared", "access_mode": "ReadOnlyMany"}
LOCAL = {**CLAIM, "storage_class": "gameday-local", "access_mode": "ReadWriteOnce"}

# What somebody does who fetches the weights when a container starts, and has them otherwise the next time.
FETCHED = 'busybox cp "$WEIGHTS" /tmp/w.gguf; echo "$HOSTNAME" >> /tmp/w.gguf'
SERVE = "WEIGHTS=/tmp/w.gguf exec tini -- python3.11 -m server"

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.mark.system(replicas=2, volumes=[SHARED], command=["sh", "-c", f"{FETCHED}; {SERVE}"])
@pytest.mark.caught_by("data-survived", "FAIL")
def test_weights_in_the_containers_own_layer_go_with_it(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """The claim is there, but each container serves a copy of its own, and that is not the same after a kill."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        trial.read_data("/tmp/w.gguf")  # noqa: S108  # in the container
        with trial.fault(faults.PodKill(targets.one(system), grace_s=0)):
            trial.hold(duration_s=5)
        trial.recovery()
        trial.read_data("/tmp/w.gguf")  # noqa: S108  # in the container
    trial.judge(DataSurvived(), SloMet(HALF))


@pytest.mark.system(replicas=2, volumes=[LOCAL], env={"WEIGHTS": WEIGHTS})
@pytest.mark.caught_by("data-survived", "FAIL")
def test_a_claim_that_is_bound_to_one_node_is_lost_with_it(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """All replicas have to be where their claim is; when that node is lost, none can be had elsewhere."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        trial.read_data()
        with trial.fault(faults.NodeDown(targets.fullest_node(system))):
            trial.hold(duration_s=45)
        trial.recovery()
        trial.read_data()
    trial.judge(DataSurvived(), SloMet(HALF))
