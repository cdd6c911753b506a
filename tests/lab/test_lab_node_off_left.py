"""Nodes of the lab that a killed run left switched off: the next command switches them on."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.lab import Lab
from chaos.lab.nodes.infrastructure import is_cut, is_frozen, restore_all
from chaos.progress import Silent
from chaos.wait import until

pytestmark = pytest.mark.root

NODE_OFF = Path(__file__).with_name("run_node_off.py")
BACK_S = 60.0


def test_a_node_that_a_killed_run_switched_off_is_restored_by_the_next_command(no_lab: Lab) -> None:
    """After kill -9 of whoever took it, the next one to start the lab gives it back, and the node is well."""
    no_lab.up(nodes=2, progress=Silent())
    with subprocess.Popen([sys.executable, str(NODE_OFF), "n1"], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "off \n"
        assert is_frozen("n1")
        run.kill()
    assert run.returncode == -signal.SIGKILL
    assert is_cut("n1")
    no_lab.up(nodes=2, progress=Silent())
    assert not is_cut("n1")
    assert not is_frozen("n1")
    until(lambda: no_lab.status().well, deadline_s=BACK_S, awaited="all nodes Ready")
    assert restore_all() == ()
    no_lab.down(progress=Silent())
