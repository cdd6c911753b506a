"""Traffic as a scenario writes it, and what the journal says of it."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from run_folders import Folder
from trial_contexts import context_with

from chaos.clock import Clock
from chaos.cluster import Journal
from chaos.errors import NotAllowed
from chaos.history.facts.offered_load import load_steps
from chaos.slo import Slo
from chaos.trial.context import RisingLoad
from chaos.trial.preflight.consent import Consent
from chaos.trial.traffic import Traffic
from loadgen.driver.driver import StreamHandle
from loadgen.shapes import Ramp, Spike, Steady, shape_from_plain
from loadgen.shapes.base import Shape
from loadgen.shapes.trace import Replay

STRICT = Slo(availability=0.999)

BEGIN_NS = 1_760_000_010 * 10**9


def generator(**changes: Any) -> Any:
    """A generator that only says when streams began and ended."""

    def begin(shape: Shape, name: str) -> StreamHandle:
        return StreamHandle(name, shape, BEGIN_NS)

    def end(name: str) -> StreamHandle:
        return StreamHandle(name, Steady(1), BEGIN_NS, BEGIN_NS + 60 * 10**9)

    return SimpleNamespace(begin=begin, end=end, **changes)


def journalled(path: Path) -> list[dict[str, Any]]:
    """The lines of the journal."""
    return [json.loads(line) for line in (path / "actions.jsonl").read_text().splitlines()]


def traffic(
    path: Path, seed: int = 1, before_rise: Callable[[], None] = lambda: None, leaving_share: float = 0.0
) -> Traffic:
    """Traffic that journals into `path`."""
    journal = Journal(path / "actions.jsonl", Clock.start())
    return Traffic(
        generator,
        journal,
        profile="http",
        origin="here",
        url="http://x",
        seed=seed,
        before_rise=before_rise,
        leaving_share=leaving_share,
    )


def test_the_moments_of_a_spike_are_journalled(tmp_path: Path) -> None:
    """The rate profile has absolute times, and a history made of the journal knows when the load changed."""
    with traffic(tmp_path).shape(Spike(2, 10, at_s=20, for_s=30)):
        pass
    begun, _ = journalled(tmp_path)
    assert (begun["stream"], begun["rate_rps"], begun["begin_ns"]) == ("spike-1", 2, BEGIN_NS)
    assert [(round((at_ns - BEGIN_NS) / 1e9), rate) for at_ns, rate in begun["rate_profile"]] == [
        (0, 2),
        (20, 2),
        (20, 10),
        (50, 10),
        (50, 2),
    ]
    history = Folder(tmp_path).load()
    assert shape_from_plain(history.streams[0].plan or {}) == Spike(2, 10, at_s=20, for_s=30)
    assert [step.to_rps for step in load_steps(history)] == [2, 10, 2, 0]


def test_poisson_arrivals_come_from_the_seed_of_the_trial(tmp_path: Path) -> None:
    """The same seed draws the same arrivals for the same stream; another seed, or stream, others."""
    plans = []
    for number, seed in enumerate((1, 1, 2)):
        (folder := tmp_path / str(number)).mkdir()
        flows = traffic(folder, seed)
        with flows.steady(rate_rps=5, arrivals="poisson"), flows.steady(rate_rps=5, arrivals="poisson"):
            pass
        plans.append([line["plan"] for line in journalled(folder) if line["event"] == "traffic-begin"])
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]
    assert plans[0][0]["seed"] != plans[0][1]["seed"]
    assert plans[0][0]["of"] == {"kind": "steady", "rate_rps": 5}


def test_traffic_says_until_when_it_flows(tmp_path: Path) -> None:
    """A stream ends a little after the word that ends it; who closes the record waits for that."""
    flows = traffic(tmp_path)
    assert flows.ended_ns == 0
    with flows.steady(rate_rps=5):
        assert flows.ended_ns == 0
    assert flows.ended_ns == BEGIN_NS + 60 * 10**9


def test_nothing_flows_when_a_saved_run_is_judged_again() -> None:
    """Without a generator the block is empty."""
    with Traffic(None, None, profile="", origin="", url="").shape(Spike(2, 10, at_s=20, for_s=30)):
        pass


@pytest.mark.parametrize(
    ("shapes", "asked"),
    [
        ([Steady(4)], 0),
        ([Steady(4), Steady(1.9)], 0),
        ([Steady(4), Steady(2)], 1),
        ([Steady(1), Steady(4), Steady(0.1)], 2),
        ([Spike(2, 10, at_s=20, for_s=30)], 1),
        ([Ramp(2, 2.5, over_s=10)], 0),
        ([Replay((0, 10**9))], 1),
    ],
    ids=["steady", "less than half more", "half more", "each more", "spike", "gentle", "trace"],
)
def test_a_load_that_rises_is_asked_for_before_it_flows(tmp_path: Path, shapes: list[Shape], asked: int) -> None:
    """Half as much again as the first stream began with, or a rate that nobody knows, is trouble."""
    times: list[None] = []
    flows = traffic(tmp_path, before_rise=lambda: times.append(None))
    with contextlib.ExitStack() as stack:
        for shape in shapes:
            stack.enter_context(flows.shape(shape))
    assert len(times) == asked


def test_streams_one_after_the_other_are_held_against_the_first(tmp_path: Path) -> None:
    """What has ended does not count, but what is usual stays what the trial began with."""
    times: list[None] = []
    flows = traffic(tmp_path, before_rise=lambda: times.append(None))
    for rate_rps in (2, 2, 8):
        with flows.steady(rate_rps=rate_rps):
            pass
    assert len(times) == 1


def test_a_load_that_is_not_allowed_does_not_flow(tmp_path: Path) -> None:
    """The refusal comes before the stream, and before the run takes hold of the system."""
    claimed: list[None] = []
    consent = {"load": "load is not allowed"}
    environment = SimpleNamespace(claim=lambda **_: claimed.append(None), stop_reason=str)
    well = SimpleNamespace(objection=str)
    context = context_with(
        environment=environment,
        abort_conditions=well,
        consent=Consent(lambda actions: [consent[name] for name in actions if name in consent]),
    )
    flows = traffic(tmp_path, before_rise=context.allow_rising_load)
    with flows.steady(rate_rps=1):
        with pytest.raises(NotAllowed, match="load is not allowed"), flows.steady(rate_rps=9):
            pytest.fail("it flows")
        assert [line["rate_rps"] for line in journalled(tmp_path)] == [1]
        assert claimed == []
        consent.clear()
        with flows.steady(rate_rps=9):
            assert len(claimed) == 1
    assert RisingLoad().victims == ()


@pytest.mark.parametrize(
    ("rate_rps", "slo", "lasts_s", "words"),
    [
        (4, STRICT, 262.5, "262 s instead of 15 s: 0.999 needs 1,000 requests: 250 s at 4/s"),
        (4, Slo(availability=0.99), 26.25, "26 s instead of 15 s: 0.99 needs 100 requests: 25 s at 4/s"),
        (10, Slo(availability=0.99), 15, "15 s"),
        (4, Slo(availability=1.0), 15, "15 s"),
        (4, Slo(latency_p99_s=1.0), 26.25, "26 s instead of 15 s: its objectives need 100 requests: 25 s at 4/s"),
        (7, Slo(latency_p99_s=1.0), 15, "15 s"),
        (4, None, 15, "15 s"),
        (
            1,
            STRICT,
            15,
            "15 s, which is too short and will decide nothing: 0.999 needs 1,000 requests: 1000 s at 1/s",
        ),
    ],
)
def test_a_baseline_lasts_until_it_can_show_the_objective(
    tmp_path: Path, rate_rps: float, slo: Slo | None, lasts_s: float, words: str
) -> None:
    """As many requests as leave room for one bad one, at the rate that flows, up to 300 s; and it is told before."""
    flows = traffic(tmp_path)
    with flows.steady(rate_rps=rate_rps):
        assert flows.long_enough(15, slo) == (pytest.approx(lasts_s), words)


def test_clients_that_leave_show_nothing(tmp_path: Path) -> None:
    """Where every fifth is to leave, a baseline lasts for as many more requests, and chance may have its way."""
    usual, leaving = traffic(tmp_path), traffic(tmp_path, leaving_share=0.2)
    with usual.steady(rate_rps=8), leaving.steady(rate_rps=8):
        longer = leaving.long_enough(15, STRICT)[0] / usual.long_enough(15, STRICT)[0]
    assert 1.25 < longer < 1.4


def test_without_a_rate_nobody_knows_how_long_is_enough(tmp_path: Path) -> None:
    """A trace's rate is known only when it was sent, and of no traffic there is none."""
    flows = traffic(tmp_path)
    assert flows.long_enough(15, STRICT) == (15, "15 s")
    with flows.shape(Replay((0.0, 1.0))):
        assert flows.long_enough(15, STRICT) == (15, "15 s")


def test_a_baseline_does_not_grow_into_a_spike(tmp_path: Path) -> None:
    """A load that rises after 20 s is not to rise within the baseline, so that one stays as short as it is."""
    flows = traffic(tmp_path)
    with flows.shape(Spike(4, 10, at_s=20, for_s=30)):
        lasts_s, words = flows.long_enough(15, STRICT)
    assert lasts_s == 15
    assert "too short" in words
    with flows.steady(rate_rps=4):
        assert flows.long_enough(15, STRICT)[0] > 250
