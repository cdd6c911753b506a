"""500 lives of an autoscaler, by metrics of every kind: no right decision is called wrong, and wrong ones are."""

from __future__ import annotations

import random
from typing import Any

import pytest
from autoscaler_stories import Scaling
from metric_stories import Metric, Simulated, lived

from chaos.checks import DecisionsRecomputed
from chaos.checks.verdict import Answer

UNTIL_S = 200
CALM_S = 70
LIVES, PARTS, QUICK = 500, 25, 4
"""So many lives in so many parts; the first parts are for each run of the unit tests."""

KINDS = [
    Metric("Resource", "Utilization", 60),
    Metric("Resource", "AverageValue", 120),
    Metric("ContainerResource", "Utilization", 60),
    Metric("Pods", "AverageValue", 5000),
    Metric("Object", "Value", 20_000, "rps"),
    Metric("Object", "AverageValue", 7000, "rps"),
    Metric("External", "Value", 30_000, "lag"),
    Metric("External", "AverageValue", 5000, "lag"),
]

BEHAVIOURS: list[dict[str, Any] | None] = [
    None,
    {"scaleDown": {"stabilizationWindowSeconds": 0}},
    {"scaleDown": {"stabilizationWindowSeconds": 30}},
    {"scaleUp": {"stabilizationWindowSeconds": 15}, "scaleDown": {"stabilizationWindowSeconds": 15}},
    {
        "scaleUp": {"selectPolicy": "Min", "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]},
        "scaleDown": {"stabilizationWindowSeconds": 15, "selectPolicy": "Disabled"},
    },
    {
        "scaleUp": {"tolerance": "0", "policies": [{"type": "Percent", "value": 50, "periodSeconds": 10}]},
        "scaleDown": {"tolerance": "0.3", "stabilizationWindowSeconds": 20},
    },
    {
        "scaleUp": {"tolerance": "0.5"},
        "scaleDown": {
            "stabilizationWindowSeconds": 10,
            "selectPolicy": "Min",
            "policies": [
                {"type": "Pods", "value": 2, "periodSeconds": 20},
                {"type": "Percent", "value": 50, "periodSeconds": 15},
            ],
        },
    },
]


def life(seed: int, *, lies: bool = False) -> Simulated:
    """One life, told to its end: metrics, times without them, behaviour, load, delays and phase by the seed."""
    chance = random.Random(seed)  # noqa: S311  # replayable
    metrics = chance.sample(KINDS, chance.choice([1, 1, 1, 2, 3]))
    names = {(one.type, one.name) for one in metrics}
    metrics = [next(one for one in metrics if (one.type, one.name) == name) for name in sorted(names)]
    steps = [chance.choice([0.0, 0.3, 0.9, 1.0, 1.12, 2.0, 3.7]) for _ in range(UNTIL_S // 10 + 2)]
    wander = {one.type: chance.uniform(0.5, 1.5) for one in metrics}

    def load(metric: Metric, at_s: float) -> int:
        share = 1.0 if at_s < CALM_S else steps[int(at_s // 10)]
        full = 120 if metric.type == "Resource" else metric.target
        scale = 1.0 if at_s < CALM_S else wander.get(metric.type, 1.0)
        whole = full if metric.kind == "Value" and metric.type != "Resource" else 2 * full
        return int(whole * share * scale)

    breaks = {one.type: chance.choice([None, None, chance.uniform(CALM_S, UNTIL_S)]) for one in metrics}

    def broken(metric: Metric, at_s: float) -> bool:
        begin_s = breaks[metric.type]
        return begin_s is not None and begin_s <= at_s < begin_s + 30

    def lie(now: int, wanted: int) -> int:
        wrong = 8 if wanted <= 4 else 2
        return wrong if lies and chance.random() < 0.15 and wrong != now else wanted

    behaviour, delay_s = chance.choice(BEHAVIOURS), chance.uniform(0, 1)
    simulated = Simulated(metrics, behaviour, load, delay_s, Scaling(UNTIL_S), broken=broken, lie=lie)
    lived(simulated, UNTIL_S, chance.uniform(0.1, 4.9))
    simulated.story.loaded(1, 0, UNTIL_S - 5)
    return simulated


PART = [pytest.param(part, marks=[] if part < QUICK else pytest.mark.slow) for part in range(PARTS)]


@pytest.mark.parametrize("part", PART)
def test_no_right_decision_is_called_wrong(part: int) -> None:
    """Whatever metrics, behaviours and delays: each number that Kubernetes' rules give is reached."""
    for seed in range(part, LIVES, PARTS):
        told = life(seed)
        finding = DecisionsRecomputed()(told.story.history())
        assert finding.answer is (Answer.PASS if told.rescales else Answer.UNKNOWN), f"{seed}: {finding.line()}"


def test_wrong_decisions_are_called_wrong() -> None:
    """A controller that now and then sets what nothing asks for is found out in nine lives of ten."""
    lives = [one for seed in range(40) if (one := life(seed, lies=True)).lies]
    found = sum(DecisionsRecomputed()(one.story.history()).answer is Answer.FAIL for one in lives)
    assert len(lives) >= 30
    assert found >= 0.9 * len(lives), f"{found} of {len(lives)}"
