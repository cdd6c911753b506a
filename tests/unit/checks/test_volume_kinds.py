"""DataSurvived on volumes that are no claims: what outlives a pod, and what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from data_stories import CLAIMED, SCRATCH, killed_claimant, read
from histories import Story, pod

from chaos.checks import DataSurvived
from chaos.checks.verdict import Answer, Finding

LASTING: Mapping[str, Mapping[str, Any]] = {
    "nfs": {"nfs": {"server": "fs", "path": "/w"}},
    "hostPath": {"hostPath": {"path": "/models"}},
    "image": {"image": {"reference": "registry/weights:1"}},
    "inline CSI": {"csi": {"driver": "s3.example"}},
    "configMap": {"configMap": {"name": "weights"}},
}
"""Volumes whose contents are kept outside the pod."""


def read_again(spec: Mapping[str, Any]) -> Finding:
    """The finding where two replicas were read, one was killed, and its successor reads the same."""
    story = read(read(killed_claimant(spec), "a", 20), "b", 21)
    return DataSurvived()(read(story, "d", 50).history())


@pytest.mark.parametrize("volume", LASTING.values(), ids=LASTING.keys())
def test_what_the_successor_read_again_is_not_lost(volume: Mapping[str, Any]) -> None:
    """Weights on a volume that is kept outside the pod were read again by its successor, and are the same."""
    finding = read_again({**CLAIMED, "volumes": [{"name": "weights", **volume}]})
    assert finding.answer in {Answer.PASS, Answer.UNKNOWN}, finding.line()
    assert "goes with it" not in finding.reason


def test_an_empty_dir_goes_with_its_pod() -> None:
    """An emptyDir is the pod's own, and ends with it, even if its successor fetched the same weights again."""
    finding = read_again(SCRATCH)
    assert finding.answer is Answer.FAIL, finding.line()


def test_a_claim_outlives_its_pod() -> None:
    """A claim is read again by the successor, and is the same."""
    finding = read_again(CLAIMED)
    assert finding.answer is Answer.PASS, finding.line()


FOLDER = {**CLAIMED, "volumes": [{"name": "weights", "hostPath": {"path": "/models"}}]}


@pytest.mark.parametrize("digest", ["aaaa", "bbbb"])
def test_a_folder_of_another_node_is_no_proof(digest: str) -> None:
    """A hostPath is another folder on each node: what is read on another node says nothing of what was read before."""
    story = read(killed_claimant(FOLDER), "a", 20).saw(30.3, "ADDED", pod("e", node="n2", spec=FOLDER))
    story.saw(36, "MODIFIED", pod("e", ready=True, node="n2", spec=FOLDER))
    finding = DataSurvived()(read(story, "e", 50, digest=digest).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_another_export_that_holds_other_weights_fails() -> None:
    """Weights on NFS that differ after the fault did not survive."""
    spec = {**CLAIMED, "volumes": [{"name": "weights", **LASTING["nfs"]}]}
    story = read(read(killed_claimant(spec), "a", 20), "b", 21)
    assert DataSurvived()(read(story, "d", 50, digest="bbbb").history()).answer is Answer.FAIL


# --- answers that are not always the same -------------------------------------------------------------------------


def answered(before: str, after: str | None, *, times: int = 6) -> Finding:
    """The finding where replicas answered so before the kill, each so many times, and the successor so afterwards."""
    story = killed_claimant()
    for number, answer in enumerate(before.split()):
        story = read(story, "abc"[number % 3], 15 + number, answer=answer, times=times)
    return DataSurvived()(read(story, "d", 50, answer=after, times=times).history())


def test_an_answer_that_was_never_seen_twice_convicts_nobody() -> None:
    """Runs of earlier versions asked once: nobody knows whether a server gives an answer each time."""
    for before in ("Hello", "Hello Hallo", "Hello Hello Hallo"):
        finding = answered(before, "Bye", times=1)
        assert finding.answer is Answer.UNKNOWN, finding.line()
        assert "before the first fault" in finding.reason


def test_an_answer_that_was_stable_convicts() -> None:
    """Where every replica answered the same before, another answer afterwards is a loss."""
    assert answered("Hello Hello", "Bye").answer is Answer.FAIL
    assert answered("Hello Hello", "Hello").answer is Answer.PASS


def test_an_answer_that_was_not_asked_for_again_is_unknown() -> None:
    """The files alone do not show that what answered before answers still."""
    assert answered("Hello Hello", None).answer is Answer.UNKNOWN


# --- containers beside the one that is read ------------------------------------------------------------------------


SERVER, SHIPPER = str(CLAIMED["containers"][0]["name"]), {"name": "shipper", "imagePullPolicy": "Never"}
WRITER = {"name": "writer", "volumeMounts": [{"name": "weights", "mountPath": "/out"}]}


def fallen(beside: Mapping[str, Any], struck: str) -> Story:
    """Of two replicas with a container beside the server, `a` has one of the two crash at 40 s; all is read as before.

    Nothing else was made since.
    """
    spec = {**CLAIMED, "containers": [*CLAIMED["containers"], beside]}
    story = Story().replicas("a", "b", spec=spec).fault("a", name="process-crash").traffic()
    story.saw(40, "MODIFIED", pod("a", ready=True, restarts=int(struck == SERVER), spec=spec))
    for event in story.events:
        if event.kind == "Pod":
            count = int(struck != SERVER and event.type == "MODIFIED")
            runs = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
            one = {"name": beside["name"], "ready": True, "restartCount": count, "state": runs}
            event.object["status"]["containerStatuses"].append(one)
    for uid, at_s in (("a", 20), ("b", 21), ("a", 50), ("b", 51)):
        read(story, uid, at_s, container=SERVER)
    return story


@pytest.mark.parametrize(
    ("beside", "struck", "answer"),
    [
        pytest.param(SHIPPER, SERVER, Answer.PASS, id="the server itself"),
        pytest.param(SHIPPER, "shipper", Answer.UNKNOWN, id="a log shipper"),
        pytest.param(WRITER, "writer", Answer.PASS, id="one that mounts the same volume"),
    ],
)
def test_a_restart_beside_what_is_read_proves_nothing(beside: Mapping[str, Any], struck: str, answer: Answer) -> None:
    """A container that has nothing to do with the weights is started anew: that says nothing of them."""
    finding = DataSurvived()(fallen(beside, struck).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("sidecar", "answer"), [("cache", Answer.PASS), ("other", Answer.FAIL)])
def test_what_a_sidecar_mounts_lies_on_a_claim_too(sidecar: str, answer: Answer) -> None:
    """Files are read in a native sidecar that shares the claim with the server; another mounts nothing over them."""
    mounts = {"volumeMounts": [{"name": "weights", "mountPath": "/weights"}]}
    sidecars = [{"name": "cache", "restartPolicy": "Always", **mounts}, {"name": "other", "restartPolicy": "Always"}]
    story = read(killed_claimant({**CLAIMED, "initContainers": sidecars}), "a", 20, container=sidecar)
    finding = DataSurvived()(read(story, "d", 50, container=sidecar).history())
    assert finding.answer is answer, finding.line()
