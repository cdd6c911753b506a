"""Who set the number of replicas, as the API server remembers it (`managedFields`, of which the record keeps this).

Source: Kubernetes documentation, "Server-Side Apply", field management; the horizontal controller, KEDA and kubectl
scale write the subresource `scale`, GitOps controllers and kubectl apply the object itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos.objects.base import View

__all__ = ["ScaleWriter", "writer_of"]

NO_AUTOSCALERS = ("kubectl", "keda")
"""How the managers begin that write the subresource and are no horizontal autoscaler."""


@dataclass(frozen=True, slots=True)
class ScaleWriter:
    """One manager of the number of replicas, and whether it wrote the subresource `scale`."""

    name: str
    scales: bool

    @property
    def foreign(self) -> bool:
        """Whether it is surely no horizontal autoscaler."""
        return not self.scales or self.name.startswith(NO_AUTOSCALERS)


def writer_of(view: View) -> ScaleWriter | None:
    """Who wrote the number last; None where that was not recorded, or two wrote in the same second."""
    entries: list[Mapping[str, Any]] = list(view.metadata.get("replicasSetBy") or ())
    newest = max((str(one.get("time", "")) for one in entries), default="")
    latest = [one for one in entries if str(one.get("time", "")) == newest]
    last = {(str(one.get("manager", "")), one.get("subresource") == "scale") for one in latest}
    return ScaleWriter(*last.pop()) if len(last) == 1 else None
