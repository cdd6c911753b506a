"""How an add-on is started, started again, and undone, before a cluster and with programs that stand in."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

from chaos.errors import LabError
from chaos.lab.addons import install
from chaos.lab.addons.addon import Addon, AddonProgram, Site
from chaos.lab.addons.install import add_addon
from chaos.lab.control_plane.aggregated import API_SERVICES, AggregatedServer, Collected
from chaos.lab.control_plane.authorization import REVIEWS_PATH
from chaos.lab.control_plane.build import Release
from chaos.lab.control_plane.pki import Authority, private_folder
from chaos.lab.host import processes
from chaos.lab.host.paths import LabPaths
from chaos.lab.host.processes import Process, processes_recorded
from chaos.lab.status import LabFacts, addons_added
from chaos.progress import Silent

SERVER = AggregatedServer("thing", "gameday:thing", 4999, ("things.k8s.io/v1",))
RESOURCES = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RESOURCE = {"kind": "CustomResourceDefinition", "metadata": {"name": "things"}}


class Cluster:
    """An API server: it keeps what it is given, and finds an APIService available where `serves` says so."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.serves, self.allows, self.refuses = True, True, ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""

    def get(self, path: str) -> Any:
        """An object with the conditions that it has by now, or None."""
        there = self.kept.get(path)
        if there is None:
            return None
        status = "True" if self.serves else "False"
        conditions = [{"type": kind, "status": status, "message": "no answer"} for kind in ("Available", "Established")]
        return {**there, "status": {"conditions": conditions}}

    def create(self, path: str, body: Mapping[str, Any]) -> Any:
        """Keep an object, or answer a review."""
        if path == REVIEWS_PATH:
            return {"status": {"allowed": self.allows}}
        if path == self.refuses:
            raise LabError(f"the API server refused POST {path}")
        own = f"{path}/{body['metadata']['name']}"
        assert own not in self.kept
        self.kept[own] = dict(body)
        return body

    def delete(self, path: str) -> None:
        """Forget an object."""
        del self.kept[path]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster of the lab; its programs are sleeps that end with the test, and waits are short."""
    here, children = Cluster(), list[subprocess.Popen[bytes]]()

    def start(name: str, argv: Sequence[str | Path], *, logs: Path, **_: object) -> Process:
        assert logs.name == "logs"
        children.append(subprocess.Popen(list(argv)))
        pid = children[-1].pid
        return Process(name, pid, processes._started_ticks(pid) or 0, str(logs / f"{name}.log"))

    monkeypatch.setattr(install, "suite_api", lambda _paths: here)
    monkeypatch.setattr(install, "start_process", start)
    monkeypatch.setattr(install, "READY_S", 0.4)
    monkeypatch.setattr(install, "RIGHTS_S", 0.4)
    yield here
    for child in children:
        child.kill()
        child.wait()


@pytest.fixture
def paths(tmp_path: Path) -> LabPaths:
    """The folders of a lab that is up."""
    paths = LabPaths(tmp_path / "lab")
    for folder in (paths.processes, paths.control / "pki"):
        private_folder(folder)
    Authority(paths.control / "pki", "ca")
    return paths


def _objects(site: Site) -> Sequence[Collected]:
    return ((RESOURCES, RESOURCE), *SERVER.objects(site.authority.certificate))


def _programs(_site: Site) -> Sequence[AddonProgram]:
    return tuple(AddonProgram(name, ["sleep", "60"], environment={"A": name}) for name in ("thing-a", "thing-b"))


THING = Addon(
    name="thing",
    title="A thing",
    told="it is there",
    make=lambda _progress: Path(),
    objects=_objects,
    reviews=(SERVER.start_review(),),
    api_services=SERVER.api_services,
    programs=_programs,
)


def add(addon: Addon, paths: LabPaths) -> None:
    """Add it to a lab of two nodes."""
    facts = LabFacts(paths.kubeconfig, "gameday-lab", ("n1", "n2"), {}, (), Release())
    add_addon(addon, Path(), paths=paths, facts=facts, progress=Silent())


def pids(paths: LabPaths) -> dict[str, int]:
    """The programs that are noted as the lab's, and live."""
    return {one.name: one.pid for one in processes_recorded(paths.processes) if one.alive()}


def test_one_that_serves_is_told_and_a_second_time_changes_nothing(cluster: Cluster, paths: LabPaths) -> None:
    """All its objects and programs are there; the note comes last."""
    add(THING, paths)
    first, made = pids(paths), set(cluster.kept)
    assert addons_added(paths) == ("thing",)
    assert set(first) == {"thing-a", "thing-b"}
    assert f"{API_SERVICES}/v1.things.k8s.io" in made
    add(THING, paths)
    assert (pids(paths), set(cluster.kept)) == (first, made)


def test_what_ended_is_started_again_beside_what_runs(cluster: Cluster, paths: LabPaths) -> None:
    """Its objects stay, and so does the program that lives."""
    add(THING, paths)
    first = pids(paths)
    end(paths, "thing-b")
    add(THING, paths)
    again = pids(paths)
    assert again["thing-a"] == first["thing-a"]
    assert again["thing-b"] != first["thing-b"]


def end(paths: LabPaths, name: str) -> None:
    """Have a program die, and be noted as if it lived."""
    (one,) = (process for process in processes_recorded(paths.processes) if process.name == name)
    subprocess.run(["kill", "-9", str(one.pid)], check=True)
    processes.until(lambda: not one.alive(), deadline_s=10, awaited="its end")


@pytest.mark.parametrize("trouble", ["serves", "allows", "refuses", "settle", "interrupted"])
def test_a_start_that_fails_leaves_nothing(cluster: Cluster, paths: LabPaths, trouble: str) -> None:
    """No object, no program, no note: neither the API that nobody serves nor a lab that reads as broken."""

    def fails(_site: Site) -> None:
        raise KeyboardInterrupt if trouble == "interrupted" else LabError("no queue")

    addon = replace(THING, settle=fails) if trouble in {"settle", "interrupted"} else THING
    cluster.serves, cluster.allows = trouble != "serves", trouble != "allows"
    cluster.refuses = API_SERVICES if trouble == "refuses" else ""
    with pytest.raises(KeyboardInterrupt if trouble == "interrupted" else LabError):
        add(addon, paths)
    assert not cluster.kept
    assert not processes_recorded(paths.processes)
    assert addons_added(paths) == ()


@pytest.mark.parametrize(
    ("trouble", "told"), [("serves", "custom resources.*things"), ("allows", "gameday:thing may not get configmaps")]
)
def test_what_is_awaited_in_vain_is_said(cluster: Cluster, paths: LabPaths, trouble: str, told: str) -> None:
    """By its name, not as a time that ran out."""
    setattr(cluster, trouble, False)
    with pytest.raises(LabError, match=told):
        add(THING, paths)


def test_a_server_that_does_not_answer_is_named_with_the_clusters_words(cluster: Cluster, paths: LabPaths) -> None:
    """The API server says why it finds an APIService unavailable."""
    cluster.serves = False
    addon = replace(THING, objects=lambda site: SERVER.objects(site.authority.certificate))
    with pytest.raises(LabError, match=r"v1\.things\.k8s\.io is not available: no answer"):
        add(addon, paths)


def test_a_program_that_ends_at_once_is_named_with_its_last_words(
    cluster: Cluster, paths: LabPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait ends with it."""
    monkeypatch.setattr(install, "READY_S", 20.0)
    addon = replace(
        THING,
        programs=lambda _site: [AddonProgram("thing-a", ["false"])],
        awaited=lambda _processes: "its queue",
    )
    with pytest.raises(LabError, match="thing-a ended while"):
        add(addon, paths)
    assert not cluster.kept


def test_an_api_that_somebody_else_serves_is_not_taken_over(cluster: Cluster, paths: LabPaths) -> None:
    """Be it one that a user installed by hand in this lab; it stays, and is named."""
    name = SERVER.api_services[0]
    other = {"metadata": {"name": name}, "spec": {"service": {"namespace": "own", "name": "mine"}}}
    cluster.kept[f"{API_SERVICES}/{name}"] = other
    with pytest.raises(LabError, match=f"{name} is served by own/mine"):
        add(THING, paths)
    assert cluster.kept == {f"{API_SERVICES}/{name}": other}
    assert not pids(paths)


def test_the_note_of_one_that_fails_to_start_again_goes(cluster: Cluster, paths: LabPaths) -> None:
    """What was there before stays, and is not called an add-on any more."""
    add(THING, paths)
    assert json.loads((paths.addons / "thing.json").read_text()) == ["thing-a", "thing-b"]
    end(paths, "thing-a")
    cluster.allows = False
    with pytest.raises(LabError, match="may not"):
        add(THING, paths)
    assert addons_added(paths) == ()
    assert f"{API_SERVICES}/{SERVER.api_services[0]}" in cluster.kept
