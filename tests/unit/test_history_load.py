"""Loading a run folder: strict about whole lines, forgiving about one that was cut."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from histories import NAMESPACE, at, deployment, pod, request

from chaos.errors import UsageError
from chaos.history import Gap, History, Note, Ref, load_history
from chaos.history.observations import ready_replicas

TRIAL = {
    "schema": 1,
    "scenario": "test_story",
    "claim": "A claim.",
    "seed": 7,
    "leashed": False,
    "clock": {"utc_ns": at(0), "mono_ns": 5},
    "system": {"namespace": NAMESPACE, "workload": {"kind": "Deployment", "name": "model"}, "service": "model"},
}


class Folder:
    """A run folder in the making."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "trial.json").write_text(json.dumps(TRIAL))

    def lines(self, name: str, *lines: dict[str, Any], cut: str = "") -> Folder:
        """Write a file of JSON lines; `cut` is the beginning of one more."""
        (self.path / name).write_text("".join(json.dumps(line) + "\n" for line in lines) + cut)
        return self

    def watch(self, *lines: tuple[float, str, str, dict[str, Any]]) -> Folder:
        """Write watch.jsonl from (seconds, kind, type, more fields)."""
        whole = ({"at_ns": at(at_s), "kind": kind, "type": type_, **more} for at_s, kind, type_, more in lines)
        return self.lines("watch.jsonl", *whole)

    def actions(self, *lines: tuple[float, str, dict[str, Any]], cut: str = "") -> Folder:
        """Write actions.jsonl from (seconds, event, more fields)."""
        whole = ({"at_ns": at(at_s), "event": event, **more} for at_s, event, more in lines)
        return self.lines("actions.jsonl", *whole, cut=cut)

    def load(self) -> History:
        """The history."""
        return load_history(self.path)


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
    for changes in ({"outcome": "meh"}, {"intended_ns": None}, {"id": "x"}, {"end_ns": 1.5}, {"token_gaps_ns": 3}):
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


def listed(*uids: str) -> list[tuple[float, str, str, dict[str, Any]]]:
    """A list of ready pods at 1 s."""
    return [
        *((1.0, "Pod", "LISTED", {"object": pod(uid, ready=True)}) for uid in uids),
        (1.0, "Pod", "SYNCED", {"rv": "1"}),
    ]


def test_a_kind_is_covered_from_its_list_to_its_end(folder: Folder) -> None:
    """Coverage begins when the first list is complete, and ends where the recorder said so."""
    history = folder.watch(*listed("a"), (50, "Pod", "END", {})).actions(END).load()
    assert history.covered_ns == {"Pod": (at(1), at(50))}


def test_a_kind_without_end_is_covered_to_its_own_last_line(folder: Folder) -> None:
    """In a finished run a kind without END was lost sight of, even if other kinds went on."""
    lines = [
        *listed("a"),
        (9, "Pod", "BOOKMARK", {"rv": "2"}),
        (50, "Node", "SYNCED", {"rv": "1"}),
        (60, "Node", "END", {}),
    ]
    history = folder.watch(*lines).actions(END).load()
    assert history.covered_ns["Pod"] == (at(1), at(9))


def test_a_running_trial_is_covered_up_to_its_last_sign_of_life(folder: Folder) -> None:
    """While the trial runs, quiet kinds are covered as long as the process that records them lives."""
    history = folder.watch(*listed("a")).actions((40, "phase-begin", {"phase": "baseline"})).load()
    assert history.covered_ns["Pod"] == (at(1), at(40))


def test_a_list_that_never_was_complete_covers_nothing(folder: Folder) -> None:
    """Without SYNCED nobody knows what else there was."""
    history = folder.watch((1, "Pod", "LISTED", {"object": pod("a")})).actions(END).load()
    assert history.covered_ns == {}


def test_what_the_list_after_a_gap_lacks_has_vanished(folder: Folder) -> None:
    """After 410 Gone the new list tells who is gone; when exactly, nobody knows."""
    history = folder.watch(
        *listed("a", "b"),
        (20, "Pod", "GAP", {"since_ns": at(15), "reason": "410 Gone"}),
        (21, "Pod", "LISTED", {"object": pod("b", ready=True)}),
        (21, "Pod", "LISTED", {"object": pod("c", ready=True)}),
        (22, "Pod", "SYNCED", {"rv": "9"}),
        (50, "Pod", "END", {}),
    ).load()
    assert history.gaps == (Gap("Pod", at(15), at(22), "410 Gone"),)
    (vanished,) = [event for event in history.watch if event.type == "VANISHED"]
    assert (vanished.at_ns, vanished.object["metadata"]["uid"]) == (at(22), "a")


def test_a_gap_that_no_list_follows_lasts_to_the_end(folder: Folder) -> None:
    """A watch that never came back saw nothing from then on."""
    gap = (20, "Pod", "GAP", {"since_ns": at(15), "reason": "refused"})
    history = folder.watch(*listed("a"), gap, (50, "Pod", "END", {})).actions(END).load()
    assert (history.gaps[0].since_ns, history.gaps[0].until_ns) == (at(15), at(50))


def test_a_gap_within_a_gap_prolongs_it(folder: Folder) -> None:
    """A list that broke off is no list: the gap goes on from where it began."""
    history = folder.watch(
        *listed("a"),
        (20, "Pod", "GAP", {"since_ns": at(15), "reason": "410 Gone"}),
        (21, "Pod", "LISTED", {"object": pod("b")}),
        (30, "Pod", "GAP", {"since_ns": at(21), "reason": "reset"}),
        (31, "Pod", "LISTED", {"object": pod("c")}),
        (32, "Pod", "SYNCED", {"rv": "9"}),
    ).load()
    assert history.gaps == (Gap("Pod", at(15), at(32), "410 Gone"),)
    assert {event.object["metadata"]["uid"] for event in history.watch if event.type == "VANISHED"} == {"a", "b"}


def test_a_resumed_watch_lost_nothing(folder: Folder) -> None:
    """A connection that broke and went on makes news late, and leaves no gap."""
    resumed = (20, "Pod", "RESUMED", {"since_ns": at(15), "reason": "reset"})
    history = folder.watch(*listed("a"), resumed).load()
    assert history.gaps == ()
    assert history.late == (Gap("Pod", at(15), at(20), "reset"),)


def test_kinds_are_merged_in_order_of_receipt(folder: Folder) -> None:
    """Lines of different kinds may stand a moment out of order; the history is in order."""
    lines = [(2.0, "Pod", "ADDED", {"object": pod("a")}), (1.9, "Deployment", "ADDED", {"object": deployment(1)})]
    history = folder.watch(*lines).load()
    assert [event.kind for event in history.watch] == ["Deployment", "Pod"]


def test_one_kind_out_of_order_is_an_error(folder: Folder) -> None:
    """Within a kind the order is the evidence; time that runs backwards means a damaged file."""
    with pytest.raises(UsageError, match="earlier than the Pod line before it"):
        folder.watch((2, "Pod", "BOOKMARK", {"rv": "1"}), (1, "Pod", "BOOKMARK", {"rv": "2"})).load()


def test_unchanged_parts_are_shared_and_say_the_same(folder: Folder) -> None:
    """What an event did not change is kept once; what it changed is its own."""
    changed = pod("a", ready=True)
    changed["spec"] = {**changed["spec"], "nodeName": "n9"}
    lines = [
        (2.0, "Pod", "MODIFIED", {"object": pod("a")}),
        (3.0, "Pod", "MODIFIED", {"object": changed}),
        (4.0, "Pod", "DELETED", {"object": changed}),
    ]
    history = folder.watch(*listed("a"), *lines).load()
    first, second, third, fourth = (event.object for event in history.watch)
    assert first["spec"] is second["spec"]
    assert third["spec"]["nodeName"] == "n9"
    assert fourth == json.loads(json.dumps(changed))


def test_loading_leaves_the_collector_as_it_was(folder: Folder) -> None:
    """Parsing rests the garbage collector, also when it fails, and puts it back."""
    assert gc.isenabled()
    folder.watch(*listed("a")).load()
    assert gc.isenabled()
    (folder.path / "watch.jsonl").write_text("[]\n")
    with pytest.raises(UsageError):
        folder.load()
    assert gc.isenabled()


def test_a_vanished_pod_is_no_longer_ready(folder: Folder) -> None:
    """After the gap the count is that of the new list."""
    history = folder.watch(
        (0, "Deployment", "LISTED", {"object": deployment(2)}),
        (0, "Deployment", "SYNCED", {"rv": "1"}),
        *listed("a", "b"),
        (20, "Pod", "GAP", {"since_ns": at(15), "reason": "410 Gone"}),
        (21, "Pod", "LISTED", {"object": pod("c", ready=True)}),
        (22, "Pod", "SYNCED", {"rv": "9"}),
        (50, "Pod", "END", {}),
    ).load()
    assert ready_replicas(history).points == ((at(1), 2), (at(22), 1))
