"""node_command.py off|on NODE: the lab's switch as a command, as an operator of another cluster would give one."""

import sys

from chaos.lab.nodes.infrastructure import LabNodeInfrastructure

if __name__ == "__main__":
    turn, node = sys.argv[1:]
    sys.exit((LabNodeInfrastructure().off(node) if turn == "off" else LabNodeInfrastructure().on(node)) or None)
