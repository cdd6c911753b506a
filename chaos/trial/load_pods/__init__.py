"""Load workers as pods: a crew of generators inside the cluster, driven and read through the API server alone."""

from chaos.trial.load_pods.job import LoadPods
from chaos.trial.load_pods.workers import MUSTER_S, Orders, PodCrew, pod_crew

__all__ = ["MUSTER_S", "LoadPods", "Orders", "PodCrew", "pod_crew"]
