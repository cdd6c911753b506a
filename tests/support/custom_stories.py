"""Stories of a workload of a kind that others added to the API: its pods hang on it directly, or through another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from budget_stories import Guarded, budget
from histories import NAMESPACE, PROBED, WORKLOAD, at, facts, node, pod

from chaos.history import History, TrialFacts, WatchEvent
from chaos.objects.workload_kind import WorkloadKind

API = "serving.example.com/v1beta1"
KIND = "ModelSet.serving.example.com"


def owned(raw: dict[str, Any], kind: str = "ModelSet", name: str = WORKLOAD, uid: str = "m-1") -> dict[str, Any]:
    """The object, with another as its controller."""
    api = API if kind == "ModelSet" else "apps/v1"
    reference = {"apiVersion": api, "kind": kind, "name": name, "uid": uid, "controller": True}
    return {**raw, "metadata": {**raw["metadata"], "ownerReferences": [reference]}}


def model_set(count: int | None, *, uid: str = "m-1") -> dict[str, Any]:
    """The raw workload: its number of replicas stands at `spec.count`, and it has no template."""
    metadata = {"uid": uid, "name": WORKLOAD, "namespace": NAMESPACE, "generation": 1}
    spec = {} if count is None else {"count": count}
    return {"apiVersion": API, "kind": "ModelSet", "metadata": metadata, "spec": spec}


def custom_facts(*, through: Iterable[str] = ()) -> TrialFacts:
    """The facts of a trial on the ModelSet `model`."""
    kind = WorkloadKind(KIND, ("spec", "count"), tuple(through))
    system = {"selector": {"app": WORKLOAD}, "workload": {**kind.plain(), "name": WORKLOAD}}
    return facts(workload_kind=KIND, raw={"system": system})


@dataclass
class Custom(Guarded):
    """A story of a ModelSet's pods under a disruption budget; nothing of a Deployment is in it."""

    seen: bool = True
    spec: Mapping[str, Any] = field(default_factory=lambda: PROBED)

    def stands(self, *uids: str, pdb: Any = None) -> Self:
        """The system stands, with these pods Ready and this budget; its workload is listed if it is `seen`."""
        if self.seen:
            self.saw(0, "LISTED", model_set(len(uids)), KIND)
        for number in (1, 2, 3):
            self.saw(0, "LISTED", node(f"n{number}"), "Node")
        for place, uid in enumerate(uids):
            self.saw(0, "LISTED", pod(uid, ready=True, node=f"n{place % 3 + 1}", spec=self.spec))
        return self.counted(0, budget() if pdb is None else pdb, type_="LISTED")

    def history(self) -> History:
        """The story as a History, in which the ModelSet was watched and controls every pod."""
        told = self.has(facts=custom_facts()).owned_by_it()
        covered = {kind: span for kind, span in told.covered_ns.items() if kind != "Deployment"}
        return replace(told, covered_ns={**covered, KIND: (at(0), at(self.end_s))})

    def owned_by_it(self) -> History:
        """The story, each pod the ModelSet's."""
        told = super().history()
        watch = tuple(replace(event, object=_ours(event)) for event in told.watch)
        return replace(told, watch=watch)


def _ours(event: WatchEvent) -> Any:
    return owned(dict(event.object)) if event.kind == "Pod" else event.object


def custom() -> Custom:
    """Four replicas of which three have to stay, under traffic."""
    story = Custom().stands("a", "b", "c", "d")
    story.traffic()
    return story
