"""Real Kubernetes on this host: build, images, network, control plane, nodes, teardown.

`Lab` is the lab of this host; `SimulatedCluster` is a real control plane with simulated nodes, which needs no root.
"""

from chaos.lab.host.lock import User
from chaos.lab.lab import Lab
from chaos.lab.simulated import SimulatedCluster
from chaos.lab.status import ComponentStatus, LabFacts, LabStatus

__all__ = [
    "ComponentStatus",
    "Lab",
    "LabFacts",
    "LabStatus",
    "SimulatedCluster",
    "User",
]
