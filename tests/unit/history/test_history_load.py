"""Loading a run folder: strict about whole lines, forgiving about one that was cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from histories import NAMESPACE, at, request
from run_folders import Folder

from chaos.checks.judge import SCHEMA, read_verdict
from chaos.errors import UsageError
from chaos.history import Note, load_history
from chaos.objects.base import Ref


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A run folder with nothing but its trial.json."""
    return Folder(tmp_path)


VICTIM = {"kind": "Pod", "namespace": NAMESPACE, "name": "model-a", "uid": "a"}
END = (90, "trial-end", {"wall_step_ns": 0})


def test_a_folder_without_trial_json_is_no_run(tmp_path: Path) -> None:
    """Pointing at another folder is a mistake that says what is missing."""
    with pytest.raises(UsageError, match=r"no trial\.json"):
        load_history(tmp_path)


def test_a_run_of_another_version_is_refused(folder: Folder, tmp_path: Path) -> None:
    """A dry run of an older version would read as a real one."""
    path = tmp_path / "trial.json"
    path.write_text(path.read_text().replace('"schema": 2', '"schema": 1'))
    with pytest.raises(UsageError, match="another version of gameday"):
        folder.load()


ANOTHERS = {
    "a list": "[]",
    "a word": '"x"',
    "null": "null",
    "a number": "3",
    "words": "trial",
    "deep": "[" * 200_000,
    "a list for the system": '{"schema": 2, "system": []}',
    "a word for the system": '{"schema": 2, "system": "x"}',
    "a list for the clock": '{"schema": 2, "system": {}, "clock": [1]}',
    "a word for the time": '{"schema": 2, "system": {}, "clock": {"utc_ns": "x"}}',
    "a time of no clock": '{"schema": 2, "system": {}, "clock": {"utc_ns": 1%s}}' % ("0" * 40),
}
"""What somebody else's archive may have for trial.json, or for verdict.json."""


@pytest.mark.parametrize("text", ANOTHERS.values(), ids=ANOTHERS)
def test_facts_and_a_verdict_that_are_none_are_told_in_words(text: str, folder: Folder, tmp_path: Path) -> None:
    """Whoever draws a run that came out of a stranger's archive is told which file is damaged."""
    (tmp_path / "verdict.json").write_text(text.replace('"schema": 2, ', f'"schema": {SCHEMA}, '))
    with pytest.raises(UsageError, match=r"verdict\.json"):
        read_verdict(tmp_path)
    (tmp_path / "trial.json").write_text(text)
    with pytest.raises(UsageError, match=r"trial\.json"):
        folder.load()


def test_missing_files_are_empty_parts(folder: Folder) -> None:
    """A run that died at once leaves a history that knows it: nothing recorded, not finished."""
    history = folder.load()
    assert not history.finished
    assert history.watch == ()
    assert history.requests.is_empty()
    assert history.covered_ns == {}
    assert (history.began_ns, history.ended_ns) == (at(0), at(0))
    assert len(history.notes) == 4


def test_the_facts_have_their_names(folder: Folder) -> None:
    """What checks use of trial.json has fields of its own; the rest stays raw."""
    facts = folder.load().facts
    assert (facts.scenario, facts.seed, facts.namespace, facts.workload_name) == ("test_story", 7, NAMESPACE, "model")
    assert facts.raw["clock"]["mono_ns"] == 5


def test_pairs_of_lines_become_one_thing(folder: Folder) -> None:
    """Actions, faults, phases and streams are put together from their beginnings and ends."""
    history = folder.actions(
        (1, "traffic-begin", {"stream": "steady-1", "shape": "steady", "rate_rps": 5, "begin_ns": at(2)}),
        (2, "phase-begin", {"phase": "baseline"}),
        (3, "phase-end", {"phase": "baseline"}),
        (4, "fault-begin", {"fault": "pod-kill-1", "name": "pod-kill", "words": "delete", "victims": [VICTIM]}),
        (5, "action-begin", {"id": "1", "action": "delete-pod", "target": VICTIM, "fault": "pod-kill-1"}),
        (6, "action-end", {"id": "1", "outcome": "ok", "detail": {"code": 200}}),
        (7, "fault-landed", {"fault": "pod-kill-1", "proof": "gone"}),
        (8, "fault-healed", {"fault": "pod-kill-1", "outcome": "ok"}),
        (9, "traffic-end", {"stream": "steady-1", "end_ns": at(9)}),
        END,
    ).load()
    (action,), (fault,), (phase,), (stream,) = history.actions, history.faults, history.phases, history.streams
    assert (action.begin_ns, action.end_ns, action.outcome, action.detail) == (at(5), at(6), "ok", {"code": 200})
    assert (fault.landed_ns, fault.healed_ns, fault.proof) == (at(7), at(8), "gone")
    assert fault.victims == (Ref("Pod", NAMESPACE, "model-a", "a"),)
    assert (phase.name, phase.end_ns) == ("baseline", at(3))
    assert (stream.begin_ns, stream.end_ns) == (at(2), at(9))
    assert history.finished
    assert history.ended_ns == at(90)


def test_what_never_ended_has_no_end(folder: Folder) -> None:
    """Of a run that was killed in the middle, nobody knows what became of the action under way."""
    history = folder.actions(
        (2, "phase-begin", {"phase": "fault"}),
        (5, "action-begin", {"id": "1", "action": "delete-pod", "target": VICTIM, "fault": None}),
    ).load()
    assert (history.actions[0].end_ns, history.actions[0].outcome) == (None, "info")
    assert history.phases[0].end_ns is None
    assert not history.finished


def test_a_stopped_trial_keeps_its_first_reason(folder: Folder) -> None:
    """Why the trial was stopped is the first reason given."""
    stops = [(2, "trial-stopped", {"reason": "unsteady baseline"}), (3, "trial-stopped", {"reason": "never judged"})]
    assert folder.actions(*stops, END).load().stopped == "unsteady baseline"


def test_a_step_of_the_wall_clock_is_noted(folder: Folder) -> None:
    """A wall clock that moved during the trial is worth a remark."""
    history = folder.actions((2, "trial-end", {"wall_step_ns": -3_000_000_000})).load()
    assert history.notes[0] == Note(at(2), "the wall clock stepped by -3.0 s during the trial")


@pytest.mark.parametrize("name", ["watch.jsonl", "actions.jsonl", "requests.jsonl", "generator.jsonl"])
def test_a_cut_last_line_is_left_out_and_noted(folder: Folder, name: str) -> None:
    """A file that ends in the middle of a line is what a killed run leaves; its whole lines count."""
    history = folder.lines(name, cut='{"at_ns": 17').load()
    assert any(note.text.startswith(f"{name}: the last line was cut short") for note in history.notes)


@pytest.mark.parametrize("name", ["watch.jsonl", "actions.jsonl", "requests.jsonl", "generator.jsonl"])
@pytest.mark.parametrize("line", ['{"at_ns": 17', "[]", "", '{"unknown": 1}'])
def test_a_whole_line_that_is_wrong_is_an_error(folder: Folder, name: str, line: str) -> None:
    """A damaged line in the middle is never passed over: the error names file and line."""
    (folder.path / name).write_text(line + "\n")
    with pytest.raises(UsageError, match=rf"{name}, line 1: "):
        folder.load()


@pytest.mark.parametrize(
    ("event", "more", "complaint"),
    [
        ("fault-landed", {"fault": "pod-kill-1"}, "had not begun"),
        ("action-end", {"id": "1", "outcome": "ok"}, "had not begun"),
        ("phase-end", {"phase": "fault"}, "had not begun"),
        ("traffic-end", {"stream": "s", "end_ns": 1}, "had not begun"),
        ("fault-begin", {"name": "pod-kill"}, "field 'fault' is missing"),
        ("party", {}, "is not known"),
    ],
)
def test_an_end_without_beginning_is_an_error(folder: Folder, event: str, more: dict[str, Any], complaint: str) -> None:
    """A journal that contradicts itself is damaged."""
    with pytest.raises(UsageError, match=complaint):
        folder.actions((1, event, more)).load()


def test_a_wrong_request_is_named_by_its_line(folder: Folder) -> None:
    """Among many good records the one bad line is found."""
    rows = [request(number, "s", at(number)) for number in range(50)]
    wrong = ({"outcome": "meh"}, {"intended_ns": None}, {"id": "x"}, {"end_ns": 1.5}, {"token_gaps_ns": 3})
    for changes in (*wrong, {"last_outcome": "meh"}, {"echo": "loud"}, {"turn": "second"}):
        spoilt = [*rows[:36], rows[36] | changes, *rows[37:]]
        with pytest.raises(UsageError, match=r"requests\.jsonl, line 37: "):
            folder.lines("requests.jsonl", *spoilt).load()


def test_requests_keep_every_digit(folder: Folder) -> None:
    """Nanoseconds since 1970 are read as whole numbers, exactly."""
    row = request(0, "s", at(3) + 1)
    assert folder.lines("requests.jsonl", row).load().requests["intended_ns"][0] == at(3) + 1


def test_generator_samples_know_the_last(folder: Folder) -> None:
    """Only the last line of a generator that ended in order is final."""
    sample = {"at_ns": at(1), "due": 5, "sent": 5, "done": 4, "in_flight": 1, "lag_p99_ns": None, "cpu_share": 0.2}
    history = folder.lines("generator.jsonl", sample, sample | {"final": True}).load()
    assert [one.final for one in history.generator] == [False, True]
