"""What an add-on of the lab is: its programs with their arguments, the objects that they need, and when it is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.lab.control_plane.aggregated import Collected
from chaos.lab.control_plane.components import Ports
from chaos.lab.control_plane.pki import Authority, write_kubeconfig
from chaos.lab.host.cgroups import CONTROL_GROUP
from chaos.lab.host.network import API_ADDRESS, CONTROL, Machine
from chaos.lab.host.processes import Process
from chaos.lab.status import CONTEXT
from chaos.progress import Progress

__all__ = ["MODULES", "Addon", "AddonProgram", "Site"]

MODULES = Path(__file__).parent
"""One folder for each Go module, with its go.mod and go.sum."""


@dataclass(frozen=True, slots=True)
class Site:
    """The lab that something is added to.

    `made` is what the add-on was built or fetched as; `folder` is the add-on's own, and private; it goes with the lab.
    """

    made: Path
    folder: Path
    authority: Authority
    nodes: tuple[Machine, ...]

    def kubeconfig(self, name: str, *, user: str) -> Path:
        """Issue a client certificate for `user`, and write a kubeconfig for it."""
        return write_kubeconfig(
            self.folder / f"{name}.kubeconfig",
            server=f"https://{API_ADDRESS}:{Ports().api}",
            authority=self.authority.certificate,
            credential=self.authority.issue(name, user=user),
            context=CONTEXT,
        )


@dataclass(frozen=True, slots=True)
class AddonProgram:
    """A program that runs beside the control plane, or in another control group and network namespace of the lab."""

    name: str
    argv: Sequence[str | Path]
    group: str = CONTROL_GROUP
    netns: str = CONTROL
    environment: Mapping[str, str] = field(default_factory=dict)


def _nothing(_site: Site) -> Sequence[Collected]:
    return ()


def _at_once(_processes: Sequence[Process]) -> str:
    return ""


def _no_more(_site: Site) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Addon:
    """Something that can be added to a lab.

    Attributes:
        name: as in `gameday lab add NAME`.
        title: for people.
        told: what whoever added it wants to know.
        needs: add-ons that it does not work without.
        api_services: the APIServices that it registers; ready once the API server finds them available.
        reviews: the rights that must be in force before it starts, as questions to the API server.
        make: builds or fetches what it is made of, unless that is cached. Raises LabError.
        objects: what it needs in the cluster, in the order of creation.
        programs: what runs, with all that the arguments name written.
        awaited: what its programs are not ready for yet; empty: they are ready.
        settle: what is to be done once they are ready. Raises LabError.
    """

    name: str
    title: str
    told: str
    make: Callable[[Progress], Path]
    programs: Callable[[Site], Sequence[AddonProgram]]
    needs: tuple[str, ...] = ()
    api_services: tuple[str, ...] = ()
    reviews: tuple[Mapping[str, Any], ...] = ()
    objects: Callable[[Site], Sequence[Collected]] = _nothing
    awaited: Callable[[Sequence[Process]], str] = _at_once
    settle: Callable[[Site], None] = _no_more
