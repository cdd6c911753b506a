"""Filling a claim: what became of the Job, in words, and what is left of it."""

from typing import Any

import pytest

from chaos.cluster import Done, mutations
from chaos.system import SystemSpec, Volume, fill_claims

FILL = {"command": ["cp", "a", "b"], "files": ["model.gguf"], "deadline_s": 1}
WEIGHTS = Volume(name="weights", mount_path="/weights", storage="1Gi", fill=FILL)  # type: ignore[arg-type]  # as people write it
SPEC = SystemSpec(name="model", image="registry.example/model:1", volumes=(WEIGHTS,))


class Jobs:
    """Stands for a cluster whose Job has this condition, and a pod in this state; keeps what is done."""

    def __init__(self, condition: dict[str, str] | None, pod: dict[str, Any]) -> None:
        self.condition, self.pod = condition, pod
        self.done: list[tuple[str, str]] = []

    def get(self, _kind: str, _namespace: str, _name: str) -> dict[str, Any]:
        """The Job."""
        return {"status": {"conditions": [self.condition] if self.condition else []}}

    def list(self, _kind: str, _namespace: str, *, selector: str) -> list[dict[str, Any]]:
        """Its pod."""
        assert selector == "job-name=model-weights-fill"
        return [self.pod]

    def do(self, mutation: mutations.Mutation) -> Done:
        """Everything is granted."""
        self.done.append((mutation.action, mutation.target.kind))
        return Done("ok", 200, {})


PENDING = {
    "metadata": {"name": "fill-1"},
    "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no volume"}]},
}
FAILED = {
    "metadata": {"name": "fill-1"},
    "spec": {"nodeName": "n1"},
    "status": {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 2}}}]},
}


def filled(jobs: Jobs, spec: SystemSpec = SPEC) -> str:
    """Fill the claims of a spec on these."""
    return fill_claims(jobs, jobs, spec, "ns", run="r")  # type: ignore[arg-type]  # stands in


def test_a_job_that_is_complete_is_removed() -> None:
    """Claim and Job are applied, and the Job goes when it is done."""
    jobs = Jobs({"type": "Complete", "status": "True"}, PENDING)
    assert filled(jobs) == ""
    assert jobs.done == [("apply", "PersistentVolumeClaim"), ("apply", "Job"), ("delete", "Job")]


@pytest.mark.parametrize(
    ("condition", "pod", "words"),
    [
        (
            {"type": "Failed", "status": "True", "message": "too often"},
            FAILED,
            "too often; fill-1: Failed, exit code 2",
        ),
        (None, PENDING, "not within 1 s; last seen: fill-1: no volume"),
    ],
)
def test_a_job_that_does_not_end_well_says_why_and_stays(
    condition: dict[str, str] | None, pod: dict[str, Any], words: str
) -> None:
    """It failed, or was not done in time: with what became of its pod, left for a look."""
    jobs = Jobs(condition, pod)
    assert words in filled(jobs)
    assert ("delete", "Job") not in jobs.done


def test_without_a_claim_to_fill_nothing_is_asked() -> None:
    """A folder of the pod's own, a claim that nobody fills, and one for each replica need no Job."""
    own = Volume(**{**WEIGHTS.model_dump(), "per_replica": True})
    for volume in (Volume(name="tmp", mount_path="/tmp"), Volume(name="w", mount_path="/w", storage="1Gi"), own):  # noqa: S108  # in a container
        jobs = Jobs(None, PENDING)
        assert filled(jobs, SPEC.having(volumes=(volume,))) == ""
        assert jobs.done == []
