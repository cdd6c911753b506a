"""Bounds from probes, and from a spec to recovery, against figures worked out by hand from kubernetes.md A.5."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest
from histories import PROBED, at

from chaos.semantics import (
    KUBERNETES,
    LAB,
    Probe,
    Timings,
    backoff_s,
    container_probes,
    node_loss_bound,
    ready_bound_s,
    recovery_bound,
    restart_bound,
    restarts_remembered,
    unpromised_start,
)


def container(**more: Any) -> dict[str, Any]:
    """A raw container that needs no pull."""
    return {"name": "m", "imagePullPolicy": "Never", **more}


def test_default_probe_detects_as_upstream_says() -> None:
    """With Kubernetes' defaults a hang is seen within 31 s."""
    probe = Probe.of(container(livenessProbe={"httpGet": {}}), "livenessProbe")
    assert probe is not None
    assert probe.hang_detection_s == 31


def test_a_timeout_longer_than_the_period_holds_up_the_ticks() -> None:
    """With P=2, T=5, F=3 a hang takes P + 2*5 + 5 = 17 s."""
    raw = {"exec": {}, "periodSeconds": 2, "timeoutSeconds": 5}
    probe = Probe.of(container(readinessProbe=raw), "readinessProbe")
    assert probe is not None
    assert probe.hang_detection_s == 17


def test_no_probe_is_none() -> None:
    """A container without that probe has none."""
    assert Probe.of(container(), "livenessProbe") is None


@pytest.mark.parametrize(
    ("containers", "inits", "bound_s"),
    [
        ([container()], [], 0),
        ([container(readinessProbe={"periodSeconds": 1})], [], 2),
        ([container(readinessProbe={"httpGet": {}})], [], 11),
        ([container(readinessProbe={"periodSeconds": 1, "initialDelaySeconds": 20})], [], 22),
        ([container(readinessProbe={"periodSeconds": 1, "successThreshold": 3})], [], 4),
        ([container(startupProbe={"periodSeconds": 1, "failureThreshold": 60})], [], 61),
        (PROBED["containers"], [], 8),
        ([*PROBED["containers"], container(readinessProbe={"httpGet": {}})], [], 11),
        (PROBED["containers"], [container(restartPolicy="Always", startupProbe={"periodSeconds": 2})], 7 + 8),
        (PROBED["containers"], [container()], 8),
    ],
)
def test_ready_bound(containers: list[dict[str, Any]], inits: list[dict[str, Any]], bound_s: float) -> None:
    """From containers' start to Ready: the startup window, then readiness; sidecars before the rest."""
    assert ready_bound_s({"containers": containers, "initContainers": inits}) == bound_s


def test_what_nothing_limits_is_named() -> None:
    """A start without startup probe, a plain init container and a readiness gate have no limit, each at its stage."""
    spec = {
        "containers": [container(readinessProbe={"periodSeconds": 1}), {"name": "shipper"}, *PROBED["containers"]],
        "initContainers": [{"name": "fetch"}, {"name": "proxy", "restartPolicy": "Always"}],
        "readinessGates": [{"conditionType": "lb"}],
    }
    assert [(one.stage, one.reason) for one in unpromised_start(spec)] == [
        ("started", "init container 'fetch' has no time limit"),
        ("ready", "container 'm' has no startup probe to limit its start"),
        ("ready", "readiness gate 'lb' is opened by somebody else"),
    ]
    assert unpromised_start(PROBED) == ()
    assert unpromised_start({"containers": [{"name": "shipper"}, *PROBED["containers"]]}) == ()
    (mute,) = unpromised_start({"containers": [{"name": "shipper"}]})
    assert mute.reason == "container 'shipper' has no startup probe to limit its start"


def ended_s(spec: Mapping[str, Any]) -> list[float | None]:
    """How long a hang of each container of a pod may last."""
    return [one.ended_s for one in container_probes(spec)]


def test_a_hang_ends_with_the_grace() -> None:
    """A hang lasts until detection and grace are over; a probe's own grace goes first; two seconds are sure."""
    assert ended_s(PROBED) == [4 + 10]
    own = container(livenessProbe={"periodSeconds": 1, "terminationGracePeriodSeconds": 5})
    assert ended_s({"containers": [own]}) == [4 + 5]
    assert ended_s({"terminationGracePeriodSeconds": 0, "containers": PROBED["containers"]}) == [4 + 2]
    assert ended_s({"containers": []}) == []


def test_each_container_has_its_own_bounds() -> None:
    """A container without probes may hang for ever and stay Ready, which takes nothing from what the others promise."""
    spec = {**PROBED, "containers": [*PROBED["containers"], container(name="shipper")]}
    assert ended_s(spec) == [4 + 10, None]
    assert [one.unready_s for one in container_probes(spec)] == [4, None]
    assert restart_bound(spec, KUBERNETES).parts == restart_bound(PROBED, KUBERNETES).parts
    assert restart_bound(spec, KUBERNETES, container="m").excuses("ready") == unpromised_words(spec)
    (said,) = restart_bound(spec, KUBERNETES, container="shipper").unpromised[:1]
    assert said.reason == "container 'shipper' has no liveness probe, so nothing restarts it when it hangs"


def unpromised_words(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """What may delay the start of a pod."""
    return tuple(one.reason for one in unpromised_start(spec))


def test_a_container_that_turns_not_ready_without_being_restarted_has_no_bound() -> None:
    """Of several containers one with a readiness probe and no liveness probe may stay not Ready for ever."""
    proxy = container(name="proxy", readinessProbe={"periodSeconds": 15})
    spec = {**PROBED, "containers": [*PROBED["containers"], proxy]}
    assert "container 'proxy' has no liveness probe" in restart_bound(spec, KUBERNETES).excuses("ready")[0]


def test_sidecars_are_containers() -> None:
    """An init container that always restarts has bounds as any other container; a plain one has none."""
    inits = [
        container(name="fetch"),
        container(name="proxy", restartPolicy="Always", livenessProbe={"periodSeconds": 2}),
    ]
    spec = {**PROBED, "initContainers": inits}
    assert [(one.name, one.ended_s) for one in container_probes(spec)] == [("proxy", 2 + 2 * 2 + 1 + 10), ("m", 14)]


@pytest.mark.parametrize(
    ("restarts_s", "remembered"),
    [
        ([], 0),
        ([100], 1),
        ([-500.5], 0),
        ([-550, 0, 100], 3),
        ([-1090, -500, 0], 3),
        ([-1300, -500, 0], 2),
        ([10, 20, 30, 900], 3),
    ],
)
def test_restarts_are_remembered_until_one_ran_for_ten_minutes(restarts_s: list[float], remembered: int) -> None:
    """They add up while each run was shorter than ten minutes; the wait before a restart is no part of the run."""
    moments = [at(one) for one in restarts_s]
    assert restarts_remembered({"m": moments, "other": []}, at(100), KUBERNETES) == remembered
    assert restarts_remembered({"m": moments}, at(100), KUBERNETES, container="other") == 0


@pytest.mark.parametrize(("restarts", "waits_s"), [(0, 0), (1, 10), (2, 20), (5, 160), (6, 300), (100, 300)])
def test_back_off_doubles_up_to_the_cap(restarts: int, waits_s: float) -> None:
    """The first restart is immediate, then 10 s doubling up to the cap."""
    assert backoff_s(restarts, 300) == waits_s


def test_a_low_cap_lowers_the_first_wait() -> None:
    """With the lab's cap of 5 s every wait is 5 s."""
    assert [backoff_s(restarts, LAB.restart_backoff_cap_s) for restarts in (0, 1, 7)] == [0, 5, 5]


def test_recovery_bound_is_the_sum_of_its_parts() -> None:
    """Controller 1 s, scheduling and start 5 s, probes 8 s, status report 10 s, allowance 5 s: 29 s, with sources."""
    bound = recovery_bound(PROBED, LAB)
    assert [part.seconds for part in bound.parts] == [1, 5, 8, 10, 5]
    assert bound.total_s == 29
    assert all(part.source for part in bound.parts)
    assert bound.unpromised == ()
    assert bound.words.startswith("1 s controller + 5 s scheduling and start + 8 s startup and readiness probes")


def test_a_pull_has_no_promise() -> None:
    """An image that may have to be pulled excuses the stage before the start, and no other."""
    bound = recovery_bound({"containers": [{**PROBED["containers"][0], "imagePullPolicy": "Always"}]}, LAB)
    assert bound.excuses("started") == ("the image of container 'm' may have to be pulled",)
    assert bound.excuses("ready") == ()
    assert bound.excuses("created") == ()


def test_restart_bound_knows_the_back_off() -> None:
    """Detection and grace 14 s, exit 1 s, back-off, start 5 s, probes 8 s, report 10 s, allowance 5 s."""
    assert restart_bound(PROBED, KUBERNETES).total_s == 43
    assert restart_bound(PROBED, KUBERNETES, restarts=2).total_s == 63


def test_node_loss_bound_adds_the_toleration() -> None:
    """A pod stays bound for its toleration, its own before the cluster's, and for ever if it says no time."""
    assert node_loss_bound(PROBED, LAB).total_s == 10 + 10 + 29
    own = {
        **PROBED,
        "tolerations": [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "tolerationSeconds": 60}],
    }
    assert node_loss_bound(own, LAB).total_s == 60 + 10 + 29
    for ever in ({"key": "node.kubernetes.io/unreachable", "operator": "Exists"}, {"operator": "Exists"}):
        assert node_loss_bound({**PROBED, "tolerations": [ever]}, LAB).excuses("ready")


def test_timings_come_from_the_trial() -> None:
    """What trial.json says counts; what it leaves out is Kubernetes' default; what we do not know is passed over."""
    timings = Timings.of({"name": "lab", "hpa_sync_s": 5, "node_monitor_grace_s": None, "node_status_update_s": 4})
    assert (timings.name, timings.hpa_sync_s, timings.node_monitor_grace_s) == ("lab", 5, 50)
    assert Timings.of({}) == KUBERNETES


def test_timings_that_nobody_recorded_are_known_as_such() -> None:
    """What is left out is assumed, in what is written and read again, too; the lab's own are all known."""
    timings = Timings.of({"name": "gameday.toml", "hpa_tolerance": 0.05})
    assert "hpa_downscale_stabilization_s" in timings.assumed
    assert "hpa_tolerance" not in timings.assumed
    assert Timings.of(json.loads(json.dumps(asdict(timings)))).assumed == timings.assumed
    assert "hpa_tolerance" in KUBERNETES.assumed
    assert not Timings.of(asdict(LAB)).assumed
