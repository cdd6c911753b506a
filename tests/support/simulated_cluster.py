"""A real control plane with simulated nodes: for tests that need no container, and for scale. Needs no root.

Real: etcd, API server, controller manager, scheduler, so disruption budgets, evictions, taints, the autoscaler's
arithmetic and watches behave as they do anywhere. Simulated by kwok: the kubelets. No container runs, no probe is made,
nothing answers on a pod's address.
"""

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from kwok_program import KwokProgram

from chaos.errors import LabError
from chaos.lab.control_plane.api import Api
from chaos.lab.control_plane.authorization import RBAC, admins_binding
from chaos.lab.control_plane.components import ADMINS, LOOPBACK, ControlPlane, Ports
from chaos.lab.host.processes import Child, await_components, start_child, terminated_as_exit
from chaos.lab.nodes.nodes import takes_pods
from chaos.semantics.timings import LAB, Timings

__all__ = ["SimulatedCluster"]

CONTEXT = "gameday-simulated"
START_ATTEMPTS = 3
READY_DEADLINE_S = 60.0
FAKE = {"kwok.x-k8s.io/node": "fake"}
# Controllers at their usual 20 calls a second would be what a test of thousands of pods measures.
FAST_CLIENTS = ("--kube-api-qps=500", "--kube-api-burst=1000")


class SimulatedCluster:
    """A context manager: enter to start the cluster on free ports of the loopback, leave to end it and its files.

    Everything also ends when this process does, however that happens; after SIGTERM the files are removed too, unless
    the process handles that signal itself. Enter it in a thread that outlives it.
    """

    context = CONTEXT

    def __init__(
        self,
        *,
        kube: Path,
        kwok: KwokProgram,
        timings: Timings = LAB,
        api_server_flags: Sequence[str] = (),
    ) -> None:
        self.timings = timings
        self._kube, self._kwok = kube, kwok
        self._api_server_flags = api_server_flags
        self._folder: Path | None = None
        self._children: list[Child] = []
        self._api: Api | None = None
        self._undo = contextlib.ExitStack()

    @property
    def folder(self) -> Path:
        """Its private folder, with the logs; gone when it is left."""
        assert self._folder is not None, "enter the cluster first"
        return self._folder

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of an administrator. Its only context is `context`."""
        return self.folder / "pki" / "admin.kubeconfig"

    @property
    def api(self) -> Api:
        """The API server, as the administrator."""
        assert self._api is not None, "enter the cluster first"
        return self._api

    @property
    def programs(self) -> tuple[Path, Path, Path]:
        """What it is made of: the Kubernetes program, kwok, and kwok's stages."""
        return (self._kube, self._kwok.binary, self._kwok.stages)

    @property
    def pids(self) -> Mapping[str, int]:
        """The process of each component."""
        return {child.name: child.process.pid for child in self._children}

    def __enter__(self) -> Self:
        self._undo = contextlib.ExitStack()
        try:
            self._undo.enter_context(terminated_as_exit())
            self._folder = Path(tempfile.mkdtemp(prefix="gameday-simulated-"))
            self._undo.callback(shutil.rmtree, self._folder)
            self._undo.callback(self._stop)
            self._start()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def add_nodes(
        self,
        count: int,
        *,
        prefix: str = "node",
        labels: Mapping[str, str] | None = None,
        capacity: Mapping[str, str] | None = None,
    ) -> tuple[str, ...]:
        """Add simulated nodes PREFIX-0 … PREFIX-(count-1) and wait until all are Ready; return their names.

        `labels` are put on each; `capacity` defaults to 8 CPUs, 32 GiB and 110 pods. Raises LabError if a name is
        taken, or if they are not Ready in time.
        """
        names = tuple(f"{prefix}-{index}" for index in range(count))
        room = dict(capacity or {"cpu": "8", "memory": "32Gi", "pods": "110"})
        for name in names:
            node = {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": name,
                    "annotations": FAKE,
                    "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **(labels or {})},
                },
                "status": {"capacity": room, "allocatable": room},
            }
            self.api.create("/api/v1/nodes", node)
        wanted, unready = set(names), [count]

        def all_ready() -> bool:
            nodes = self.api.get("/api/v1/nodes")["items"]
            unready[0] = len(wanted - {node["metadata"]["name"] for node in nodes if takes_pods(node)})
            return unready[0] == 0

        await_components(
            all_ready,
            components=self._children,
            awaited=f"{count} simulated nodes ready",
            deadline_s=READY_DEADLINE_S + count / 20,
            last_seen=lambda: f"{unready[0]} are not",
        )
        return names

    def _start(self) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self._start_on(_free_ports())
            except LabError as failed:
                # Between our finding a port free and its use, somebody else may take it.
                if attempt == START_ATTEMPTS or "address already in use" not in str(failed):
                    raise
                self._stop()
            else:
                return

    def _start_on(self, ports: Ports) -> None:
        control = ControlPlane(
            self.folder,
            bind=LOOPBACK,
            advertised=LOOPBACK,
            timings=self.timings,
            ports=ports,
            api_server_flags=self._api_server_flags,
            client_flags=FAST_CLIENTS,
        )
        self._run("etcd", [self._kube, *control.etcd()])
        self._run("kube-apiserver", [self._kube, *control.api_server()])
        control.kubeconfig("admin", user="gameday", groups=[ADMINS], context=CONTEXT)
        credential = control.authority.issue("maker", user="gameday-maker", groups=["system:masters"])
        with Api(control.server, authority=control.authority.certificate, credential=credential) as maker:
            self._wait("the API server to be ready", maker.ready)
            maker.create(f"/apis/{RBAC}/v1/clusterrolebindings", admins_binding())
        self._run("kube-controller-manager", [self._kube, *control.controller_manager()])
        self._run("kube-scheduler", [self._kube, *control.scheduler()])
        self._run("kwok", self._kwok_command(control))
        self._api = Api(
            control.server,
            authority=control.authority.certificate,
            credential=control.authority.issue("suite", user="gameday", groups=[ADMINS]),
        )
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._wait("the default service account", lambda: self.api.get(account))

    def _kwok_command(self, control: ControlPlane) -> list[str | Path]:
        kubeconfig = control.kubeconfig("kwok", user="kwok", groups=[ADMINS])
        return [
            self._kwok.binary,
            f"--kubeconfig={kubeconfig}",
            f"--config={self._kwok.stages}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            f"--node-lease-duration-seconds={self.timings.node_lease_s}",
        ]

    def _run(self, name: str, argv: Sequence[str | Path]) -> None:
        self._children.append(start_child(name, argv, folder=self.folder))

    def _wait(self, awaited: str, attempt: Any) -> None:
        await_components(attempt, components=self._children, awaited=awaited, deadline_s=READY_DEADLINE_S)

    def _stop(self) -> None:
        if self._api is not None:
            self._api.close()
            self._api = None
        for child in self._children:  # what they keep is thrown away, so there is nothing to save first
            child.process.kill()
        for child in self._children:
            child.process.wait()
        self._children.clear()
        for left in ("etcd", "pki"):
            shutil.rmtree(self.folder / left, ignore_errors=True)


def _free_ports() -> Ports:
    """Three ports of the loopback that nobody listens on now; only etcd and the API server serve anything."""
    with contextlib.ExitStack() as held:
        found = []
        for _ in range(3):
            listener = held.enter_context(socket.socket())
            listener.bind((LOOPBACK, 0))
            found.append(listener.getsockname()[1])
    return Ports(api=found[0], etcd=found[1], etcd_peer=found[2], controller_manager=0, scheduler=0)
