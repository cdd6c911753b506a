"""The canary of a trial: whether it may ask, whom it asks, and whom it holds."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from canary_server import CHAT, asking

from chaos.clock import Clock
from chaos.errors import HarnessBroken
from chaos.faults import Fault
from chaos.history.reading.canary_log import read_canary
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.trial.canary import canary_of, victims_held
from chaos.trial.context import TrialContext
from chaos.wait import until
from loadgen.profiles import HttpProfile


class Ground:
    """What a canary needs of a trial: the newest objects, the connection, and the run folder."""

    def __init__(self, run: Path, transport: Any, *, may: bool) -> None:
        pod = {"metadata": {"uid": "uid-1", "name": "chat-1", "namespace": "llm"}, "spec": {"nodeName": "n1"}}
        ready = {"conditions": {"ready": True}, "targetRef": {"kind": "Pod", "uid": "uid-1", "name": "chat-1"}}
        labels = {"kubernetes.io/service-name": "chat"}
        slices = {"metadata": {"namespace": "llm", "labels": labels}, "endpoints": [ready], "ports": [{"port": 8000}]}
        kinds = {"Pod": (pod,), "EndpointSlice": (slices,), "Service": ()}
        self.run, self.clock, self.notes = run, Clock.start(), list[str]()
        self.journal = SimpleNamespace(event=lambda _, text: self.notes.append(text))
        self.recorder = SimpleNamespace(objects=kinds.__getitem__)
        self.system = SimpleNamespace(namespace="llm", service="chat", port=80)
        self.asked_for: list[tuple[str, ...]] = []

        def allowed(*words: str, subresource: str) -> bool:
            self.asked_for.append((*words, subresource))
            return may

        self.cluster = SimpleNamespace(transport=transport, may=allowed)

    def pods(self) -> list[PodView]:
        """The system's pods."""
        return [PodView(one) for one in self.recorder.objects("Pod")]


def test_without_the_right_nothing_is_asked_and_the_record_says_so(tmp_path: Path) -> None:
    """The trial goes on."""
    ground = Ground(tmp_path, None, may=False)
    with canary_of(cast("TrialContext", ground), CHAT) as canary:
        assert canary is None
    assert ground.asked_for == [("create", "Pod", "llm", "proxy")]
    read, _ = read_canary(tmp_path / "canary.jsonl")
    assert read is not None
    assert "may not create Pod/proxy in namespace llm" in read.refused
    assert "may not create Pod/proxy in namespace llm" in ground.notes[0]


def test_a_request_that_cannot_be_sent_is_said_in_the_record(tmp_path: Path) -> None:
    """Which is no mistake of who wrote the scenario."""
    ground = Ground(tmp_path, None, may=True)
    with canary_of(cast("TrialContext", ground), HttpProfile(method="POST", body="no JSON")) as canary:
        assert canary is None
    read, _ = read_canary(tmp_path / "canary.jsonl")
    assert read is not None
    assert "no JSON" in read.refused


def test_a_canary_that_aims_no_more_says_so(tmp_path: Path) -> None:
    """Its thread would end unseen, and replicas that come later be asked nothing."""
    ground = Ground(tmp_path, None, may=True)
    ground.recorder = SimpleNamespace(objects=lambda _: 1 / 0)
    with canary_of(cast("TrialContext", ground), CHAT) as canary:
        assert canary is not None
        until(lambda: canary.failure, deadline_s=10, awaited="the failure")
        with pytest.raises(HarnessBroken, match="the canary asks nobody else: ZeroDivisionError"):
            canary.finish()


@pytest.mark.parametrize(
    ("name", "victim", "held"),
    [
        ("pod-kill", Ref("Pod", "llm", "chat-1", "uid-1"), True),
        ("node-drain", Ref("Node", "", "n1", "node-1"), True),
        ("node-drain", Ref("Node", "", "n2", "node-2"), False),
        ("process-hang", Ref("Pod", "llm", "chat-1", "uid-1"), False),
        ("pod-kill", Ref("Pod", "llm", "chat-1", "another"), False),
    ],
)
def test_only_who_is_to_end_is_held(tmp_path: Path, name: str, victim: Ref, *, held: bool) -> None:
    """By the fault's victims, or the nodes that they are on."""
    with asking(tmp_path, lambda one: (time.sleep(0.05), one.answer())[1]) as found:
        folder = tmp_path / "run"
        folder.mkdir()
        ground = Ground(folder, found.canary._transport, may=True)
        with canary_of(cast("TrialContext", ground), CHAT) as canary:
            fault = cast("Fault", SimpleNamespace(name=name, victims=(victim,)))
            with victims_held(canary, cast("TrialContext", ground), fault):
                wanted, until_s = '"held"' if held else '"asked"', time.monotonic() + 5
                while wanted not in (folder / "canary.jsonl").read_text() and time.monotonic() < until_s:
                    time.sleep(0.01)
            after = (folder / "canary.jsonl").read_text().count('"held"')
            until_s = time.monotonic() + 5
            while '"asked"' not in (folder / "canary.jsonl").read_text() and time.monotonic() < until_s:
                time.sleep(0.01)
        read, _ = read_canary(folder / "canary.jsonl")
    assert read is not None
    assert read.way
    assert "at most 2%" in ground.notes[0]
    assert read.requests
    assert bool(read.held) is held
    assert len(read.held) <= after + 1
