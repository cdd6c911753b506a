"""What an upgrade of the cluster would break, delay or change, from objects that were read: pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from chaos.cli.plan.results import Answer, Plan
from chaos.objects.base import Raw, View, kind_in
from chaos.review.versions import GONE
from chaos.semantics.features import NEWEST_KNOWN, Feature, minor_of, on_between

__all__ = ["Effect", "UpgradeFinding", "upgrade_findings"]

KUBELET_SKEW_MAX = 3
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
RUNS_PODS = ("Deployment", "StatefulSet", "ReplicaSet")


class Effect(IntEnum):
    """What comes of it, the worst last."""

    CHANGES = 0
    CANNOT_TELL = 1
    BREAKS = 2


@dataclass(frozen=True, slots=True)
class UpgradeFinding:
    """One thing that an upgrade does, to what, and how to mend it beforehand; `mend` may be empty."""

    effect: Effect
    subject: str
    words: str
    mend: str = ""


def upgrade_findings(
    before: int, after: int, *, nodes: Iterable[Raw], objects: Sequence[Raw], plan: Plan
) -> tuple[UpgradeFinding, ...]:
    """What the upgrade from minor version `before` to `after` does, the worst first.

    `objects` are those of the service, as the API serves them; `plan` predicts the drain of each node.
    """
    found = [*_steps(before, after), *_kubelets(after, nodes), *_drains(plan)]
    for one in objects:
        found += _removed(one, after)
    for feature in on_between(before, after):
        found += _changed(feature, objects)
    return tuple(sorted(found, key=lambda finding: -finding.effect))


def _steps(before: int, after: int) -> Iterator[UpgradeFinding]:
    """A control plane is upgraded one minor version at a time (Kubernetes' version skew policy)."""
    if after > before + 1:
        yield UpgradeFinding(
            Effect.BREAKS,
            "control plane",
            f"an API server is upgraded one minor version at a time, and 1.{before} to 1.{after} are {after - before}",
            f"upgrade to 1.{before + 1} first, and ask again then",
        )
    if after > NEWEST_KNOWN:
        yield UpgradeFinding(
            Effect.CANNOT_TELL,
            "control plane",
            f"what 1.{after} changes is not known here: the newest known is 1.{NEWEST_KNOWN}",
            "ask a newer gameday",
        )


def _kubelets(after: int, nodes: Iterable[Raw]) -> Iterator[UpgradeFinding]:
    """Kubelets that the new API server would not support."""
    for node in map(View, nodes):
        version = str((node.status.get("nodeInfo") or {}).get("kubeletVersion") or "")
        minor = minor_of(version)
        if minor is None:
            yield UpgradeFinding(Effect.CANNOT_TELL, f"node {node.name}", f"its kubelet says no version: {version!r}")
        elif after - minor > KUBELET_SKEW_MAX:
            yield UpgradeFinding(
                Effect.BREAKS,
                f"node {node.name}",
                f"its kubelet is {version}; an API server of 1.{after} needs at least 1.{after - KUBELET_SKEW_MAX}",
                "upgrade the node first",
            )


def _drains(plan: Plan) -> Iterator[UpgradeFinding]:
    """Nodes that cannot be drained, one after the other, as their upgrade has to."""
    for drain in plan.nodes:
        subject = f"node {', '.join(drain.nodes)}"
        if drain.answer in {Answer.DEADLOCKS, Answer.REFUSED, Answer.CANNOT_TELL}:
            worst = [reason.words for reason in drain.reasons if reason.answer is drain.answer]
            effect = Effect.CANNOT_TELL if drain.answer is Answer.CANNOT_TELL else Effect.BREAKS
            yield UpgradeFinding(effect, subject, f"its drain {_verb(drain.answer)}: {'; '.join(worst)}")
        if drain.homeless:
            first = drain.homeless[0]
            more = f" and {len(drain.homeless) - 1} more" if len(drain.homeless) > 1 else ""
            yield UpgradeFinding(
                Effect.BREAKS, subject, f"{first.pod}{more} will have no successor while it is drained: {first.words}"
            )


def _verb(answer: Answer) -> str:
    return {Answer.DEADLOCKS: "never ends", Answer.REFUSED: "is refused"}.get(answer, "cannot be predicted")


def _removed(raw: Raw, after: int) -> Iterator[UpgradeFinding]:
    """Who still writes an object by an API version that will be gone.

    The API serves every object in the version that is asked for, so its own says nothing. Who wrote it how stands in
    managedFields, and in what `kubectl apply` noted.
    """
    one, kind = View(raw), str(raw.get("kind"))
    for version, writer in _written_by(one).items():
        wanted, release, changes = GONE.get((version, kind), ("", "", ""))
        gone_in = minor_of(release)
        if gone_in is not None and gone_in <= after:
            yield UpgradeFinding(
                Effect.BREAKS,
                f"{kind} {one.namespace}/{one.name}",
                f"{writer} writes it as {version}, which Kubernetes {release} does not serve",
                f"write {wanted}{f' ({changes})' if changes else ''}",
            )


def _written_by(one: View) -> Mapping[str, str]:
    """The API versions by which an object was written, each with who did."""
    found: dict[str, str] = {}
    for entry in one.metadata.get("managedFields") or ():
        if entry.get("apiVersion"):
            found.setdefault(str(entry["apiVersion"]), str(entry.get("manager") or "somebody"))
    try:
        applied: Any = json.loads(one.annotations.get(APPLIED) or "{}")
        version = str(applied.get("apiVersion") or "")
    except (ValueError, AttributeError):
        version = ""
    if version:
        found.setdefault(version, "kubectl apply")
    return found


def _changed(feature: Feature, objects: Sequence[Raw]) -> Iterator[UpgradeFinding]:
    """What a feature that is turned on changes for the objects that it concerns."""
    for raw in objects:
        kind, one = kind_in(raw.get("apiVersion", ""), raw.get("kind", "")), View(raw)
        pod = "Pod" in feature.kinds and kind in RUNS_PODS and not one.controller_uid
        if (kind in feature.kinds or pod) and _uses(raw.get("spec"), feature.fields):
            yield UpgradeFinding(
                Effect.CHANGES,
                f"{kind} {one.namespace}/{one.name}",
                f"since 1.{feature.on_since}, {feature.words} ({feature.source})",
            )


def _uses(value: Any, fields: Sequence[str]) -> bool:
    """Whether any of these keys stands anywhere in it; without keys, always."""
    if not fields:
        return True
    if isinstance(value, Mapping):
        return any(key in fields or _uses(inner, fields) for key, inner in value.items())
    return isinstance(value, list) and any(_uses(inner, fields) for inner in value)
