"""run_simulated.py KUBE KWOK STAGES: start a simulated cluster, print its process ids, wait to be ended."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from kwok_program import KwokProgram
from simulated_cluster import SimulatedCluster

if __name__ == "__main__":
    kube, kwok, stages = (Path(word) for word in sys.argv[1:])
    with SimulatedCluster(kube=kube, kwok=KwokProgram(kwok, stages)) as cluster:
        sys.stdout.write(" ".join(str(pid) for pid in cluster.pids.values()) + "\n")
        sys.stdout.flush()
        signal.pause()
