"""Real Kubernetes on this host: build, images, network, control plane, nodes, teardown.

`Lab` is the lab of this host; `SimulatedCluster` is a real control plane with simulated nodes, which needs no root.
"""

from chaos.lab.lab import Lab
from chaos.lab.simulated import SimulatedCluster
from chaos.lab.status import LabFacts

__all__ = ["Lab", "LabFacts", "SimulatedCluster"]
