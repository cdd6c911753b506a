"""Real Kubernetes on this host: build, images, network, control plane, nodes, teardown."""

from chaos.lab.lab import Lab
from chaos.lab.status import LabFacts

__all__ = ["Lab", "LabFacts"]
