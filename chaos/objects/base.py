"""What every API object has, read from the object as the server sent it; and label selectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Raw", "Ref", "View", "kind_in", "matches", "selector_text"]

Raw = Mapping[str, Any]
"""An object, or a part of one, as parsed from the server's JSON."""


@dataclass(frozen=True, slots=True)
class Ref:
    """One object in the cluster; `uid` tells it from a successor of the same name (empty where unknown)."""

    kind: str
    namespace: str
    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What every object has. `controller_*` name the owner that manages it, empty if none does."""

    raw: Raw

    @property
    def metadata(self) -> Raw:
        """The object's metadata."""
        return self.raw.get("metadata") or {}

    @property
    def spec(self) -> Raw:
        """The desired state."""
        return self.raw.get("spec") or {}

    @property
    def status(self) -> Raw:
        """The observed state, as its controller last reported it."""
        return self.raw.get("status") or {}

    @property
    def uid(self) -> str:
        """The identity that no successor of the same name shares."""
        return str(self.metadata.get("uid") or "")

    @property
    def name(self) -> str:
        """The name, unique at a time within its namespace."""
        return str(self.metadata.get("name") or "")

    @property
    def namespace(self) -> str:
        """The namespace, empty for what has none."""
        return str(self.metadata.get("namespace") or "")

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels."""
        return self.metadata.get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations."""
        return self.metadata.get("annotations") or {}

    @property
    def created(self) -> str:
        """When the server created it, as the server's clock says (RFC 3339, whole seconds)."""
        return str(self.metadata.get("creationTimestamp") or "")

    @property
    def generation(self) -> int:
        """The number of the spec; a status that has seen it says so in `observed_generation`."""
        return int(self.metadata.get("generation") or 0)

    @property
    def observed_generation(self) -> int:
        """The generation that the status speaks of."""
        return int(self.status.get("observedGeneration") or 0)

    @property
    def deleting(self) -> bool:
        """Whether its deletion was accepted: it has a deletionTimestamp."""
        return bool(self.metadata.get("deletionTimestamp"))

    @property
    def _controller(self) -> Raw:
        owners = self.metadata.get("ownerReferences") or ()
        return next((owner for owner in owners if owner.get("controller")), {})

    @property
    def controller_uid(self) -> str:
        """The UID of the owner that manages it."""
        return str(self._controller.get("uid") or "")

    @property
    def controller_kind(self) -> str:
        """The kind of the owner that manages it, with its group where that is not Kubernetes' own."""
        return kind_in(self._controller.get("apiVersion") or "", self._controller.get("kind") or "")

    @property
    def controller_name(self) -> str:
        """The name of the owner that manages it."""
        return str(self._controller.get("name") or "")

    def condition(self, type_: str) -> Raw:
        """The status condition of that type, empty if there is none."""
        for one in self.status.get("conditions") or ():
            if one.get("type") == type_:
                return one  # type: ignore[no-any-return]
        return {}

    def why_false(self, type_: str) -> str:
        """The reason and message of a condition that is False (`ScaledObjectCheckFailed: …`), empty otherwise."""
        condition = self.condition(type_)
        if condition.get("status") != "False":
            return ""
        return f"{condition.get('reason', '')}: {condition.get('message', '')}".strip(": ")


def kind_in(api_version: Any, kind: Any) -> str:
    """The name of a kind among all kinds: `Deployment`, or `Rollout.argoproj.io` for one that was added to the API.

    A group without a dot is Kubernetes' own (a CustomResourceDefinition's must have one); the other spelling is
    Kubernetes' for a kind in a group (`schema.GroupKind`). Kinds may share a name: there are StatefulSets of others.
    """
    group = str(api_version).rpartition("/")[0]
    return f"{kind}.{group}" if "." in group and kind else str(kind)


def matches(selector: Raw, labels: Mapping[str, str]) -> bool:
    """Whether a label selector (`matchLabels`, `matchExpressions`) selects these labels; an empty one selects all.

    Raises `ValueError` for an operator that Kubernetes does not know.
    """
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def selector_text(selector: Raw) -> str:
    """A label selector as the API takes it in a query; empty for one that selects all.

    Raises `ValueError` for an operator that Kubernetes does not know.
    """
    words = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression["key"], ",".join(sorted(expression.get("values") or ()))
        forms = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": str(key),
            "DoesNotExist": f"!{key}",
        }
        if (operator := expression["operator"]) not in forms:
            raise ValueError(f"label selector operator {operator!r} is not one of {', '.join(forms)}")
        words.append(forms[operator])
    return ",".join(sorted(words))


def _holds(expression: Raw, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case unknown:
            raise ValueError(f"label selector operator {unknown!r} is not one of In, NotIn, Exists, DoesNotExist")
