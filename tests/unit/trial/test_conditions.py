"""What a scenario waits for: more replicas, or the fewest again, for no longer than is derived."""

import random
from typing import Any, cast

from autoscaler_stories import ASKING, RISE_BOUND_S, hpa
from histories import deployment, pod

from chaos.cluster import Recorder
from chaos.history.facts.autoscaler import KIND
from chaos.objects.scaled_object import SCALED_OBJECT
from chaos.semantics import LAB
from chaos.system import SystemSpec
from chaos.system.spec.parts import Autoscale
from chaos.trial.conditions import DRAIN_S, UNPROMISED_S, scaled_down, scaled_to_zero, scaled_up
from chaos.trial.system_under_test import SystemUnderTest

RNG = random.Random(1)  # noqa: S311  # nothing is picked
SPEC = SystemSpec(name="model", image="model:1", autoscale=Autoscale(replicas_min=2, replicas_max=8))


class Seen:
    """A recorder that has seen these objects."""

    def __init__(self, **kinds: list[dict[str, Any]]) -> None:
        self.kinds = kinds

    def objects(self, kind: str) -> tuple[dict[str, Any], ...]:
        """The objects of a kind."""
        return tuple(self.kinds.get(kind, ()))


def under_test(seen: Seen | None) -> SystemUnderTest:
    """The system as a scenario has it."""
    return SystemUnderTest(SPEC, "ns", "", RNG, cast("Recorder | None", seen), timings=LAB)


def test_it_is_seen_when_the_number_is_back_and_the_extra_pods_are_gone() -> None:
    """A pod that still ends keeps it waiting."""
    pods = [pod(uid, ready=True, spec=ASKING) for uid in "abc"]
    seen = Seen(Deployment=[deployment(2)], Pod=pods, **{KIND: [hpa(2)]})
    until = scaled_down(under_test(seen))
    assert not until.seen()
    del pods[0]
    assert until.seen()
    seen.kinds["Deployment"] = [deployment(3)]
    assert not until.seen()


def test_the_deadline_is_the_derived_bound_and_the_end_of_the_pods() -> None:
    """80 s for the fall, 29 s and the grace for the pods, and half a minute for what is still to be answered."""
    seen = Seen(Deployment=[deployment(8)], Pod=[pod("a", spec=ASKING)], **{KIND: [hpa(8)]})
    assert scaled_down(under_test(seen)).deadline_s == 80 + 29 + SPEC.grace_s + 30


def test_a_rise_is_seen_as_soon_as_more_are_desired() -> None:
    """Not only when they are Ready; and it is waited for as long as the autoscaler may take to begin."""
    seen = Seen(Deployment=[deployment(2)], **{KIND: [hpa(2)]})
    until = scaled_up(under_test(seen))
    assert not until.seen()
    seen.kinds["Deployment"] = [deployment(3)]
    assert until.seen()
    assert until.deadline_s == RISE_BOUND_S


def test_zero_is_seen_when_no_pod_is_left() -> None:
    """Nor one that still ends; it is waited for as long as two looks of KEDA and its cooldown, and the pods' end."""
    scaled = {"metadata": {"name": "so"}, "spec": {"pollingInterval": 5, "cooldownPeriod": 20}}
    seen = Seen(Deployment=[deployment(1)], Pod=[pod("a", ready=True)], **{SCALED_OBJECT: [scaled]})
    until = scaled_to_zero(under_test(seen))
    assert not until.seen()
    seen.kinds["Deployment"] = [deployment(0)]
    assert not until.seen()
    seen.kinds["Pod"] = []
    assert until.seen()
    seen.kinds["Deployment"] = [deployment(1)]
    assert not until.seen()
    assert until.deadline_s == UNPROMISED_S + 2 * 5 + 20 + SPEC.grace_s + DRAIN_S


def test_a_saved_run_waits_for_nothing() -> None:
    """When a run is judged again there is nothing to see."""
    for awaited in (scaled_down, scaled_to_zero, scaled_up):
        until = awaited(under_test(None))
        assert (until.seen(), until.deadline_s) == (True, 0.0)
