"""KEDA's ScaledObject: what makes an autoscaler of a workload, and takes the workload to and from zero itself.

Defaults are those of KEDA's documentation, "ScaledObject specification" (keda.sh/v1alpha1).
"""

from dataclasses import dataclass

from chaos.objects.base import Raw, View, kind_in

__all__ = ["SCALED_OBJECT", "ScaledObjectView"]

SCALED_OBJECT = "ScaledObject.keda.sh"

PAUSED = "autoscaling.keda.sh/paused"
PAUSED_AT = "autoscaling.keda.sh/paused-replicas"
TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""What Go's strconv.ParseBool takes for true, and so KEDA."""


@dataclass(frozen=True, slots=True)
class ScaledObjectView(View):
    """A ScaledObject."""

    @property
    def target(self) -> tuple[str, str]:
        """Kind and name of what it scales; an absent kind is a Deployment."""
        ref = self.spec.get("scaleTargetRef") or {}
        return kind_in(ref.get("apiVersion") or "apps/v1", ref.get("kind") or "Deployment"), str(ref.get("name", ""))

    @property
    def triggers(self) -> tuple[Raw, ...]:
        """What it looks at."""
        return tuple(self.spec.get("triggers") or ())

    @property
    def polling_s(self) -> float:
        """How often it looks whether any trigger is active, while the workload is at zero and while it may go there."""
        return self._number("pollingInterval", 30)

    @property
    def cooldown_s(self) -> float:
        """How long after the last active look it goes to zero, or to the idle number."""
        return self._number("cooldownPeriod", 300)

    @property
    def least(self) -> int:
        """`minReplicaCount`: 0 lets it go to zero."""
        return int(self._number("minReplicaCount", 0))

    @property
    def most(self) -> int:
        """`maxReplicaCount`."""
        return int(self._number("maxReplicaCount", 100))

    @property
    def idle(self) -> int:
        """How many there are while no trigger is active: `idleReplicaCount`, else the minimum."""
        return int(self._number("idleReplicaCount", self.least))

    @property
    def fallback(self) -> int | None:
        """How many replicas it asks for while a trigger fails; None where it has no fallback."""
        given = (self.spec.get("fallback") or {}).get("replicas")
        return None if given is None else int(given)

    @property
    def falls_back(self) -> bool:
        """Whether it asks for its fallback now, because a trigger fails: what it shows the autoscaler is no metric.

        By the count of failures, too: KEDA's parts write over one another's conditions, so that `Fallback`, and the
        word beside the count, may come some seconds later. A trigger that works sets the count to 0.
        """
        if self.fallback is None:
            return False
        most = int((self.spec.get("fallback") or {}).get("failureThreshold") or 0)
        health = (self.status.get("health") or {}).values()
        failing = any((one.get("numberOfFailures") or 0) > most for one in health)
        return failing or self.condition("Fallback").get("status") == "True"

    @property
    def paused(self) -> str:
        """The annotation by which it is paused, with its value; empty if it is not."""
        if (at := self.annotations.get(PAUSED_AT)) is not None:
            return f"{PAUSED_AT}={at}"
        return f"{PAUSED}=true" if self.annotations.get(PAUSED) in TRUE else ""

    @property
    def autoscaler(self) -> str:
        """The name of the autoscaler that it makes."""
        advanced = (self.spec.get("advanced") or {}).get("horizontalPodAutoscalerConfig") or {}
        return str(self.status.get("hpaName") or advanced.get("name") or f"keda-hpa-{self.name}")

    @property
    def not_ready(self) -> str:
        """Why it cannot work, in KEDA's own words (`ScaledObjectCheckFailed: …`); empty if it can, or has not said."""
        return self.why_false("Ready")

    def _number(self, key: str, usual: float) -> float:
        given = self.spec.get(key)
        return usual if given is None else float(given)
