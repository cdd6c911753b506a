"""Which versions of Kubernetes the lab can be, and how one is asked for."""

from __future__ import annotations

from itertools import product

import pytest

from chaos.errors import UsageError
from chaos.lab.control_plane.build import KUBE, MINORS, MODFILES, Release, _kube, kubernetes_version, module_version

STAGING = ("k8s.io/apiserver", "k8s.io/component-base")


def test_there_are_five_in_a_row() -> None:
    """Each minor version from the oldest to the newest, the default among them, has modules of its own."""
    assert MINORS == ("1.33", "1.34", "1.35", "1.36", "1.37")
    assert Release().control_plane in MINORS
    assert len(set(MODFILES.values())) == len(MINORS)


@pytest.mark.parametrize("minor", MINORS)
def test_all_of_a_version_is_of_that_version(minor: str) -> None:
    """Its API server's library, and each module that Kubernetes keeps in its own tree, are those of that release."""
    version = kubernetes_version(minor)
    assert version.startswith(f"v{minor}.")
    library = version.replace("v1.", "v0.", 1)
    assert {module_version(MODFILES[minor], path) for path in STAGING} == {library}
    replaced = [line.split()[-1] for line in MODFILES[minor].read_text().splitlines() if line.startswith("replace ")]
    assert len(replaced) > 25
    assert set(replaced) == {library}
    assert MODFILES[minor].with_suffix(".sum").exists()


def test_each_version_is_compiled_and_kept_apart() -> None:
    """No two share a file of modules, a title or a variable; a change of one does not make another be compiled."""
    programs = [_kube(minor) for minor in MINORS]
    assert len({program.title for program in programs}) == len(programs)
    assert len({program.variables for program in programs}) == len(programs)
    for program, other in product(programs, programs):
        own = {path for path in program.files if path.suffix != ".go"}
        assert own == {KUBE / program.modfile, (KUBE / program.modfile).with_suffix(".sum")}
        assert program is other or own.isdisjoint(other.files)


@pytest.mark.parametrize("asked", ["1.34", "v1.34", "1.34.4", "v1.34.4"])
def test_a_version_may_be_written_as_people_do(asked: str) -> None:
    """With or without the v, by its minor version or whole."""
    assert Release.of(asked) == Release("1.34", "1.34")


@pytest.mark.parametrize("asked", ["1.32", "1.99", "1.34.3", "1", "latest", "1.36-rc.1", "1.3 6", "v"])
def test_another_version_is_refused_with_those_that_there_are(asked: str) -> None:
    """Another patch release than the one that is compiled would be a false promise."""
    with pytest.raises(UsageError, match="the lab has no Kubernetes") as refused:
        Release.of(asked)
    assert kubernetes_version("1.33").removeprefix("v") in refused.value.fix


def test_nodes_may_be_older_as_amid_an_upgrade() -> None:
    """Kubernetes supports kubelets that are up to three minor versions older than the API server."""
    for older in ("1.36", "1.35", "1.34"):
        assert Release.of("1.37", older) == Release("1.37", older)
    assert str(Release.of("1.37", "1.35")) == "Kubernetes 1.37 with nodes of 1.35"
    assert str(Release.of("1.37")) == "Kubernetes 1.37"


@pytest.mark.parametrize(("control_plane", "nodes"), [("1.36", "1.37"), ("1.37", "1.33"), ("", "1.37")])
def test_other_skews_are_refused(control_plane: str, nodes: str) -> None:
    """A kubelet newer than the API server, or four minor versions older, is supported nowhere."""
    with pytest.raises(UsageError, match="does not support that"):
        Release.of(control_plane, nodes)
