"""The journal and the files under it: whole lines, before and after, in order."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from chaos.clock import Clock
from chaos.cluster.executor import DryRunExecutor
from chaos.cluster.mutations import delete_pod
from chaos.errors import HarnessBroken
from chaos.history.reading.jsonl import read_lines
from chaos.history.writing.action_log import Journal, NullJournal
from chaos.history.writing.jsonl import AppendFile
from chaos.history.writing.watch_log import WatchLogWriter
from chaos.objects.base import Ref

POD = Ref("Pod", "ns", "model-0", "u-1")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_an_event_is_in_the_file_when_the_call_returns(tmp_path: Path) -> None:
    """Another process sees the line at once, with its time."""
    clock = Clock.start()
    with Journal(tmp_path / "actions.jsonl", clock) as journal:
        before = clock.now_ns()
        journal.event("phase-begin", phase="baseline")
        (line,) = _lines(tmp_path / "actions.jsonl")
    assert (line["event"], line["phase"]) == ("phase-begin", "baseline")
    assert before <= line["at_ns"] <= clock.now_ns()


def test_an_action_is_written_before_it_is_done(tmp_path: Path) -> None:
    """While the action is under way its begin stands alone; its end follows with the outcome."""
    path = tmp_path / "actions.jsonl"
    with Journal(path, Clock.start()) as journal:
        with journal.action("freeze", POD, fault="freeze-1", detail={"signal": "STOP"}) as entry:
            (begin,) = _lines(path)
            entry.end("fail", reason="no such process")
        _, end = _lines(path)
    assert begin["target"] == {"kind": "Pod", "namespace": "ns", "name": "model-0", "uid": "u-1"}
    assert (begin["action"], begin["fault"], begin["detail"]) == ("freeze", "freeze-1", {"signal": "STOP"})
    assert (end["id"], end["outcome"], end["detail"]) == (begin["id"], "fail", {"reason": "no such process"})


def test_an_interrupted_action_is_unknown(tmp_path: Path) -> None:
    """Ctrl-C in the middle of an action leaves info, not silence, and goes on."""
    path = tmp_path / "actions.jsonl"
    with Journal(path, Clock.start()) as journal:
        with pytest.raises(KeyboardInterrupt), journal.action("freeze", POD):
            raise KeyboardInterrupt
        end = _lines(path)[-1]
    assert (end["outcome"], end["detail"]) == ("info", {"reason": "interrupted: KeyboardInterrupt"})


def test_an_action_without_an_outcome_is_unknown(tmp_path: Path) -> None:
    """Whoever forgets to say what became of an action has not made it ok."""
    path = tmp_path / "actions.jsonl"
    with Journal(path, Clock.start()) as journal:
        with journal.action("freeze", POD):
            pass
        assert _lines(path)[-1]["outcome"] == "info"


def test_two_journals_on_one_file_give_different_ids(tmp_path: Path) -> None:
    """Neither at the same time nor after one another does an id come twice."""
    path = tmp_path / "actions.jsonl"
    for _ in range(2):
        with Journal(path, Clock.start()) as one, Journal(path, Clock.start()) as other:
            for journal in (one, other):
                with journal.action("freeze", POD) as entry:
                    entry.end("ok")
    ids = [line["id"] for line in _lines(path) if line["event"] == "action-begin"]
    assert len(set(ids)) == 4


def test_a_dry_run_hand_never_reaches_a_cluster(tmp_path: Path) -> None:
    """It needs none: the decision is journalled and the outcome says that nothing was done."""
    path = tmp_path / "actions.jsonl"
    with Journal(path, Clock.start()) as journal:
        assert DryRunExecutor(journal).do(delete_pod(POD, grace_s=0)).outcome == "fail"
    assert _lines(path)[-1]["detail"] == {"reason": "dry_run: nothing was done"}


def test_nobody_reads_a_null_journal() -> None:
    """It takes everything a journal takes and keeps nothing."""
    with NullJournal() as journal, journal.action("freeze", POD) as entry:
        journal.event("note", text="x")
        entry.end("ok")


def test_a_journal_that_cannot_be_written_stops_the_action(tmp_path: Path) -> None:
    """What cannot be journalled is not done: the block is not entered."""
    journal = Journal(tmp_path / "actions.jsonl", Clock.start())
    journal.close()
    done = []
    with pytest.raises(HarnessBroken, match="was closed"), journal.action("freeze", POD):
        done.append(1)
    assert not done


def test_a_full_disk_is_said() -> None:
    """A line that the kernel refuses breaks the harness, with the file and the reason."""
    full = AppendFile(Path("/dev/full"))
    with pytest.raises(HarnessBroken, match="/dev/full cannot be written: No space left on device"):
        full.write(1, b'"x":1}')
    full.close()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Opening a file in a missing folder names the file."""
    with pytest.raises(HarnessBroken, match=r"missing/w\.jsonl cannot be written: No such file"):
        AppendFile(tmp_path / "missing" / "w.jsonl")


def test_a_partial_last_line_is_cut_off_on_opening(tmp_path: Path) -> None:
    """What a killed process left half-way never glues to the next line; whole lines stay, however long the rest is."""
    path = tmp_path / "w.jsonl"
    path.write_bytes(b'{"at_ns":1,"x":1}\n{"at_ns":2,"x":"' + b"y" * 3_000_000)
    file = AppendFile(path)
    file.write(3, b'"x":3}')
    file.close()
    assert _lines(path) == [{"at_ns": 1, "x": 1}, {"at_ns": 3, "x": 3}]


def test_times_never_go_backwards(tmp_path: Path) -> None:
    """Threads that write in another order than they read the clock still leave times in order, and whole lines."""
    path, clock = tmp_path / "w.jsonl", Clock.start()
    file = AppendFile(path)

    def write() -> None:
        for n in range(300):
            file.write(clock.now_ns() - n % 7 * 1_000_000, b'"x":"' + b"y" * 5000 + b'"}')

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    times = [line["at_ns"] for line in _lines(path)]
    assert len(times) == 1200
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("text", "kept"), [("a \ud800 b", "a ? b"), ("\udfff", "?"), ("ö \U0001f600 \\ud800", "ö \U0001f600 \\ud800")]
)
def test_half_a_character_makes_no_record_unreadable(text: str, kept: str, tmp_path: Path) -> None:
    """A server may answer with one, in JSON; no reader takes it, and the whole run would have no verdict."""
    path = tmp_path / "actions.jsonl"
    with Journal(path, Clock.start()) as journal:
        journal.event("note", text=text, more=[{"text": text}])
        watched = WatchLogWriter("Pod", AppendFile(tmp_path / "watch.jsonl"))
        watched.gap(1, 0, text)
    read: list[dict[str, Any]] = []
    assert [read_lines(one, read.append) for one in (path, tmp_path / "watch.jsonl")] == ["", ""]
    assert (read[0]["text"], read[0]["more"], read[1]["reason"]) == (kept, [{"text": kept}], kept)
