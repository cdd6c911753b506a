"""Load workers as pods: a crew of generators inside the cluster, driven and read through the API server alone."""

from chaos.crew.place import LoadPods
from chaos.crew.pods import MUSTER_S, Orders, PodCrew, pod_crew

__all__ = ["MUSTER_S", "LoadPods", "Orders", "PodCrew", "pod_crew"]
