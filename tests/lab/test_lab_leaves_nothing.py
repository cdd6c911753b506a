"""Whatever becomes of a lab's start, and of the lab: the host is afterwards as it was."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from host_snapshot import differences, host_snapshot
from lab_objects import PODS, await_pod_ready, model_pod

from chaos.errors import LabError
from chaos.lab import Lab
from chaos.lab.bring_up import Artefacts, usual_artefacts
from chaos.lab.control_plane.api import suite_api
from chaos.lab.control_plane.build import Release
from chaos.lab.host.cache import cache_root
from chaos.lab.host.lock import LOCK
from chaos.progress import Progress, Silent
from chaos.wait import until

pytestmark = pytest.mark.root
RUN_UP = Path(__file__).with_name("run_up.py")
UP_DEADLINE_S = 90.0


def _start_up(nodes: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(RUN_UP), str(nodes)], stdout=subprocess.PIPE, text=True)


def _read_until(process: subprocess.Popen[str], wanted: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if wanted in line:
            return
    pytest.fail(f"the start ended before it said {wanted!r}")


@pytest.fixture(autouse=True, scope="module")
def _built(no_lab: Lab) -> None:
    """Have everything built, so that no test waits for it."""
    usual_artefacts(Silent())


def test_the_host_is_as_before_after_up_and_down(no_lab: Lab) -> None:
    """Processes, namespaces, links, routes, rules, mounts, groups, sockets, settings, files: all as before."""
    before = host_snapshot()
    no_lab.up(nodes=2, progress=Silent())
    with suite_api(no_lab.paths) as api:
        api.create(PODS, model_pod("left", node="n1"))
        await_pod_ready(api, "left")
    during = host_snapshot()
    no_lab.down(progress=Silent())
    assert not differences(before, host_snapshot())
    changed = {line.partition(":")[0] for line in differences(before, during)}
    assert {"processes", "links", "routes", "namespaces", "groups", "settings", "files"} <= changed


@pytest.mark.parametrize("step", ["namespaces and credentials", "API server", "controllers and kubelets"])
def test_a_lab_whose_start_was_killed_heals(no_lab: Lab, step: str) -> None:
    """After kill -9 in the middle of a start the next start works, and down leaves nothing."""
    before = host_snapshot()
    with _start_up(1) as owner:
        _read_until(owner, f"step {step}")
        owner.kill()
    assert owner.returncode == -signal.SIGKILL
    assert no_lab.status().facts is None
    facts = no_lab.up(nodes=1, progress=Silent())
    assert facts.nodes == ("n1",)
    no_lab.down(progress=Silent())
    assert not differences(before, host_snapshot())


def test_a_killed_start_can_be_taken_down_at_once(no_lab: Lab) -> None:
    """Down after kill -9 in the middle of a start leaves nothing."""
    before = host_snapshot()
    with _start_up(2) as owner:
        _read_until(owner, "step nodes ready")
        owner.kill()
    assert no_lab.status().remains
    no_lab.down(progress=Silent())
    assert not differences(before, host_snapshot())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_an_interrupted_start_undoes_itself(no_lab: Lab, number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C in the middle of a start leave nothing, with no other command."""
    before = host_snapshot()
    with _start_up(2) as owner:
        _read_until(owner, "step API server")
        owner.send_signal(number)
        owner.communicate(timeout=UP_DEADLINE_S)
    assert owner.returncode != 0
    assert not differences(before, host_snapshot())


def test_a_component_that_fails_is_named_and_quoted(no_lab: Lab, tmp_path: Path) -> None:
    """A start that fails says which program failed and what it said last, keeps the logs, and leaves nothing."""
    before = host_snapshot()

    def broken(progress: Progress, release: Release) -> Artefacts:
        usual = usual_artefacts(progress, release)
        program = tmp_path / "kube"
        program.write_text(
            f'#!/bin/sh\nif [ "$1" = kube-scheduler ]; then echo out of luck; exit 3; fi\nexec {usual.kube} "$@"\n'
        )
        program.chmod(0o755)
        return replace(usual, kube=program, node_kube=usual.kube)

    with pytest.raises(LabError, match=r"kube-scheduler ended while .*\n(.*\n)*.*out of luck") as failed:
        Lab(artefacts=broken).up(nodes=1, progress=Silent())
    assert "failed-start" in failed.value.fix
    assert (cache_root() / "failed-start" / "kube-scheduler.log").read_text() == "out of luck\n"
    assert not differences(before, host_snapshot())


def test_a_second_start_waits_and_joins(no_lab: Lab) -> None:
    """Two starts at once make one lab: one waits for the other, says for whom, and gets the same lab."""
    with _start_up(1) as first:
        _read_until(first, "step API server")
        holder = LOCK.read_text()
        with _start_up(1) as second:
            said, _ = second.communicate(timeout=UP_DEADLINE_S)
        first.communicate(timeout=UP_DEADLINE_S)
    assert (first.returncode, second.returncode) == (0, 0)
    assert holder == f"{first.pid} starting the lab"
    assert f"step waiting: another gameday (process {first.pid}) is starting the lab" in said
    assert "step namespaces" not in said
    no_lab.down(progress=Silent())
    assert not LOCK.exists()


def test_a_broken_lab_is_rebuilt(no_lab: Lab) -> None:
    """A lab of which a program died is not joined but started anew."""
    no_lab.up(nodes=1, progress=Silent())
    (etcd,) = [component for component in no_lab.status().components if component.name == "etcd"]
    os.kill(etcd.pid, signal.SIGKILL)
    until(lambda: "etcd" in no_lab.status().words, deadline_s=40, awaited="the lab to be told broken")
    no_lab.up(nodes=1, progress=Silent())
    until(lambda: no_lab.status().well, deadline_s=20, awaited="a whole lab", last_seen=lambda: no_lab.status().words)
    assert {component.pid for component in no_lab.status().components}.isdisjoint({etcd.pid})
    no_lab.down(progress=Silent())
