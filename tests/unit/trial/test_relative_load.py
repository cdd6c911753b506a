"""Loads as shares of what one replica carries, and rates beside them."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.clock import Clock
from chaos.cluster import Journal
from chaos.errors import NotAllowed, UsageError
from chaos.trial.replica_capacity import ReplicaCapacity
from chaos.trial.traffic import Traffic
from loadgen.behaviour import Conversation, Retries
from loadgen.driver.driver import StreamHandle
from loadgen.profiles import HttpProfile, OpenAiChatProfile, Profile
from loadgen.shapes import Ramp, Spike, Steady, Step
from loadgen.shapes.base import Shape
from loadgen.shapes.trace import Replay


class Flow:
    """Traffic whose shapes are kept."""

    def __init__(
        self, path: Path, capacity: float | None = 3.0, most_rps: float | None = None, requests_max: int = 1
    ) -> None:
        self.shapes: list[Shape] = []
        self.rises: list[None] = []
        self.traffic = Traffic(
            self._generator,
            Journal(path / "actions.jsonl", Clock.start()),
            profile="http",
            origin="here",
            url="http://x",
            before_rise=lambda: self.rises.append(None),
            capacity=ReplicaCapacity(capacity) if capacity else None,
            most_rps=most_rps,
            requests_max=requests_max,
        )

    def _generator(self) -> Any:
        def begin(shape: Shape, name: str) -> StreamHandle:
            self.shapes.append(shape)
            return StreamHandle(name, shape, 1)

        return SimpleNamespace(begin=begin, end=lambda name: StreamHandle(name, Steady(1), 1, 2))


def test_a_load_is_a_share_of_what_one_replica_carries(tmp_path: Path) -> None:
    """1.0 is the rate of one replica, whatever number there is; the journal has the rate."""
    flow = Flow(tmp_path)
    with flow.traffic.steady(load=1.2):
        pass
    assert flow.shapes == [Steady(3.6)]
    assert flow.traffic.rps(1 / 3) == 1.0
    begun = json.loads((tmp_path / "actions.jsonl").read_text().splitlines()[0])
    assert begun["rate_rps"] == 3.6


def test_a_spike_is_told_in_all(tmp_path: Path) -> None:
    """What flows already is part of it, and its owners are asked."""
    flow = Flow(tmp_path)
    with flow.traffic.steady(load=0.5), flow.traffic.spike(load=2.5):
        assert flow.traffic.least_rps == pytest.approx(7.5)
    assert flow.shapes == [Steady(1.5), Steady(6.0)]
    assert len(flow.rises) == 1
    with flow.traffic.steady(rate_rps=4), flow.traffic.spike(rate_rps=10):
        pass
    assert flow.shapes[2:] == [Steady(4), Steady(6.0)]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda traffic: traffic.steady(),
        lambda traffic: traffic.steady(load=1, rate_rps=2),
        lambda traffic: traffic.steady(load=0),
        lambda traffic: traffic.steady(load=-1),
        lambda traffic: traffic.steady(load=float("nan")),
        lambda traffic: traffic.spike(load=0.9),
    ],
)
def test_what_is_no_load_is_refused(tmp_path: Path, wrong: Callable[[Traffic], object]) -> None:
    """Neither, both, none, or a spike that is none."""
    flow = Flow(tmp_path)
    with flow.traffic.steady(load=1), pytest.raises(UsageError):
        wrong(flow.traffic)


def test_a_load_that_nobody_knows_is_no_rate(tmp_path: Path) -> None:
    """Without a capacity the words say how to state one; rates flow as ever."""
    flow = Flow(tmp_path, capacity=None)
    with pytest.raises(UsageError, match=r"a load of 0\.3: what one replica carries within the SLO is not known"):
        flow.traffic.steady(load=0.3)
    with flow.traffic.steady(rate_rps=2):
        assert flow.shapes == [Steady(2)]


def test_shapes_are_told_in_loads_too(tmp_path: Path) -> None:
    """Each rate of the shape is a load; its times stay."""
    flow = Flow(tmp_path, capacity=4.0)
    for shape in (Spike(0.3, 2.5, at_s=20, for_s=30, ramp_s=5), Ramp(0, 2, over_s=10), Step(1, 2, at_s=3)):
        with flow.traffic.shape(shape, relative=True):
            pass
    assert flow.shapes == [Spike(1.2, 10.0, at_s=20, for_s=30, ramp_s=5), Ramp(0, 8.0, over_s=10), Step(4, 8, at_s=3)]
    with pytest.raises(UsageError, match="has no rates"), flow.traffic.shape(Replay((0, 1)), relative=True):
        pass


def test_more_than_the_owners_allow_is_never_offered(tmp_path: Path) -> None:
    """The sum of all that flows counts, and a trace whose rate nobody knows is too much."""
    flow = Flow(tmp_path, most_rps=5.0)
    with flow.traffic.steady(load=1.0):
        with pytest.raises(NotAllowed, match=r"safety\.rps_max allows 5/s, and 6/s were to be offered"):
            flow.traffic.steady(load=1.0).__enter__()
        with pytest.raises(NotAllowed), flow.traffic.shape(Replay((0, 1))):
            pass
        with flow.traffic.steady(rate_rps=2):
            pass
    assert flow.shapes == [Steady(3.0), Steady(2)]


CHAT = {"model": "m", "prompts": ("Hi.",)}


@pytest.mark.parametrize(
    ("profile", "most"),
    [
        (HttpProfile(), 1),
        (HttpProfile(retries=Retries(attempts=3)), 3),
        (OpenAiChatProfile(**CHAT, conversation=Conversation(turns=4)), 4),
        (OpenAiChatProfile(**CHAT, conversation=Conversation(turns=4), retries=Retries(attempts=2)), 8),
    ],
)
def test_the_owners_bound_counts_requests_and_not_arrivals(tmp_path: Path, profile: Profile, most: int) -> None:
    """A user who asks again, or goes on, is as many requests: all of them reach the service."""
    flow = Flow(tmp_path, most_rps=2.0 * most, requests_max=profile.requests_max)
    with flow.traffic.steady(rate_rps=2):
        pass
    with pytest.raises(NotAllowed, match=rf"allows {2 * most}/s, and {2.5 * most:g}/s were to be offered"):
        flow.traffic.steady(rate_rps=2.5).__enter__()
    assert flow.shapes == [Steady(2)]


def test_a_saved_run_needs_no_capacity_to_flow() -> None:
    """Nothing flows, whatever is named; only a check that asks for a rate has to know it."""
    saved = Traffic(None, None, profile="", origin="", url="")
    with saved.steady(load=1.0), saved.spike(load=3.0), saved.shape(Spike(1, 2, at_s=1, for_s=1), relative=True):
        pass
    with pytest.raises(UsageError, match="is not known"):
        saved.rps(3.0)
