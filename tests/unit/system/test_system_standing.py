"""What people wrote of a system's objects, compared from one look to the next."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.errors import ClusterRefused
from chaos.objects.base import Ref
from chaos.system.adopt.drift import compared, differences, standing

REFS = (Ref("Deployment", "llm", "chat", "u"), Ref("Service", "llm", "chat", "v"))


SYSTEM: Any = SimpleNamespace(objects=REFS, namespace="llm", selector={"app": "chat"}, workload=REFS[0])


def on(node: str, *, ready: bool) -> dict[str, Any]:
    """A pod on that node."""
    condition = {"type": "Ready", "status": str(ready)}
    return {
        "metadata": {"name": f"chat-{node}", "namespace": "llm", "uid": node},
        "spec": {"nodeName": node},
        "status": {"phase": "Running", "conditions": [condition]},
    }


class Api:
    """Stands for a cluster with a Deployment, and a Service that may not be read."""

    def __init__(self, *nodes: str, **spec: Any) -> None:
        self.spec = spec
        self.nodes = nodes

    def list(self, kind: str, namespace: str, *, selector: str) -> list[dict[str, Any]]:
        """A ready replica on each of the nodes, and one that is not Ready."""
        assert (kind, namespace, selector) == ("Pod", "llm", "app=chat")
        return [on(node, ready=True) for node in self.nodes] + [on("n9", ready=False)]

    def get(self, kind: str, _namespace: str, _name: str) -> dict[str, Any] | None:
        """The Deployment as it is now."""
        if kind == "Service":
            raise ClusterRefused("get Service chat: forbidden")
        annotations = {"deployment.kubernetes.io/revision": str(self.spec["replicas"]), "team": "a"}
        return {"metadata": {"uid": "u", "annotations": annotations}, "spec": self.spec, "status": {"replicas": 9}}


def look(**spec: Any) -> dict[str, Any]:
    """What stands."""
    return standing(Api(**spec), SYSTEM)  # type: ignore[arg-type]  # stand in


def test_what_is_the_same_differs_in_nothing() -> None:
    """Neither what Kubernetes counts nor its status is what people wrote; what cannot be read says why."""
    before = look(replicas=3, template={"containers": [{"image": "a"}]})
    assert before["Service chat"] == "get Service chat: forbidden"
    assert differences(before, before) == []
    assert "status" not in before["Deployment chat"]
    assert before["Deployment chat"]["annotations"] == {"team": "a"}


def test_each_part_that_differs_is_named_by_its_path() -> None:
    """Also in a list, and where a part is only in one of both."""
    before = look(replicas=3, template={"containers": [{"image": "a"}]})
    after = look(replicas=3, template={"containers": [{"image": "b"}]}, paused=True)
    assert differences(before, after) == [
        {"object": "Deployment chat", "path": "/spec/template/containers/0/image", "before": "a", "after": "b"},
        {"object": "Deployment chat", "path": "/spec/paused", "before": None, "after": True},
    ]


def test_an_object_that_is_gone_or_longer_differs_as_a_whole() -> None:
    """A list of another length is told as a whole: its items have no names."""
    before = look(replicas=1, ports=[1])
    assert differences(before, look(replicas=1, ports=[1, 2]))[0]["path"] == "/spec/ports"
    gone = {**before, "Deployment chat": None}
    (only,) = differences(before, gone)
    assert (only["path"], only["after"]) == ("/", None)


def test_a_trial_that_fails_is_compared_all_the_same(tmp_path: Path) -> None:
    """What it left is written and said, whatever ended it."""
    api, said = Api(replicas=1), list[str]()

    def trial() -> None:
        with compared(api, SYSTEM, tmp_path / "a.json", said.append):  # type: ignore[arg-type]  # stand in
            api.spec = {"replicas": 2}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trial()
    assert said == ["Deployment chat differs from before: /spec/replicas"]
    assert json.loads((tmp_path / "a.json").read_text())["differences"][0]["after"] == 2


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (("n1", "n2", "n2"), []),
        (("n1", "n2", "n3", "n3"), []),
        (("n2", "n2", "n2"), ["node n2 holds 3 of 3 replicas, more than any node before; spread them again: "]),
    ],
)
def test_replicas_that_stand_closer_than_before_are_told(
    tmp_path: Path, after: tuple[str, ...], words: list[str]
) -> None:
    """Moved is no matter; a node that holds more of them than any did is, with the command that mends it."""
    api, said = Api("n1", "n1", "n2", replicas=3), list[str]()
    with compared(api, SYSTEM, tmp_path / "a.json", said.append):  # type: ignore[arg-type]  # stand in
        api.nodes = after
    assert said == [f"{one}kubectl rollout restart deployment chat -n llm" for one in words]
    told = json.loads((tmp_path / "a.json").read_text())["replicas"]
    assert told["before"] == {"n1": 2, "n2": 1}
    assert sum(told["after"].values()) == len(after)


def test_a_variable_that_differs_is_told_without_its_values(tmp_path: Path) -> None:
    """By its path, that it differs: neither as a part of its own nor in a list that has another length."""

    def env(*values: str) -> dict[str, Any]:
        return {"containers": [{"env": [{"name": f"V{at}", "value": value} for at, value in enumerate(values)]}]}

    for after in (env("hunter-2"), env("hunter-1", "hunter-3")):
        api, said = Api(replicas=1, template=env("hunter-1")), list[str]()
        with compared(api, SYSTEM, tmp_path / "a.json", said.append):  # type: ignore[arg-type]  # stand in
            api.spec = {"replicas": 1, "template": after}
        (line,) = said
        assert line.startswith("Deployment chat differs from before: /spec/template/containers/0/env")
        assert "hunter" not in (tmp_path / "a.json").read_text()
