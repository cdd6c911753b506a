"""The simulated cluster: what is real about it, and that nothing of it is left."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from simulated_cluster import SimulatedCluster

from chaos.errors import LabError
from chaos.lab.control_plane.api import Api
from chaos.lab.control_plane.pki import Authority
from chaos.wait import until


def test_nodes_are_ready_and_carry_their_labels(simulated: SimulatedCluster) -> None:
    """Nodes that are added come Ready without taints, with the labels that were asked for."""
    (name,) = simulated.add_nodes(1, prefix="labelled", labels={"gameday.dev/pool": "blue"})
    node = simulated.api.get(f"/api/v1/nodes/{name}")
    assert node["metadata"]["labels"]["gameday.dev/pool"] == "blue"
    assert "taints" not in node["spec"]
    simulated.api.delete(f"/api/v1/nodes/{name}")


def test_a_pod_is_scheduled_and_becomes_ready(simulated: SimulatedCluster) -> None:
    """The real scheduler binds a pod to a simulated node, which reports it Ready."""
    api = simulated.api
    pod = {
        "metadata": {"name": "scheduled"},
        "spec": {"containers": [{"name": "c", "image": "none"}], "automountServiceAccountToken": False},
    }
    api.create("/api/v1/namespaces/default/pods", pod)

    def ready() -> bool:
        status = api.get("/api/v1/namespaces/default/pods/scheduled")["status"]
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))

    until(ready, deadline_s=20, awaited="the pod to be Ready")
    api.delete("/api/v1/namespaces/default/pods/scheduled")


def test_a_refusal_is_told_in_the_servers_words(simulated: SimulatedCluster) -> None:
    """An object that the API server refuses raises LabError with its message."""
    with pytest.raises(LabError, match="already exists"):
        simulated.api.create("/api/v1/namespaces", {"metadata": {"name": "default"}})


def test_a_certificate_of_another_authority_is_refused(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """A client whose certificate another authority issued, be it of the same name, is nobody."""
    stranger = Authority(tmp_path, "ca").issue("admin", user="gameday", groups=["system:masters"])
    api = Api(simulated.api.server, authority=simulated.folder / "pki" / "ca.crt", credential=stranger)
    status, _ = api.call("GET", "/api/v1/nodes")
    api.close()
    assert status == 401


def test_credentials_are_ours_alone(simulated: SimulatedCluster) -> None:
    """Everything below the cluster's folder that holds a secret is closed to other users."""
    assert stat.S_IMODE(simulated.folder.stat().st_mode) == 0o700
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (simulated.folder / "pki").iterdir()}
    assert modes == {0o600}


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_it_ends_with_its_process(ending: signal.Signals, tmp_path: Path, simulated: SimulatedCluster) -> None:
    """However the process that started a cluster ends, every component ends; after SIGTERM no file is left either."""
    program = Path(__file__).with_name("run_simulated.py")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    argv = [sys.executable, str(program), *simulated.programs]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 5
        owner.send_signal(ending)
        owner.wait(timeout=30)
    until(lambda: not any(_runs(pid) for pid in pids), deadline_s=10, awaited="all components to end")
    if ending == signal.SIGTERM:
        assert list(tmp_path.iterdir()) == []


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
