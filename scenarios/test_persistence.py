"""The weights live on a claim that a Job fills once: they outlive pods, drains and nodes, byte for byte."""

import pytest

from chaos import Slo, checks, faults, targets

WEIGHTS = "/weights/model.gguf"
ON_A_CLAIM = {
    "name": "weights",
    "mount_path": "/weights",
    "storage": "500Mi",
    "storage_class": "gameday-shared",
    "access_mode": "ReadOnlyMany",
    "read_only": True,
    "fill": {"command": ["sh", "-c", f'busybox cp "$WEIGHTS" {WEIGHTS}'], "files": ["model.gguf"]},
}

pytestmark = [
    pytest.mark.needs("data"),
    pytest.mark.system(replicas=3),
    pytest.mark.deployed(volumes=[ON_A_CLAIM], env={"WEIGHTS": WEIGHTS}),
]

SLO = Slo(availability=0.95)

# A lost node takes one of three replicas' share of the requests for the 20 s or less until it is NotReady, of 60 s.
A_THIRD_FOR_20_OF_60_S = Slo(availability=0.85)


def test_weights_survive_killed_pods(trial, system, traffic):
    """Half of the replicas are killed: their successors hold the same weights and generate the same tokens."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=8)
        trial.read_data()
        with trial.fault(faults.PodKill(targets.share(system, 0.5), grace_s=0)):
            trial.hold(duration_s=5)
        trial.recovery()
        trial.read_data()

    trial.judge(checks.SloMet(SLO), checks.DataSurvived(), checks.Recovered(), checks.Witnessed("delete-pod"))


def test_weights_survive_a_drain(trial, system, traffic):
    """The fullest node is drained: the replicas that take over elsewhere hold the same weights."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=8)
        trial.read_data()
        drain = faults.NodeDrain(targets.fullest_node(system), deadline_s=60)
        with trial.fault(drain):
            trial.hold(until=drain.ended)
        trial.recovery()
        trial.read_data()

    trial.judge(checks.SloMet(SLO), checks.DataSurvived(), checks.Drained(), checks.Recovered())


@pytest.mark.needs("node-infrastructure")
def test_weights_survive_a_lost_node(trial, system, traffic):
    """The fullest node is lost: the replicas that come back elsewhere reach the same weights while it is away."""
    down = faults.NodeDown(targets.fullest_node(system))
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=8)
        trial.read_data()
        with trial.fault(down):
            trial.hold(until=down.replaced)
            trial.read_data()
        trial.recovery()

    trial.judge(checks.SloMet(A_THIRD_FOR_20_OF_60_S), checks.DataSurvived(), checks.Rescheduled(), checks.Recovered())
