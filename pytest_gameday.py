"""What pytest loads of gameday: the plugin, or one line where a package of the user's own hides it.

It stands beside the package `chaos`, not in it, so that it is found where `chaos` is somebody else's.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest

__all__ = ["clash", "clash_words"]

PACKAGES = {"chaos": "plugin/hooks.py", "loadgen": "generator/locustfile.py", "reports": "page/__init__.py"}
"""The packages of gameday, and a file by which each is known."""


def clash(names: Iterable[str] = PACKAGES) -> Path | None:
    """Where Python finds the first package of these names that is not gameday's; None if all are."""
    for name in names:
        module = sys.modules.get(name)
        spec = getattr(module, "__spec__", None) or importlib.util.find_spec(name)
        places = (spec.submodule_search_locations or [spec.origin or name]) if spec else []
        if foreign := next((Path(place) for place in places if _foreign(Path(place), name)), None):
            return foreign
    return None


def _foreign(place: Path, name: str) -> bool:
    return place.exists() and not (place / PACKAGES[name]).is_file()


def clash_words(place: Path) -> str:
    """Say what the clash is, and what to do, in one line."""
    return (
        f"gameday: {place} has the name of a package of gameday's ({', '.join(PACKAGES)}), and only one of them can be "
        "imported: rename it, or run pytest --import-mode=importlib (not python -m pytest), or leave gameday out with "
        "-p no:gameday"
    )


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Bring the plugin in, unless `chaos` is somebody else's."""
    pluginmanager.register(_Absent(place) if (place := clash(["chaos"])) else _plugin(), "gameday-plugin")


def _plugin() -> object:
    from chaos.plugin import hooks

    return hooks


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Say in one line that a module cannot be imported because two packages have one name."""
    report = yield
    if report.failed and (place := _to_blame(report.longreprtext, collector.config.rootpath)):
        report.longrepr = clash_words(place)
    return report


def _to_blame(error: str, root: Path) -> Path | None:
    """The user's package that an error of importing is about, if it is about one that has a name of ours."""
    for name in PACKAGES:
        if f"No module named '{name}." in error or (f" from '{name}" in error and "cannot import name" in error):
            return clash([name]) or _beside(root, name)
    return None


def _beside(root: Path, name: str) -> Path | None:
    """A package of the user's in the repository, whether or not Python finds it now."""
    places = (root / name, root / "src" / name)
    return next((one for one in places if (one / "__init__.py").is_file() and _foreign(one, name)), None)


def pytest_report_header(config: pytest.Config) -> str | list[str]:
    """Say that a package of the user's has the name of the one that is loaded already."""
    place = clash(["chaos"]) or _beside(config.rootpath, "chaos")
    return clash_words(place) if place else []


class _Absent:
    """Stands for the plugin where `chaos` is somebody else's: it refuses what would need the plugin."""

    def __init__(self, place: Path) -> None:
        self._words = clash_words(place)

    def pytest_load_initial_conftests(self, args: list[str]) -> None:
        """Refuse options of the plugin."""
        if any(arg.startswith("--gameday-") for arg in args):
            raise pytest.UsageError(self._words)

    @pytest.fixture
    def trial(self) -> None:
        """Refuse a scenario."""
        pytest.fail(self._words, pytrace=False)

    system = traffic = trial
