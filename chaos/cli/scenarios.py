"""`gameday scenarios`: the ready-made scenarios, what each needs, and whether this system meets it. Reads only."""

import contextlib
import importlib.util
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import pytest
import typer

from chaos.cli.cluster import NoCluster, found_here, reach
from chaos.errors import UsageError, one_line
from chaos.faults.permissions import LOAD
from chaos.plugin.capacity import tells_load
from chaos.plugin.markers import lacks_of_adopted, lacks_to_deploy, scenario_activities
from chaos.plugin.spec_fields import deployed_fields, wanted_fields
from chaos.system import SystemSpec
from chaos.system.adopt.find import Adopted
from chaos.trial.environment import Environment
from chaos.trial.preflight.consent import unallowed
from chaos.trial.request import LoadSettings

__all__ = ["scenarios_command"]

PACKAGE = "gameday_scenarios"
NO_SYSTEM = "there is no gameday.toml here, and the lab is not up: gameday lab up"


NEEDS = {
    "replicas_min": "replicas at least",
    "at_once_min": "pods that may be down at once",
    "evictable_min": "pods that the disruption budget lets go at least",
    "evictable_max": "pods that the disruption budget lets go at most",
    "refused_min": "evictions beyond the disruption budget",
    "nodes_out": "nodes that may be out at once:",
    "node_share_max": "a node with at most this share of the replicas:",
}
"""What a scenario says that it needs, for people."""


def scenarios_command(
    *,
    system: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your gameday.toml; default: the one here, else the lab.")
    ] = None,
    where: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="List scenarios of your own instead.")
    ] = None,
) -> None:
    """List the ready-made scenarios with what each needs, and whether this system meets it. Changes nothing."""
    items = _collected(where)
    with _reached(system or found_here("cluster.kubeconfig")) as environment:
        adopted = environment.adoption.find() if environment and environment.adoption else None
        shown = {item.nodeid.partition("[")[0]: item for item in reversed(items)}
        for name, item in reversed(shown.items()):
            for line in (name.rpartition("/")[2], f"    {_claim(item)}", f"    needs: {_needs(item)}"):
                print(one_line(line))  # noqa: T201
            if environment is not None:
                print(one_line(f"    here:  {_here(item, environment, adopted) or 'yes'}"))  # noqa: T201
    print("\nrun them: pytest " + (str(where) if where else f"--pyargs {PACKAGE}"))  # noqa: T201
    if environment is None:
        print(f"whether this system meets it is not known: {NO_SYSTEM}", file=sys.stderr)  # noqa: T201


class _Collector:
    """Keeps what pytest collects."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """See pytest."""
        self.items = list(session.items)


def _collected(where: Path | None) -> Sequence[pytest.Item]:
    which = [str(where)] if where else _ready_made()
    collector = _Collector()
    plain = ["--collect-only", "-o", "addopts=", "-p", "no:cacheprovider", "--gameday-config", ""]
    with contextlib.redirect_stdout(io.StringIO()):
        code = pytest.main([*plain, *which], plugins=[collector])
    if code != pytest.ExitCode.OK:
        raise UsageError(f"no scenarios in {which[-1]}", f"see why: pytest --collect-only {' '.join(which)}")
    return collector.items


def _ready_made() -> list[str]:
    """Where they are, for pytest, which is to run no conftest.py and to read no options of the folder where we are."""
    spec = importlib.util.find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    folder = str(places[0] if places else Path(__file__).parents[2] / "scenarios")
    return ["-c", os.devnull, "--rootdir", folder, "--confcutdir", folder, folder]


@contextlib.contextmanager
def _reached(path: Path | None) -> Iterator[Environment | None]:
    """The cluster of the file, else the lab if it is up."""
    try:
        found = reach(path, "", None)
    except NoCluster:
        yield None
        return
    with found.cluster as cluster:
        yield Environment(cluster=cluster, adoption=found.adoption, infrastructure=found.infrastructure)


def _claim(item: pytest.Item) -> str:
    function = getattr(item, "function", None)
    return ((function.__doc__ if function else "") or "").strip().partition("\n")[0]


def _needs(item: pytest.Item) -> str:
    """What the scenario needs of the system, of the cluster, and of its owners."""
    fields = wanted_fields(item)
    replicas = fields.pop("replicas", None)
    needs = [f"{replicas} replicas"] if replicas else []
    needs += [name.replace("_", " ") for name in fields if name not in ("env", "cpu_request", "cpu_limit")]
    for marker in item.iter_markers("needs"):
        needs += [str(one) for one in marker.args]
        needs += [f"{NEEDS.get(key, key.replace('_', ' '))} {value}" for key, value in marker.kwargs.items()]
    allowed = [action.name for action in scenario_activities(item, LoadSettings()) if not action.reads]
    allowed += ["load, or a stated replica_rps"] if tells_load(item) and LOAD.name not in allowed else []
    return ", ".join(dict.fromkeys(needs)) + (f"; consent: {', '.join(allowed)}" if allowed else "")


def _here(item: pytest.Item, environment: Environment, adopted: Adopted | None) -> str:
    """Why the scenario cannot run here; empty if it can."""
    if adopted is None or environment.adoption is None:
        spec = SystemSpec(name="model", image="any").having(**deployed_fields(item))
        return "; ".join(dict.fromkeys(lacks_to_deploy(item, environment, spec, ours=True)))
    written = environment.adoption.config.load
    load = LoadSettings(in_cluster=written.in_cluster, ingress=written.ingress)
    activities = scenario_activities(item, load)
    if environment.adoption.config.system.replica_rps is None and tells_load(item):
        activities = (*activities, LOAD)
    lacks = lacks_of_adopted(item, environment, adopted, activities)
    return "; ".join(dict.fromkeys(lacks or unallowed(environment.adoption, adopted, activities)))
