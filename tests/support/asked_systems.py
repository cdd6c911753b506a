"""Which systems the scenarios of this repository ask for: each scenario belongs to the first that it can be had on."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from chaos.plugin.spec_fields import deployed_fields
from chaos.system import SystemSpec
from chaos.system.spec.compatibility import unmet

__all__ = ["Asked", "System", "asked", "systems"]

TOLD_AT = "GAMEDAY_TEST_ASKED"
COLLECTING_S = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """A scenario by pytest's name, and the fields of the spec with which it would deploy its system."""

    nodeid: str
    fields: Mapping[str, Any]

    @property
    def file(self) -> str:
        """The file that it is in."""
        return self.nodeid.partition("::")[0]


@dataclass(frozen=True, slots=True)
class System:
    """A system to deploy, and the scenarios that are run on it."""

    name: str
    spec: SystemSpec
    scenarios: tuple[Asked, ...]

    def by_file(self) -> dict[str, list[str]]:
        """Its scenarios by pytest's names, under the file's own name."""
        files = dict.fromkeys(one.file for one in self.scenarios)
        return {Path(file).stem: [one.nodeid for one in self.scenarios if one.file == file] for file in files}


def asked(root: Path) -> tuple[Asked, ...]:
    """What pytest collects in `scenarios`, by a pytest of its own: one inside the other would share its state."""
    argv = [sys.executable, "-m", "pytest", "scenarios", "--collect-only", "-q", "-p", "no:cacheprovider"]
    command = [*argv, "-p", Path(__file__).stem]
    with TemporaryDirectory() as folder:
        told = Path(folder) / "asked.json"
        environment = {**os.environ, TOLD_AT: str(told), "PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=COLLECTING_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return tuple(Asked(one["nodeid"], one["fields"]) for one in json.loads(told.read_text()))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write down what was collected, where this module is that pytest's plugin."""
    if told := os.environ.get(TOLD_AT):
        found = [{"nodeid": one.nodeid, "fields": _plain(deployed_fields(one))} for one in session.items]
        Path(told).write_text(json.dumps(found))


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has it, and each part with no more than the scenario names of it."""
    spec = SystemSpec(name="any", image="any").having(**fields)
    return spec.model_dump(mode="json", include=set(fields), exclude_unset=True)


def systems(plain: SystemSpec, scenarios: Sequence[Asked]) -> tuple[System, ...]:
    """A system for each scenario; one with more replicas also takes those that ask for fewer."""
    chosen: list[tuple[SystemSpec, list[Asked]]] = []
    for one in sorted(scenarios, key=lambda one: -int(one.fields.get("replicas", 0))):
        fits = (held for spec, held in chosen if not unmet(spec, one.fields))
        if (held := next(fits, None)) is None:
            chosen.append((plain.having(**one.fields), held := []))
        held.append(one)
    return tuple(System(_name(index, held), spec, tuple(held)) for index, (spec, held) in enumerate(chosen))


def _name(index: int, held: Sequence[Asked]) -> str:
    """The system's number and what its first scenario is about, fit for a namespace."""
    return f"{index}-{Path(held[0].file).stem.removeprefix('test_')}".replace("_", "-")
