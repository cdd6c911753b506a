"""What leaves an autoscaler without the orders or the memory by which it had to act: an edit, or a controller anew."""

from chaos.checks.autoscaling.scaling import EDITED, UNEDITED, edited_ns
from chaos.clock import NS
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife

__all__ = ["FORGOT", "LEADS_NS", "ONE_PROCESS", "forgot_ns", "other_orders"]

RESTARTS = ("autoscaler-restart", "cluster-upgrade")
"""The faults that have kube-controller-manager started anew."""

LEADS_NS = 17 * NS
"""So long it may take until it leads again: the lease of the former one, and a try (its flags, `--leader-elect-*`)."""

FORGOT = "its controller was started anew meanwhile, which forgets what it recommended and did"
ONE_PROCESS = "a trial in which kube-controller-manager is not started anew"


def forgot_ns(history: History, begin_ns: int, until_ns: int) -> int | None:
    """By when, in a span, a fault last had the autoscaler's controller started anew, None if none did.

    What it recommends and changes it keeps in memory alone, and the number that it finds is its first recommendation
    (Kubernetes' pkg/controller/podautoscaler/horizontal.go, `recordInitialRecommendation`).
    """
    faults = ((one.begin_ns, one.landed_ns) for one in history.faults if one.name in RESTARTS)
    ends = ((begin, landed + LEADS_NS) for begin, landed in faults if landed is not None)
    return max((end for begin, end in ends if begin <= until_ns and end >= begin_ns), default=None)


def other_orders(history: History, life: AutoscalerLife, begin_ns: int, until_ns: int) -> tuple[str, str]:
    """Why an autoscaler need not do in a span what it had to do as that began, and what would settle it; else empty."""
    if edited_ns(life, begin_ns, until_ns) is not None:
        return EDITED, UNEDITED
    return (FORGOT, ONE_PROCESS) if forgot_ns(history, begin_ns, until_ns) is not None else ("", "")
