"""Panels of what servers say of themselves, and the last words of containers that ended."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_stories import metered, served_story, values
from histories import Story, at, kill_story, pod
from report_pages import Element, parse

from chaos.checks import Recovered
from chaos.checks.verdict import Verdict
from chaos.history import ContainerLog, EngineRecord, History
from reports import Report, summarise, to_json
from reports.build.engine import LINES_DRAWN
from reports.page.report import SIZE_MOST_BYTES, page

ENGINE_PANELS = ["engine-running", "engine-waiting", "engine-cache-use", "engine-tokens"]
HOSTILE = "</pre><script>alert(1)</script>\u202e {{ 7*7 }}"


def summed(history: History) -> Report:
    """The report of a history."""
    return summarise(history, Verdict.of([Recovered()(history)]))


def panels(report: Report) -> dict[str, list[Element]]:
    """The elements of each panel of the page."""
    elements = parse(page(report))
    ids = [one.attributes["data-panel"] for one in elements if "data-panel" in one.attributes]
    return {name: [one for one in elements if f"panel-{name}" in one.within] for name in ids}


def ended_pod(code: int = 137, reason: str = "OOMKilled", uid: str = "b") -> dict[str, Any]:
    """A replica whose container was restarted once."""
    raw = pod(uid, ready=False, running=True, restarts=1)
    ended = {"exitCode": code, "reason": reason, "finishedAt": "2026-01-01T00:00:20Z"}
    raw["status"]["containerStatuses"][0]["lastState"] = {"terminated": ended}
    return raw


def log(uid: str = "b", run: int = 0, *lines: str, **changes: Any) -> ContainerLog:
    """What is kept of a log."""
    kept = ContainerLog(f"model-{uid}_{run}.log", f"model-{uid}", uid, "m", "main", run, at(0), tuple(lines), 10)
    return replace(kept, **{"ended": True, **changes})


def crashed_story(*lines: str) -> Story:
    """A kill, and a container that ends for want of memory at 50 s."""
    return kill_story().saw(50, "MODIFIED", ended_pod()).has(logs=(log("b", 0, *lines),))


def test_each_quantity_that_a_server_tells_has_a_panel_beside_the_latency() -> None:
    """With a line for each replica, after the users' panels, on the same axis."""
    shown = panels(summed(served_story().history()))
    names = list(shown)
    assert names[names.index("heat") + 1 :][:4] == ENGINE_PANELS
    lines = [one for one in shown["engine-running"] if one.tag == "path" and "line" in one.classes]
    ends = [one.text for one in shown["engine-tokens"] if "end" in one.classes]
    assert [one.classes[1] for one in lines] == ["e0", "e1", "e2"]
    assert sorted(ends) == ["a", "b", "c"]


def test_the_numbers_are_those_of_the_readings() -> None:
    """Gauges as they were read, tokens by the second; a bucket without a reading is not known."""
    story = metered(
        served_story(), lambda _uid, s: None if 40 < s < 60 else values(running=2, tokens=s * 8), uids=("a",)
    )
    found = {one.quantity: one for one in summed(story.history()).engines}
    (running,), (tokens,) = found["running"].lines, found["tokens"].lines
    assert running.values[20] == 2
    assert tokens.values[20] == pytest.approx(8, rel=0.05)
    assert running.values[50] is None
    assert found["cache_use"].lines[0].values[20] == pytest.approx(0.2)
    assert any(hole.end_ns - hole.begin_ns > 15e9 for hole in found["running"].missing)


def test_many_replicas_are_folded() -> None:
    """The most, the median and the least; how many there are is said."""
    uids = tuple(f"r{k}" for k in range(LINES_DRAWN + 4))
    story = metered(Story().replicas(*uids), lambda uid, _s: values(running=float(uid[1:])), uids=uids)
    report = summed(story.history())
    (running,) = (one for one in report.engines if one.quantity == "running")
    assert [(line.name, line.values[30]) for line in running.lines] == [("most", 9), ("median", 4.5), ("least", 0)]
    title = next(one.text for one in panels(report)["engine-running"] if one.tag == "small")
    assert f"of {len(uids)} replicas" in title


def test_without_metrics_there_is_no_panel() -> None:
    """Nor an error: most servers of others are not known."""
    for story in (kill_story(), metered(kill_story(), lambda _uid, _s: "404")):
        report = summed(story.history())
        assert not report.engines
        assert not set(ENGINE_PANELS) & set(panels(report))


def test_a_counter_that_falls_draws_no_negative_rate() -> None:
    """A restart begins anew."""
    story = metered(served_story(), lambda _uid, s: values(tokens=s if s < 50 else s - 50), uids=("a",))
    (tokens,) = (one for one in summed(story.history()).engines if one.quantity == "tokens")
    assert min(value for value in tokens.lines[0].values if value is not None) >= 0


def test_the_last_lines_of_a_container_that_ended_are_shown_with_their_cause() -> None:
    """Beside the moment on the axis, as the log says, and marked on the lane of its pod."""
    report = summed(crashed_story("12:00 loading", "12:01 torch.OutOfMemoryError: CUDA out of memory.").history())
    (words,) = report.last_words
    assert (words.pod, words.how, words.file) == ("model-b", "exit code 137, OOMKilled", "logs/model-b_0.log")
    assert words.causes == (("out of GPU memory", "12:01 torch.OutOfMemoryError: CUDA out of memory."),)
    elements = parse(page(report))
    assert any("12:00 loading" in one.text for one in elements if one.tag == "pre")
    assert any("out of GPU memory" in one.text for one in elements if "cause" in one.classes)
    (spot,) = (one for one in elements if "ended" in one.classes and "spot" in one.classes)
    assert "exit code 137" in spot.attributes["title"]
    assert any(one.attributes.get("href") == "#t=50.000" for one in elements if one.tag == "a")


def test_what_a_log_holds_is_text_and_nothing_else() -> None:
    """Whatever a server writes, the page runs and fetches nothing of it."""
    text = page(summed(crashed_story(HOSTILE, "address already in use " + HOSTILE).history()))
    assert "<script>alert" not in text
    assert "49" not in [one.text for one in parse(text) if one.tag == "pre"]
    assert text.count("<script") == 3


def test_logs_do_not_make_a_page_too_large() -> None:
    """Many containers that ended, with long lines: so many are shown, of each so much."""
    story = kill_story()
    logs = []
    for k in range(80):
        uid = f"x{k}"
        story.saw(31, "ADDED", pod(uid, running=True)).saw(50 + k / 100, "MODIFIED", ended_pod(uid=uid))
        logs.append(log(uid, 0, *["y" * 4096] * 20))
    report = summed(story.has(logs=tuple(logs)).history())
    assert len(report.last_words) == 30
    assert len(page(report).encode()) < SIZE_MOST_BYTES / 2


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([(50, "MODIFIED", ended_pod())], [50]),
        ([(50, "MODIFIED", ended_pod()), (51, "MODIFIED", ended_pod())], [50]),
        ([(0, "LISTED", ended_pod())], []),
        ([(0, "LISTED", pod("b", ready=True)), (60, "LISTED", ended_pod())], [60]),
        ([], []),
    ],
)
def test_each_end_is_told_once(events: list[Any], expected: list[float]) -> None:
    """And none from before the record."""
    story = Story().replicas("a", "b") if not (events and events[0][1] == "LISTED") else Story()
    for event in events:
        story.saw(*event)
    assert [one.at_ns for one in summed(story.history()).last_words] == [at(second) for second in expected]


def test_a_pod_that_went_without_a_word_has_its_last_lines() -> None:
    """As after a kill without grace: its log was followed up to then."""
    report = summed(kill_story().has(logs=(log("a", 0, "12:00 serving"),)).history())
    (words,) = report.last_words
    assert (words.pod, words.lines, words.at_ns) == ("model-a", ("12:00 serving",), at(30.2))
    assert "gone before it told how" in words.how


def test_the_json_holds_all_of_it() -> None:
    """Series and last words, with no number that is not one."""
    story = served_story().saw(50, "MODIFIED", ended_pod()).has(logs=(log("b", 0, "x"),))
    document = json.loads(to_json(summed(story.history())))
    assert [one["quantity"] for one in document["engines"]] == ["running", "waiting", "cache_use", "tokens"]
    assert document["last_words"][0]["lines"] == ["x"]


def test_a_record_without_them_is_as_before(tmp_path: Path) -> None:
    """Runs of earlier versions have neither file."""
    history = kill_story().history()
    assert history.engine == EngineRecord()
    assert not history.logs
    assert not summarise(history, Verdict.of([]), run=tmp_path).last_words
