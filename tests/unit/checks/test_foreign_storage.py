"""DataSurvived on volumes that are no claims: what outlives a pod, and what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from data_stories import CLAIMED, SCRATCH, killed_claimant, read

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


@pytest.mark.xfail(strict=True, reason="B12: every volume that is no claim is said to go with its pod.")
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
