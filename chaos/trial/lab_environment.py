"""The lab on this host as the environment of a session."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from typing_extensions import override

from chaos.cluster import connect, unrecorded_executor
from chaos.errors import LabError
from chaos.faults import Infrastructure
from chaos.faults.permissions import AUTOSCALING, Right
from chaos.faults.undo import undo_leftovers
from chaos.lab import Lab
from chaos.lab.control_plane.build import Release
from chaos.lab.images.recipes import MODEL_IMAGE, load_image
from chaos.lab.lab import lab_session
from chaos.lab.metrics_path import LabMetricsPath
from chaos.lab.nodes.containers import LabContainers
from chaos.lab.nodes.infrastructure import LabNodeInfrastructure, LabPodNetwork
from chaos.lab.nodes.probes import LabProbes
from chaos.lab.upgrade import LabUpgrader
from chaos.progress import Progress
from chaos.semantics import Timings
from chaos.system import System
from chaos.system.deploy.namespace import sweep
from chaos.trial.environment import Environment
from chaos.trial.preflight.service_account import ServiceAccount, least_privileged
from loadgen.origin import LabClient, Origin

__all__ = ["LAB_INFRASTRUCTURE", "lab_environment"]

LAB_INFRASTRUCTURE = Infrastructure(
    nodes=LabNodeInfrastructure(),
    pod_network=LabPodNetwork(),
    containers=LabContainers(),
    probes=LabProbes(),
    upgrade=LabUpgrader(),
    metrics=LabMetricsPath(),
)


SEEN = tuple(replace(right, everywhere=True) for right in AUTOSCALING)
"""What autoscalers are shown beside CPU and memory, where an add-on serves it."""

METRIC_DELAY_S = 10.0
"""The lab's Prometheus looks for pods and scrapes them every 2 s; its adapters ask it each time that they are asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabEnvironment(Environment):
    """The lab; scenarios run as `account`, which has the rights that they need and no more."""

    kind: ClassVar[Literal["lab", "context"]] = "lab"
    has_dns: ClassVar[bool] = False

    lab: Lab
    account: ServiceAccount
    progress: Progress

    @property
    @override
    def origin_name(self) -> str:
        return "lab client"

    @property
    @override
    def proxied(self) -> bool:
        return False

    @override
    def origin(self, system: System) -> Origin:
        return LabClient(f"http://{system.cluster_ip}:{system.port}")

    @override
    def client_command(self, command: list[str]) -> list[str]:
        return self.lab.client_command(command)

    @override
    def load_image(self) -> str:
        return self.lab.take_image(load_image(self.progress), self.progress)

    @override
    def grant(self, rights: Sequence[Right]) -> None:
        self.account.grant((*rights, *SEEN))


@contextmanager
def lab_environment(
    *,
    nodes: int,
    keep: bool,
    words: str,
    progress: Progress,
    image: str = "",
    release: Release | None = None,
) -> Iterator[LabEnvironment]:
    """The lab, started if it is not running; one that this session started is taken down at its end unless `keep`.

    `image` is one that `gameday lab load` put there, in place of the reference model's. `release` is as in `Lab`.

    Raises `LabError` if it cannot be started, and at the end if the API server refused the account anything: then a
    right is missing from our tables, whatever came of it.
    """
    lab = Lab(release=release)
    with (
        lab_session(lab, nodes=nodes, words=words, keep=keep, progress=progress) as facts,
        connect(kubeconfig=facts.kubeconfig, context=facts.context) as admin,
    ):
        # Whatever a dead session could do, the lab is whole again for the next one, which may be able to do less.
        undo_leftovers(admin, None, LAB_INFRASTRUCTURE)
        with least_privileged(admin, facts.kubeconfig) as account:
            sweep(account.cluster, unrecorded_executor(account.cluster))
            lab.reclaim_volumes()
            yield LabEnvironment(
                cluster=account.cluster,
                timings=Timings.of({**facts.timings, "metric_delay_s": METRIC_DELAY_S}),
                reference_image=lab.require_image(image) if image else MODEL_IMAGE,
                infrastructure=LAB_INFRASTRUCTURE,
                lab=lab,
                account=account,
                progress=progress,
            )
            if refused := lab.refused(account.user):
                raise LabError(
                    f"the account of these scenarios was refused: {', '.join(refused)}",
                    "a right is missing in chaos/faults/permissions.py",
                )
