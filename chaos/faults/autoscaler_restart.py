"""The controller that scales is ended and started anew: it forgets what it recommended, and looks at all again."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.faults.base import Fault, Injection
from chaos.faults.context import FaultContext
from chaos.faults.infrastructure import NO_METRICS_PATH
from chaos.objects.base import Ref

__all__ = ["AutoscalerRestart"]

CONTROLLER = Ref("Service", "default", "kubernetes")
"""What stands for the control plane in the record: its controllers are no objects of the API."""


@dataclass(frozen=True, slots=True)
class AutoscalerRestart(Fault):
    """Restart kube-controller-manager, in which the autoscaler runs with every other controller.

    Its recommendations of the stabilisation window are in memory alone (pkg/controller/podautoscaler/horizontal.go), so
    that the number may fall sooner afterwards; it has landed when another process is there. Only where the
    infrastructure can. Nothing is left to undo: a lab whose controller did not come back reads as broken.
    """

    name: ClassVar[str] = "autoscaler-restart"
    hits_none: ClassVar[bool] = True
    if_run_dies: ClassVar[str] = "a controller that was ended and not started yet is missing until `gameday lab down`"

    @property
    @override
    def words(self) -> str:
        return "restart the controller that scales"

    @property
    @override
    def victims(self) -> tuple[Ref, ...]:
        """Nothing of the system."""
        return ()

    @override
    def inject(self, context: FaultContext) -> Injection:
        """End it, and start it as it was started before."""
        path = context.infrastructure.metrics
        if path is None:
            return Injection(self, context, missed=NO_METRICS_PATH)
        before = path.autoscaler()
        if not before:
            return Injection(self, context, missed="the controller that scales does not run")
        missed = context.act("restart-autoscaler", CONTROLLER, path.restart_autoscaler)

        def proof() -> str:
            now = path.autoscaler()
            return f"{now} has taken the place of {before}" if now and now != before else ""

        return Injection(self, context, proof, missed=missed)
