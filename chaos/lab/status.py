"""The lab's state: the facts of one that came up, which of its programs live, and who uses it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chaos.errors import LabError
from chaos.lab.control_plane.api import suite_api
from chaos.lab.control_plane.build import Release
from chaos.lab.host.lock import User, users
from chaos.lab.host.paths import LabPaths
from chaos.lab.host.processes import processes_recorded
from chaos.lab.nodes.nodes import nodes_ready
from chaos.lab.teardown import anything_left

__all__ = ["CONTEXT", "LabFacts", "LabStatus", "addons_added", "look", "read_facts", "write_facts"]


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One of the lab's programs."""

    name: str
    pid: int
    alive: bool
    log: Path


@dataclass(frozen=True, slots=True)
class LabStatus:
    """What there is of a lab. `facts` is None unless it came up and was not taken down since.

    `remains` says that there is something of a lab on this host, be it whole or not. `addons` are those that came up.
    """

    remains: bool
    facts: LabFacts | None
    components: tuple[ComponentStatus, ...]
    api_ready: bool
    nodes: tuple[tuple[str, bool], ...]
    users: tuple[User, ...]
    addons: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every program lives and the API server answers."""
        return self.facts is not None and self.api_ready and all(component.alive for component in self.components)

    @property
    def well(self) -> bool:
        """Whether it is whole and all its nodes take pods."""
        if self.facts is None or not self.whole:
            return False
        ready = {name for name, takes_pods in self.nodes if takes_pods}
        return set(self.facts.nodes) <= ready

    @property
    def may_become_well(self) -> bool:
        """Whether it came up, is not well now, and every program of it runs."""
        return self.facts is not None and not self.well and all(component.alive for component in self.components)

    @property
    def words(self) -> str:
        """The state in one line."""
        if not self.remains:
            return "there is no lab"
        if self.facts is None:
            return "the lab is half-built: it is being started, or its start was killed"
        if dead := [component.name for component in self.components if not component.alive]:
            return f"the lab is broken, these programs ended: {', '.join(dead)}"
        if not self.api_ready:
            return "the lab's API server does not answer"
        unready = sorted(set(self.facts.nodes) - {name for name, takes_pods in self.nodes if takes_pods})
        return f"the lab is up, not Ready: {', '.join(unready)}" if unready else "the lab is up, all nodes Ready"


def look(paths: LabPaths) -> LabStatus:
    """Look at what there is, changing nothing."""
    facts = read_facts(paths.facts)
    components = tuple(
        ComponentStatus(name=process.name, pid=process.pid, alive=process.alive(), log=process.log)
        for process in processes_recorded(paths.processes)
    )
    # An API server whose etcd is gone answers nothing for as long as it is asked.
    ready, nodes = _ask(paths) if facts and all(component.alive for component in components) else (False, {})
    return LabStatus(
        remains=anything_left(paths),
        facts=facts,
        components=components,
        api_ready=ready,
        nodes=tuple(sorted(nodes.items())),
        users=users(paths.uses),
        addons=addons_added(paths),
    )


def addons_added(paths: LabPaths) -> tuple[str, ...]:
    """The names of the add-ons that came up in the lab, in the order of their names."""
    return tuple(sorted(path.stem for path in paths.addons.glob("*.json")))


def _ask(paths: LabPaths) -> tuple[bool, dict[str, bool]]:
    try:
        api = suite_api(paths)
    except OSError:
        return False, {}
    with api:
        try:
            return api.ready(), nodes_ready(api)
        except LabError:
            return False, {}


CONTEXT = "gameday-lab"


@dataclass(frozen=True, slots=True)
class LabFacts:
    """A lab that came up.

    `release` is which Kubernetes it is, `timings` are Kubernetes' own as it runs here, `stages` what starting it took,
    in seconds.
    """

    kubeconfig: Path
    context: str
    nodes: tuple[str, ...]
    timings: Mapping[str, Any]
    stages: tuple[tuple[str, float], ...]
    release: Release


def write_facts(facts: LabFacts, path: Path) -> None:
    """Write the facts, whole or not at all."""
    whole = path.with_suffix(".new")
    whole.write_text(json.dumps(asdict(facts) | {"kubeconfig": str(facts.kubeconfig)}, indent=1) + "\n")
    whole.rename(path)


def read_facts(path: Path) -> LabFacts | None:
    """The facts of the lab that came up and was not taken down, or None."""
    try:
        kept = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return LabFacts(
        kubeconfig=Path(kept["kubeconfig"]),
        context=kept["context"],
        nodes=tuple(kept["nodes"]),
        timings=kept["timings"],
        stages=tuple((name, seconds) for name, seconds in kept["stages"]),
        release=Release(**kept.get("release", {})),
    )
