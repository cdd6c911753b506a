"""Reading watch.jsonl: coverage, gaps, late news, and what vanished."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from histories import at, deployment, pod
from run_folders import Folder

from chaos.errors import UsageError
from chaos.history import Gap
from chaos.history.facts.replica_counts import ready_replicas


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A run folder with nothing but its trial.json."""
    return Folder(tmp_path)


END = (90, "trial-end", {"wall_step_ns": 0})


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
