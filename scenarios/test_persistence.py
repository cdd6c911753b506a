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
    pytest.mark.needs(replicas_min=2),
    pytest.mark.deployed(replicas=3, volumes=[ON_A_CLAIM], env={"WEIGHTS": WEIGHTS}),
]

LOAD_EACH = 0.2

SLO = Slo(availability=0.95)


def share_for_20_of_60_s(system):
    """What users have to get: a lost node takes its replicas' share of the requests until it is NotReady, 20 s of 60.

    Of the replicas it held no more than half.
    """
    lost = system.replicas // 2 / system.replicas
    return Slo(availability=round(1 - lost * 20 / 60 - 0.04, 2))


def test_weights_survive_killed_pods(trial, system, traffic):
    """Half of the replicas are killed: their successors hold the same weights and generate the same tokens."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=8)
        trial.read_data()
        with trial.fault(faults.PodKill(targets.share(system, 0.5), grace_s=0)):
            trial.hold(duration_s=5)
        trial.recovery()
        trial.read_data()

    trial.judge(checks.SloMet(SLO), checks.DataSurvived(), checks.Recovered(), checks.Witnessed("delete-pod"))


@pytest.mark.needs(evictable_min=1)
def test_weights_survive_a_drain(trial, system, traffic):
    """The fullest node is drained: the replicas that take over elsewhere hold the same weights."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=8)
        trial.read_data()
        drain = faults.NodeDrain(targets.fullest_node(system))
        with trial.fault(drain):
            trial.hold(until=drain.ended)
        trial.recovery()
        trial.read_data()

    trial.judge(checks.SloMet(SLO), checks.DataSurvived(), checks.Drained(), checks.Recovered())


@pytest.mark.needs("node-infrastructure", node_share_max=0.5)
def test_weights_survive_a_lost_node(trial, system, traffic):
    """The fullest node is lost: the replicas that come back elsewhere reach the same weights while it is away."""
    down = faults.NodeDown(targets.fullest_node(system, share_max=0.5))
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=8)
        trial.read_data()
        with trial.fault(down):
            trial.hold(until=down.replaced)
            trial.read_data()
        trial.recovery()

    trial.judge(
        checks.SloMet(share_for_20_of_60_s(system)), checks.DataSurvived(), checks.Rescheduled(), checks.Recovered()
    )
