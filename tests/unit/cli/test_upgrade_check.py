"""What an upgrade breaks, on hand-written clusters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cluster_objects import NAMESPACE, Obj, budget, deployment, node
from plan_clusters import plan_of, spread_out, three_nodes

from chaos.cli.upgrade.command import _versions
from chaos.cli.upgrade.findings import Effect, UpgradeFinding, upgrade_findings
from chaos.errors import UsageError


def of_version(version: str, count: int = 3) -> list[Obj]:
    """Nodes whose kubelets are of that version."""
    made = [node(f"n{index}") for index in range(1, count + 1)]
    for one in made:
        one["status"].setdefault("nodeInfo", {})["kubeletVersion"] = version
    return made


def written(kind: str, *, by: dict[str, str], applied: str = "", now: str = "autoscaling/v2", **spec: Any) -> Obj:
    """An object as the API serves it now, written by these managers with these API versions."""
    metadata: Obj = {
        "name": "chat",
        "namespace": NAMESPACE,
        "managedFields": [{"manager": manager, "apiVersion": version} for manager, version in by.items()],
    }
    if applied:
        metadata["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": applied}
    return {"apiVersion": now, "kind": kind, "metadata": metadata, "spec": spec}


def found(before: int = 36, after: int = 37, version: str = "v1.36.3", **given: Any) -> tuple[UpgradeFinding, ...]:
    """The findings for a healthy cluster, but for what is given."""
    objects = given.pop("objects", [])
    return upgrade_findings(before, after, nodes=of_version(version), objects=objects, plan=plan_of(**given))


def test_a_healthy_service_has_nothing_to_fear() -> None:
    """Its nodes can be drained, and nothing that it uses is removed or changed."""
    assert found() == ()


def test_a_budget_that_lets_none_go_breaks_it() -> None:
    """Each node with a replica is named, and why its drain never ends."""
    broken = found(budgets=[budget("web", minAvailable=3)])
    assert {one.effect for one in broken} == {Effect.BREAKS}
    assert {one.subject for one in broken} == {"node n1", "node n2", "node n3"}
    assert all("drain" in one.words for one in broken)


def test_a_replica_without_another_place_breaks_it() -> None:
    """A node whose pods fit nowhere else leaves them without a successor."""
    (broken,) = (
        one
        for one in found(nodes=[three_nodes()[0]], pods=spread_out(1, nodes=("n1",)), controllers=deployment("web", 1))
        if "successor" in one.words
    )
    assert broken.effect is Effect.BREAKS


@pytest.mark.parametrize(("version", "breaks"), [("v1.36.3", False), ("v1.34.0-gke.5", False), ("v1.33.9", True)])
def test_kubelets_four_versions_older_are_not_supported(version: str, breaks: bool) -> None:  # noqa: FBT001
    """Three minor versions older is the most that an API server supports."""
    assert any("kubelet" in one.words for one in found(version=version)) is breaks


def test_a_kubelet_that_says_no_version_cannot_be_told() -> None:
    """What is not known is not taken for well."""
    assert {one.effect for one in found(version="")} == {Effect.CANNOT_TELL}


def test_what_is_still_written_by_a_version_that_goes_breaks() -> None:
    """The API serves the object in the new version, but its writer asks for the old one."""
    one = written("VolumeAttributesClass", by={"helm": "storage.k8s.io/v1beta1"}, now="storage.k8s.io/v1")
    (broken,) = found(objects=[one])
    assert broken.effect is Effect.BREAKS
    assert "helm writes it as storage.k8s.io/v1beta1" in broken.words
    assert broken.mend == "write storage.k8s.io/v1"


def test_what_goes_later_does_not_break_yet() -> None:
    """A version that is served after the upgrade is no matter."""
    one = written("VolumeAttributesClass", by={"helm": "storage.k8s.io/v1beta1"}, now="storage.k8s.io/v1")
    assert found(35, 36, version="v1.35.4", objects=[one]) == ()


def test_kubectl_apply_tells_its_version_too() -> None:
    """What kubectl noted counts where managedFields are not kept."""
    applied = json.dumps({"apiVersion": "storage.k8s.io/v1beta1", "kind": "VolumeAttributesClass"})
    one = written("VolumeAttributesClass", by={}, applied=applied, now="storage.k8s.io/v1")
    assert "kubectl apply writes it" in found(objects=[one])[0].words


@pytest.mark.parametrize("applied", ["{", "[]", "null", '"text"', '{"apiVersion": 3}'])
def test_an_annotation_that_makes_no_sense_is_passed_over(applied: str) -> None:
    """Anybody can write an annotation."""
    one = written("VolumeAttributesClass", by={}, applied=applied, now="storage.k8s.io/v1")
    assert found(objects=[one]) == ()


def test_a_feature_that_is_turned_on_is_told_to_whom_it_concerns() -> None:
    """MaxUnavailable of a StatefulSet begins to count; without it, or on a Deployment, nothing changes."""
    update = {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}
    (changed,) = found(objects=[written("StatefulSet", by={}, now="apps/v1", **update)])
    assert changed.effect is Effect.CHANGES
    assert "KEP-961" in changed.words
    assert found(objects=[written("StatefulSet", by={}, now="apps/v1")]) == ()
    assert found(objects=[written("Deployment", by={}, now="apps/v1", strategy=update["updateStrategy"])]) == ()


def test_two_steps_at_once_are_not_supported() -> None:
    """An API server is upgraded one minor version at a time."""
    (broken,) = (one for one in found(35, 37, version="v1.35.4") if one.subject == "control plane")
    assert broken.effect is Effect.BREAKS
    assert "1.36 first" in broken.mend


def test_a_version_that_is_not_known_cannot_be_told() -> None:
    """Nobody here knows what comes after the newest."""
    (unknown,) = found(37, 38, version="v1.37.2")
    assert unknown.effect is Effect.CANNOT_TELL


@pytest.mark.parametrize(("now", "to", "wanted"), [("v1.36.3", "", (36, 37)), ("v1.36.3", "1.38", (36, 38))])
def test_the_next_version_is_meant_unless_one_is_named(now: str, to: str, wanted: tuple[int, int]) -> None:
    """From the cluster's own version."""
    assert _versions(now, to) == wanted


@pytest.mark.parametrize(("now", "to"), [("v1.36.3", "1.36"), ("v1.36.3", "1.35"), ("v1.36.3", "new"), ("v2.0", "")])
def test_no_upgrade_is_refused(now: str, to: str) -> None:
    """An older version, none, or a cluster whose version cannot be read."""
    with pytest.raises(UsageError):
        _versions(now, to)
