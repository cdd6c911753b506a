"""run_node_off.py NODE: switch a lab node off, say so, and wait to be killed, for a test of what is left."""

import sys
import time

from chaos.lab import Lab
from chaos.lab.nodes.infrastructure import LabNodeInfrastructure

if __name__ == "__main__":
    with Lab().use("a run that is killed"):
        sys.stdout.write(f"off {LabNodeInfrastructure().off(sys.argv[1])}\n")
        sys.stdout.flush()
        time.sleep(60)
