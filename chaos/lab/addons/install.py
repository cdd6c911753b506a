"""Add an add-on to the lab that is up: make its objects, start its programs, wait until it serves; or undo all that."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaos.errors import LabError
from chaos.lab.addons.addon import Addon, AddonProgram, Site
from chaos.lab.control_plane.aggregated import API_SERVICES
from chaos.lab.control_plane.api import Api, suite_api
from chaos.lab.control_plane.authorization import REVIEWS_PATH
from chaos.lab.control_plane.pki import Authority, private_folder
from chaos.lab.host.cgroups import Cgroups
from chaos.lab.host.network import nodes as machines
from chaos.lab.host.paths import LabPaths
from chaos.lab.host.processes import (
    Process,
    await_components,
    in_netns,
    processes_recorded,
    record_process,
    start_process,
)
from chaos.lab.status import LabFacts
from chaos.progress import Progress

__all__ = ["add_addon"]

READY_S, RIGHTS_S, END_S = 60.0, 15.0, 5.0
CUSTOM_RESOURCE = "CustomResourceDefinition"


def add_addon(addon: Addon, made: Path, *, paths: LabPaths, facts: LabFacts, progress: Progress) -> None:
    """Have an add-on in the lab, and return once it serves; at once if all its programs run.

    `made` is what its `make` gave. One whose programs ended is started again. A start that fails or is interrupted
    leaves none of what it made. Raises LabError.
    """
    if _runs(addon.name, paths):
        return
    site = Site(
        made=made,
        folder=private_folder(paths.addons / addon.name),
        authority=Authority(paths.control / "pki", "ca", kept=True),
        nodes=machines(len(facts.nodes)),
    )
    with progress.step(f"start {addon.title}"), suite_api(paths) as api:
        _Start(addon, site, paths, api).run()


def _runs(name: str, paths: LabPaths) -> bool:
    """Whether an add-on came up, and every program of it lives."""
    try:
        own = set(json.loads((paths.addons / f"{name}.json").read_text()))
    except FileNotFoundError:
        return False
    return own == {process.name for process in _alive(paths) if process.name in own}


def _alive(paths: LabPaths) -> tuple[Process, ...]:
    return tuple(process for process in processes_recorded(paths.processes) if process.alive())


class _Start:
    """One start of an add-on, with what it has made so far."""

    def __init__(self, addon: Addon, site: Site, paths: LabPaths, api: Api) -> None:
        self.addon, self.site, self.paths, self.api = addon, site, paths, api
        self.created: list[str] = []
        self.started: list[Process] = []

    def run(self) -> None:
        """Make, start and wait; the file that tells of the add-on is there only while it is whole."""
        told = self.paths.addons / f"{self.addon.name}.json"
        told.unlink(missing_ok=True)
        try:
            self._make_objects()
            processes = self._start_programs()
            self._await(processes, READY_S, f"{self.addon.title} to serve", lambda: self._unready(processes))
            self.addon.settle(self.site)
        except BaseException:
            self._undo()
            raise
        told.write_text(json.dumps([process.name for process in processes]))

    def _make_objects(self) -> None:
        resources = []
        for path, body in self.addon.objects(self.site):
            own = f"{path}/{body['metadata']['name']}"
            there = self.api.get(own)
            if there is None:
                self.api.create(path, body)
                self.created.append(own)
            elif path == API_SERVICES:
                _refuse_foreign(body, there)
            if body.get("kind") == CUSTOM_RESOURCE:
                resources.append(own)
        self._await((), RIGHTS_S, "the custom resources to be served", lambda: self._unserved(resources))
        self._await((), RIGHTS_S, "the rights to be in force", self._not_allowed)

    def _start_programs(self) -> list[Process]:
        """Start those that do not run; all of them, in the order of the add-on's table."""
        running = {process.name: process for process in _alive(self.paths)}
        processes = []
        for program in self.addon.programs(self.site):
            process = running.get(program.name)
            if process is None:
                process = self._start(program)
                self.started.append(process)
                record_process(process, self.paths.processes)
            processes.append(process)
        return processes

    def _start(self, program: AddonProgram) -> Process:
        named = [f"{name}={value}" for name, value in program.environment.items()]
        return start_process(
            program.name,
            ["env", *named, *program.argv] if named else program.argv,
            groups=Cgroups().folders(program.group),
            namespaces=in_netns(program.netns),
            logs=self.paths.logs,
        )

    def _unserved(self, resources: Sequence[str]) -> str:
        unserved = [own for own in resources if not _holds(self.api.get(own), "Established")]
        return f"not yet: {', '.join(path.rpartition('/')[2] for path in unserved)}" if unserved else ""

    def _not_allowed(self) -> str:
        for review in self.addon.reviews:
            if not self.api.create(REVIEWS_PATH, review)["status"].get("allowed"):
                asked = review["spec"]["resourceAttributes"]
                return f"{review['spec']['user']} may not {asked['verb']} {asked['resource']} yet"
        return ""

    def _unready(self, processes: Sequence[Process]) -> str:
        if awaited := self.addon.awaited(processes):
            return awaited
        for name in self.addon.api_services:
            there = self.api.get(f"{API_SERVICES}/{name}")
            if not _holds(there, "Available"):
                return f"{name} is not available: {_words(there, 'Available')}"
        return ""

    def _await(self, processes: Sequence[Process], deadline_s: float, awaited: str, missing: Callable[[], str]) -> None:
        seen = [""]

        def nothing_missing() -> bool:
            seen[0] = missing()
            return not seen[0]

        await_components(
            nothing_missing,
            components=processes,
            awaited=awaited,
            deadline_s=deadline_s,
            last_seen=lambda: seen[0],
        )

    def _undo(self) -> None:
        """End what was started, delete what was made: an API that nobody serves would keep namespaces from ending."""
        for process in reversed(self.started):
            # Its record goes first: a lab whose programs are not all alive reads as broken.
            (self.paths.processes / f"{process.name}.json").unlink(missing_ok=True)
            process.end(END_S)
        for path in reversed(self.created):
            with suppress(LabError):  # what went wrong first is what is told
                self.api.delete(path)


def _refuse_foreign(body: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    """Refuse to take over an API that somebody else serves in this lab."""
    own, other = body["spec"]["service"], there["spec"].get("service") or {}
    if (own["namespace"], own["name"]) != (other.get("namespace"), other.get("name")):
        name, served = body["metadata"]["name"], f"{other.get('namespace')}/{other.get('name')}"
        raise LabError(f"{name} is served by {served} in this lab", f"kubectl delete apiservice {name}, then again")


def _condition(there: Mapping[str, Any] | None, kind: str) -> Mapping[str, Any]:
    conditions = ((there or {}).get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == kind), {})


def _holds(there: Mapping[str, Any] | None, kind: str) -> bool:
    return _condition(there, kind).get("status") == "True"


def _words(there: Mapping[str, Any] | None, kind: str) -> str:
    return str(_condition(there, kind).get("message") or "nothing is said of it")
