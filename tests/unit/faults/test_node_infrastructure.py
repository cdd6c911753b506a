"""Commands that switch a node off and on: what is run, what is refused, what is said when they fail."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.cluster import NullJournal
from chaos.cluster.transport import Answer
from chaos.errors import UsageError
from chaos.faults import CommandInfrastructure, FaultContext, Infrastructure, NodeDown, infrastructure
from chaos.faults.targets import Targets
from chaos.lab.host.network import run_tool
from chaos.objects.base import Ref
from chaos.safety import NoUndoLog
from chaos.safety.owner import started_tick
from chaos.wait import until

NODE = Targets("node n1", (Ref("Node", "", "n1", "uid"), Ref("Pod", "ns", "model-a", "uid-a")))


def test_a_command_is_run_with_the_nodes_name(tmp_path: Path) -> None:
    """The name stands where the template says, and no shell reads the words."""
    switch = CommandInfrastructure(f"touch '{tmp_path}/off {{node}}; true'", f"rm '{tmp_path}/off {{node}}; true'")
    assert switch.off("n1") == ""
    assert (tmp_path / "off n1; true").exists()
    assert switch.on("n1") == ""
    assert not list(tmp_path.iterdir())
    assert switch.manual_on("n1") == f"rm '{tmp_path}/off n1; true'"
    assert switch.seen_off("n1") == ""


def test_a_command_that_fails_says_what_it_said(tmp_path: Path) -> None:
    """Exit code and last words, or that there is no such program."""
    switch = CommandInfrastructure(f"cat {tmp_path}/no-{{node}}", "no-such-program {node}")
    assert switch.off("n1").startswith(f"cat {tmp_path}/no-n1: exit code 1: cat: ")
    assert switch.on("n1") == "no-such-program n1: No such file or directory"


@pytest.mark.parametrize("template", ["virsh suspend", "", "virsh 'suspend {node}"])
def test_a_template_that_names_no_node_is_refused(template: str) -> None:
    """It would stop every node, or none; broken quotes are refused too."""
    with pytest.raises(UsageError, match="node command"):
        CommandInfrastructure(template, "virsh resume {node}")


def test_a_target_that_is_no_node_is_refused() -> None:
    """A pod cannot be switched off; nobody at all is what a saved run has."""
    with pytest.raises(UsageError, match="is no node"):
        NodeDown(Targets("one replica", (Ref("Pod", "ns", "model-a", "uid-a"),)))
    assert NodeDown(Targets("nobody", ())).victims == ()


def test_the_victims_are_the_nodes_and_the_pods_on_them() -> None:
    """What the blast radius bounds is all that the node takes along."""
    down = NodeDown(NODE)
    assert [ref.name for ref in down.victims] == ["n1", "model-a"]
    assert (down.name, down.words) == ("node-down", "switch node n1 off")


def test_a_command_hears_no_interrupt_of_the_terminal(tmp_path: Path) -> None:
    """Ctrl-C goes to all of a session: the second is to cut no healing short, so it must not end what switches on."""
    (tmp_path / "own.py").write_text("import os, sys\nopen(sys.argv[1], 'w').write(str(os.getsid(0)))\n")
    command = f"{sys.executable} {tmp_path}/own.py {tmp_path}/{{node}}"
    switch = CommandInfrastructure(command, command)
    for do in (switch.off, switch.on):
        assert do("n1") == ""
        assert int((tmp_path / "n1").read_text()) != os.getsid(0)
    assert int(run_tool([sys.executable, "-c", "import os; print(os.getsid(0))"])) != os.getsid(0)


@pytest.mark.parametrize(("way", "goes_on"), [("off", False), ("on", True)])
def test_what_takes_too_long_takes_no_node_away_later(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, goes_on: bool
) -> None:
    """What the command began would switch the node off once it was healed; of the other one, it may be the node."""
    monkeypatch.setattr(infrastructure, "COMMAND_S", 3.0)
    command = f"sh -c 'sleep 60 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/began; wait' sh {{node}}"
    switch = CommandInfrastructure(command, command)
    assert "not done within 3 s" in getattr(switch, way)("n1")
    began = int((tmp_path / "began").read_text())
    try:
        if goes_on:
            assert started_tick(began) is not None
        else:
            until(lambda: started_tick(began) is None, deadline_s=10, awaited="the end of what the command began")
    finally:
        with suppress(ProcessLookupError):
            os.kill(began, signal.SIGKILL)


@pytest.mark.parametrize("template", ["ipmi --password hunter2 off", "ipmi -P hunter2", "ipmi -P 'hunter2 {node}"])
def test_a_template_that_is_refused_is_quoted_nowhere(template: str) -> None:
    """Which of the two it is is told; what stands in it may be a password, and what is refused is printed."""
    good = "ipmi -P hunter2 {node}"
    for way, commands in {"off": (template, good), "on": (good, template)}.items():
        with pytest.raises(UsageError, match=f"the node command '{way}' ") as refused:
            CommandInfrastructure(*commands)
        assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(CommandInfrastructure(good, good))


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        ({"metadata": {"name": "n1", "uid": "uid"}}, ""),
        ({"metadata": {"name": "n1", "uid": "another"}}, "node n1 is not there any more"),
        (None, "node n1 is not there any more"),
    ],
    ids=["the one that was picked", "another of its name", "none"],
)
def test_a_node_is_switched_off_only_while_it_is_the_one_that_was_picked(
    found: dict[str, Any] | None, missed: str, tmp_path: Path
) -> None:
    """The command knows its name alone, and the heal would leave another one of the name as it is, off."""
    cluster: Any = SimpleNamespace(get=lambda *_: found, read=lambda *_: Answer(200, b'{"items": []}'))
    recorder: Any = SimpleNamespace(objects=lambda _kind: [])
    switch = Infrastructure(CommandInfrastructure(f"touch {tmp_path}/{{node}}", "true {node}"))
    context = FaultContext(
        cluster, cluster, NullJournal(), "node-down-1", recorder, "ns", infrastructure=switch, undo=NoUndoLog()
    )
    injection = NodeDown(NODE).inject(context)
    assert (injection.missed, (tmp_path / "n1").exists(), len(context.entries)) == (missed, not missed, not missed)
