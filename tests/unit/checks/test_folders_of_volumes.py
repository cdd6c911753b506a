"""DataSurvived where a volume is mounted by parts: a folder for each pod, or one file alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from data_stories import CLAIMED, PATH, killed_claimant, read
from histories import Story, pod

from chaos.checks import DataSurvived
from chaos.checks.verdict import Answer


def variable(field: str) -> dict[str, Any]:
    """A variable of the container that stands for a field of its pod."""
    return {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": field}}}


def mounted(
    mount: Mapping[str, Any], *env: Mapping[str, Any], volume: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The usual pods, that mount their claim (or another volume) so."""
    container = {**CLAIMED["containers"][0], "env": list(env), "volumeMounts": [{"name": "weights", **mount}]}
    volumes = CLAIMED["volumes"] if volume is None else [{"name": "weights", **volume}]
    return {**CLAIMED, "containers": [container], "volumes": volumes}


FOLDER = {"mountPath": "/weights", "subPathExpr": "of-$(WHO)"}
SAME = {"name": "WHO", "value": "redacted:0123456789ab"}


def member_again(spec: Mapping[str, Any], *, after: str) -> Story:
    """Two members of one claim hold other data each; `a` is killed, and is there again under its own name."""
    story = read(read(Story().replicas("a", "b", spec=spec).fault("a").traffic(), "a", 20), "b", 21, digest="bbbb")
    again = pod("d", ready=True, spec=spec)
    again["metadata"]["name"] = "model-a"
    story.saw(30.2, "DELETED", pod("a", ready=True, spec=spec)).saw(34, "ADDED", again)
    return read(story, "d", 50, digest=after)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(member_again(mounted(FOLDER, variable("metadata.name")), after="aaaa"), Answer.PASS, id="its own"),
        pytest.param(
            member_again(mounted(FOLDER, variable("metadata.name")), after="bbbb"), Answer.FAIL, id="another's"
        ),
        pytest.param(member_again(mounted(FOLDER, SAME), after="aaaa"), Answer.FAIL, id="one folder that differs"),
        pytest.param(
            member_again(mounted(FOLDER, variable("metadata.uid")), after="aaaa"), Answer.UNKNOWN, id="by UID"
        ),
    ],
)
def test_a_folder_for_each_member_is_compared_with_itself(story: Story, answer: Answer) -> None:
    """Members of a StatefulSet may share a claim and have a folder each in it, by `subPathExpr`."""
    finding = DataSurvived()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("env", "answer"),
    [
        pytest.param(variable("metadata.name"), Answer.UNKNOWN, id="a folder of its own"),
        pytest.param(variable("metadata.namespace"), Answer.PASS, id="one for all in the namespace"),
        pytest.param(SAME, Answer.PASS, id="one for all"),
    ],
)
def test_what_a_new_pod_fetched_into_its_own_folder_did_not_survive(env: Mapping[str, Any], answer: Answer) -> None:
    """A Deployment's new pod has another name, hence another folder: that it holds the same proves nothing."""
    story = killed_claimant(mounted(FOLDER, env))
    finding = DataSurvived()(read(read(story, "a", 20), "d", 50).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("mount", "volume", "answer"),
    [
        pytest.param({"mountPath": PATH, "subPath": "model.gguf"}, None, Answer.PASS, id="of a claim"),
        pytest.param({"mountPath": PATH, "subPath": "m"}, {"emptyDir": {}}, Answer.FAIL, id="of an emptyDir"),
        pytest.param({"mountPath": f"{PATH}.json", "subPath": "m"}, None, Answer.FAIL, id="another file"),
    ],
)
def test_a_file_may_be_a_mount_itself(
    mount: Mapping[str, Any], volume: Mapping[str, Any] | None, answer: Answer
) -> None:
    """A single file of a volume, mounted by its `subPath`, lies on that volume."""
    story = killed_claimant(mounted(mount, volume=volume))
    finding = DataSurvived()(read(read(story, "a", 20), "d", 50).history())
    assert finding.answer is answer, finding.line()
