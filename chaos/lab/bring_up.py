"""Bring the lab up, from nothing to nodes that take pods."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chaos.lab.addresses import API_ADDRESS, CLIENT, CONTROL, SERVICE_RANGE, Machine, client
from chaos.lab.api import Api
from chaos.lab.cgroups import Cgroups
from chaos.lab.client import start_client
from chaos.lab.components import await_components
from chaos.lab.control_plane import ADMINS, ControlPlane, make_control_plane
from chaos.lab.facts import CONTEXT, LabFacts, write_facts
from chaos.lab.host_record import change_host
from chaos.lab.launcher import Launcher, in_netns
from chaos.lab.metrics import metrics_objects, metrics_server
from chaos.lab.network import make_network
from chaos.lab.nodes import await_proxy, prepare_node, start_kubelet, start_proxy
from chaos.lab.objects import RBAC, admins_binding, kubelet_client_binding
from chaos.lab.paths import LabPaths
from chaos.lab.pki import private_folder
from chaos.lab.processes import Process
from chaos.lab.timings import KubernetesTimings
from chaos.progress import Progress

__all__ = ["Artefacts", "bring_up", "nodes_ready"]

API_DEADLINE_S, NODES_DEADLINE_S = 60.0, 60.0
GROUP = "control"
FIRST_SERVICE = "10.96.0.1"


@dataclass(frozen=True, slots=True)
class Artefacts:
    """What the lab is made of: the Kubernetes program, a containerd root with all images, and the pause image's name."""

    kube: Path
    golden: Path
    pause: str


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
    paths: LabPaths, machines: Sequence[Machine], artefacts: Artefacts, timings: KubernetesTimings, progress: Progress
) -> LabFacts:
    """Make everything and wait until all nodes take pods. There must be nothing of a lab on the host.

    Raises LabError that names the component that failed; what was made until then is left for the teardown.
    """
    stages = Stages(progress)
    cgroups = Cgroups()
    with stages.stage("namespaces and credentials"):
        for folder in (paths.state, paths.logs, paths.processes, paths.sockets, paths.uses):
            private_folder(folder)
        change_host(paths.host_record)
        for group in (GROUP, "client"):
            cgroups.make(group)
        make_network(machines, client())
        control = make_control_plane(
            paths.control, bind="0.0.0.0", advertised=API_ADDRESS, service_range=SERVICE_RANGE, timings=timings
        )
    launcher = Launcher(paths, cgroups, artefacts.kube)
    with ThreadPoolExecutor(len(machines) + 1) as workers:
        try:
            _start(stages, launcher, control, machines, artefacts, workers)
        except BaseException:
            workers.shutdown(cancel_futures=True)
            raise
    facts = LabFacts(
        kubeconfig=paths.kubeconfig,
        context=CONTEXT,
        nodes=tuple(node.name for node in machines),
        timings=timings.as_mapping(),
        client_netns=CLIENT,
        stages=tuple(stages.taken),
    )
    write_facts(facts, paths.facts)
    return facts


def _start(
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
        control.kubeconfig("kube-proxy", user="system:kube-proxy")
        api = _await_api(launcher, control)
    with stages.stage("controllers and kubelets"):
        _control(launcher, "kube-controller-manager", control.controller_manager())
        _control(launcher, "kube-scheduler", control.scheduler())
        for node, keeper in zip(machines, keepers, strict=True):
            start_kubelet(node, keeper.result(), launcher=launcher, control=control)
        customer = workers.submit(start_client, client(), launcher=launcher, api=api, service=FIRST_SERVICE)
        _control(launcher, "metrics-server", metrics_server(control))
        for path, created in metrics_objects(control.authority.certificate):
            api.create(path, created)
    with stages.stage("nodes ready"):
        _await_nodes(launcher, api, machines)
    with stages.stage("Services led"):
        _start_proxies(launcher, control, machines, workers)
        customer.result()
    api.close()
    raise_first([customer])


def raise_first(futures: Sequence[Future[None]]) -> None:
    """Raise what the first of the futures that failed raised."""
    for future in futures:
        future.result()


def _control(launcher: Launcher, name: str, argv: Sequence[str]) -> Process:
    return launcher.run_kube(name, argv, group=GROUP, namespaces=in_netns(CONTROL))
