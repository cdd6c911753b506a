"""Reading what servers said of themselves and what containers wrote, from whole, cut and hostile run folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from engine_stories import metered, served_story, values
from histories import Story, at
from saved_histories import saved

from chaos.errors import UsageError
from chaos.history import load_history
from chaos.history.facts.engine_counts import engine_lives, rise
from chaos.history.reading.container_logs import TAIL_BYTES, read_logs
from chaos.history.reading.engine_metrics import read_engine

BEGIN = {
    "at_ns": 1,
    "event": "begin",
    "file": "a.log",
    "pod": "p",
    "uid": "u",
    "container": "c",
    "role": "main",
    "run": 0,
}
END = {"at_ns": 2, "event": "end", "file": "a.log", "bytes": 3, "cut": False, "ended": True}
NAMES = {"at_ns": 1, "engine": "vllm", "names": {"title": "vLLM", "running": [["r", "", ""]]}}
SAMPLE = {"at_ns": 2, "asked_ns": 1, "pod": "p", "uid": "u", "engine": "vllm", "values": [["r", {"a": "b"}, 1.5]]}


def written(path: Path, *lines: Any) -> Path:
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_saved_record_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Names, values, errors, in order."""
    history = metered(served_story(), lambda uid, s: "gone" if uid == "c" else values(stop=int(s))).history()
    assert load_history(saved(history, tmp_path / "run")).engine == history.engine


def test_what_is_the_same_as_before_is_the_same_as_of_that_pod(tmp_path: Path) -> None:
    """Others in between change nothing, nor does an error."""
    other = {**SAMPLE, "uid": "v", "values": [["r", {}, 9]]}
    error = {**SAMPLE, "error": "503"} | {"values": []}
    same = {key: value for key, value in SAMPLE.items() if key != "values"} | {"same": True}
    record, remark = read_engine(written(tmp_path / "e", NAMES, SAMPLE, other, same))
    assert not remark
    assert record.samples[2].values == record.samples[0].values == (("r", {"a": "b"}, 1.5),)
    assert read_engine(written(tmp_path / "f", SAMPLE, error))[0].samples[1].error == "503"


@pytest.mark.parametrize(
    "line",
    [
        {**SAMPLE, "values": [["r", {}]]},
        {**SAMPLE, "values": [["r", {}, "many"]]},
        {**SAMPLE, "values": 7},
        {key: value for key, value in SAMPLE.items() if key != "uid"},
        {**SAMPLE, "same": True, "uid": "never seen"},
        {**NAMES, "names": {"running": [["r"]]}},
        {**NAMES, "names": {"running": 7}},
    ],
    ids=range(7),
)
def test_a_line_of_another_shape_is_damage(tmp_path: Path, line: Any) -> None:
    """And no verdict."""
    with pytest.raises(UsageError, match="line 2"):
        read_engine(written(tmp_path / "e", NAMES, line))


def test_a_last_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    """With a remark."""
    path = written(tmp_path / "e", NAMES, SAMPLE)
    path.write_text(path.read_text() + '{"at_ns":')
    record, remark = read_engine(path)
    assert len(record.samples) == 1
    assert "cut short" in remark


def test_a_run_without_either_is_read_as_before(tmp_path: Path) -> None:
    """As earlier versions left them."""
    history = load_history(saved(Story().replicas("a").history(), tmp_path / "run"))
    assert not history.engine.samples
    assert not history.logs


def test_the_last_lines_of_each_log_are_read(tmp_path: Path) -> None:
    """Whole ones, as they may be shown."""
    written(tmp_path / "logs.jsonl", BEGIN, END)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_bytes(b"first\n" + b"x" * TAIL_BYTES + b"\n\x1b[2Jlast\xff\n")
    ((log,), remark) = read_logs(tmp_path)
    assert not remark
    assert log.tail == ("last\ufffd",)
    assert log.ended


def test_a_log_without_its_end_is_of_a_run_that_died(tmp_path: Path) -> None:
    """Its file may be missing, too."""
    written(tmp_path / "logs.jsonl", BEGIN)
    ((log,), _) = read_logs(tmp_path)
    assert (log.ended, log.tail) == (False, ())


@pytest.mark.parametrize(
    "line",
    [
        {**BEGIN, "file": "../trial.json"},
        {**BEGIN, "file": "/etc/passwd"},
        {**BEGIN, "file": ".."},
        {**BEGIN, "role": "king"},
        {**BEGIN, "event": "sing"},
        {**END, "file": "never begun.log"},
        {**BEGIN, "run": "many"},
    ],
    ids=range(7),
)
def test_an_index_of_another_shape_is_damage(tmp_path: Path, line: Any) -> None:
    """No file elsewhere is read for it."""
    with pytest.raises(UsageError, match="line 1"):
        read_logs_of(written(tmp_path / "logs.jsonl", line))


def read_logs_of(index: Path) -> object:
    """The logs beside an index."""
    return read_logs(index.parent)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A run folder may be another's."""
    written(tmp_path / "logs.jsonl", BEGIN, END)
    (tmp_path / "logs").mkdir()
    (tmp_path / "secret").write_text("secret\n")
    (tmp_path / "logs" / "a.log").symlink_to(tmp_path / "secret")
    ((log,), _) = read_logs(tmp_path)
    assert not log.tail


def test_counters_rise_over_restarts() -> None:
    """A process of its own each time; the first goes on from what it had counted before the record."""
    story = metered(served_story(), lambda _uid, s: values(stop=1000 + s if s < 50 else s - 50), uids=("a",))
    (life,) = engine_lives(story.history())
    first, second = life.processes
    assert (first.new, second.new) == (False, True)
    assert rise(first, "whole") == pytest.approx(49, abs=1)
    assert rise(second, "whole") == pytest.approx(67, abs=1)
    assert first.until_ns == second.readings[0].at_ns
    assert first.readings[0].asked_ns == at(0.2)
    assert rise(first, "preempted") == 0
