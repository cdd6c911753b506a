"""What a measurement of capacity leaves: its page, its JSON, its table; and what it is asked for."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from capacity_stories import SLO, Search, steps_of
from report_pages import parse
from rich.console import Console

from chaos.checks.judge import Judgement
from chaos.checks.traffic.capacity_estimate import capacity_estimate
from chaos.checks.traffic.capacity_steps import rate_steps
from chaos.checks.verdict import Verdict
from chaos.cli.capacity.output import Screen, show, write
from chaos.errors import UsageError
from chaos.slo import Slo
from chaos.trial.capacity.search import Measurement

ASKED = Measurement(
    slo=SLO, replicas=(3, 2), from_rps=5, to_rps=50, resolution=1.25, repeats=2, step_s=15, time_s=300, need_rps=None
)


def judgement(run: Path) -> Judgement:
    """A search that found the limit of three replicas, and of two that it is beyond what the generator can do."""
    story = Search(400).begun().step(10).step(12, slow=24).step(10).step(12, slow=24)
    history = story.fewer(145, "a", 2).step(8).step(9, lag_s=0.3).history()
    return Judgement(run, history, Verdict.of([ASKED.check(history)]))


def test_the_page_shows_each_rate_and_runs_nothing(tmp_path: Path) -> None:
    """Every rate has its row and its dot, with the confidence intervals; no script, no address of another host."""
    write(judgement(tmp_path), ASKED)
    text = (tmp_path / "capacity.html").read_text()
    parse(text)
    assert "<script" not in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert text.count("<circle") == 4
    for words in ("held 10/s, not 12/s", "100 ms (100 ms to 100 ms)", "2 replicas", "the generator started late"):
        assert words in text, words


def test_the_json_has_each_step_and_each_limit(tmp_path: Path) -> None:
    """What the page says, in numbers with their units."""
    write(judgement(tmp_path), ASKED)
    data = json.loads((tmp_path / "capacity.json").read_text())
    assert data["answer"] == "UNKNOWN"
    assert [(one["replicas"], one["held_rps"], one["broke_rps"]) for one in data["limits"]] == [
        (3, 10, 12),
        (2, 8, None),
    ]
    assert [step["answer"] for step in data["steps"]] == ["PASS", "FAIL", "PASS", "FAIL", "PASS", "UNKNOWN"]
    assert data["slo"] == {"availability": 0.99, "latency_p99_s": 2.0}
    assert data["steps"][1]["latency_p99_s"] == 5.0


def test_the_table_has_the_rates_beside_each_limit(tmp_path: Path) -> None:
    """One line each, with how often it held."""
    out = io.StringIO()
    show(judgement(tmp_path), ASKED, Console(file=out, width=160))
    lines = [line.split()[:4] for line in out.getvalue().splitlines()[2:]]
    assert lines[:2] == [["3", "10/s", "held", "2"], ["3", "12/s", "did", "not"]]
    assert lines[3][:3] == ["2", "9/s", "unknown"]


MISSED = "p99: 24 requests over 2 s, 2 allowed"


def test_a_screen_that_is_no_terminal_gets_a_line_a_step(tmp_path: Path) -> None:
    """What begins, and what it came to; nothing is redrawn."""
    out = io.StringIO()
    screen = Screen(Console(file=out, width=200))
    with screen.step(3, 10, 0, 12, 15):
        pass
    screen.show(rate_steps(judgement(tmp_path).history, SLO)[1])
    assert out.getvalue().splitlines() == [
        "3 replicas  10/s for 15 s  step 1 of at most 12",
        f"3 replicas  12/s  did not hold  11.95/s answered  10.8/s good  latency p99 5.000 s  {MISSED}",
    ]


def test_a_step_is_long_enough_for_its_percentile() -> None:
    """A hundred requests; without a percentile as long as was asked."""
    assert [ASKED.duration_s(rate) for rate in (50, 10, 4, 1)] == [15, 15, 26, 101]
    only = Measurement(Slo(availability=0.99), (3,), 1, 50, 1.25, 2, 15, 300)
    assert only.duration_s(1) == 15


def test_a_search_begins_where_the_last_one_ended() -> None:
    """A hundred requests a step at first; then two thirds of the rate for two of three replicas, in smaller leaps."""
    cold, warm = ASKED.search(None, 3), ASKED.search(capacity_estimate(3, steps_of(3, [(12, "+"), (14, "-")])), 2)
    assert (cold.start_rps, cold.growth) == (6.67, 2.0)
    assert (warm.start_rps, warm.growth) == (8, 1.25 * 1.25)
    assert ASKED.search(capacity_estimate(3, steps_of(3, [(6, "-")])), 2).start_rps == 6.67


def test_what_cannot_be_asked_for_is_refused() -> None:
    """No time, a needed rate that is never tried, a percentile at a rate at which it takes minutes."""
    for wrong in (
        {"from_rps": 0.5},
        {"from_rps": 0.0},
        {"step_s": 0.0},
        {"time_s": 0.0},
        {"need_rps": 99.0},
        {"resolution": 1.0},
    ):
        told = {"from_rps": 5.0, "to_rps": 50.0, "resolution": 1.25, "step_s": 15.0, "time_s": 300.0, **wrong}
        with pytest.raises(UsageError):
            Measurement(slo=SLO, replicas=(3,), repeats=2, **told)  # type: ignore[arg-type]


def test_what_a_command_made_is_replayed_by_that_command(tmp_path: Path) -> None:
    """A scenario is replayed by pytest; a measurement by its own command line."""
    made = judgement(tmp_path)
    raw = {**made.history.facts.raw, "nodeid": "gameday capacity --latency-p99-s 2"}
    history = replace(made.history, facts=replace(made.history.facts, raw=raw))
    assert replace(made, history=history).text().endswith("replay: gameday capacity --latency-p99-s 2 --seed 1")
    raw["nodeid"] = "test_a.py::test_b"
    assert replace(made, history=history).text().endswith("replay: pytest 'test_a.py::test_b' --gameday-seed 1")
