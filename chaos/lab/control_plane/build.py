"""The two programs that the lab is made of, compiled from their Go modules once and kept."""

import re
from dataclasses import dataclass
from pathlib import Path

from chaos.errors import LabError
from chaos.lab.host.cache import cached, is_cached
from chaos.lab.host.command import run
from chaos.lab.host.toolchain import MODULES, GoProgram, compile_key, compile_program, go_output
from chaos.progress import Progress

__all__ = ["KwokProgram", "kube_program", "kubernetes_version", "kwok_program", "programs_built"]

KUBE, KWOK, _ = MODULES
STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")


def kubernetes_version() -> str:
    """The version that kube/go.mod asks for, as Kubernetes writes it: `v1.36.3`."""
    return _module_version(KUBE, "k8s.io/kubernetes")


def _module_version(module: Path, path: str) -> str:
    match = re.search(rf"^\s*(?:require )?{re.escape(path)} (v\S+)", (module / "go.mod").read_text(), re.MULTILINE)
    assert match is not None, f"{module / 'go.mod'} does not ask for {path}"
    return match[1]


def kube_program(progress: Progress) -> Path:
    """The program that is every Kubernetes component: `PROGRAM kubelet …`, `PROGRAM etcd …`.

    Compiling it from nothing takes 5 to 8 minutes on two cores. Raises LabError if there is no Go to compile with or
    the compilation fails.
    """
    program = _kube()

    def build(folder: Path) -> None:
        compile_program(program, folder / "kube", progress)
        _check_version([folder / "kube", "kube-apiserver", "--version"], program.title)

    return cached("kube", compile_key(program), build) / "kube"


def _kube() -> GoProgram:
    version = kubernetes_version()
    major, minor, _patch = version.removeprefix("v").split(".")
    wanted = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return GoProgram(
        title=f"Kubernetes {version}",
        module=KUBE,
        package=".",
        tags="providerless",
        variables=tuple((f"k8s.io/component-base/version.{name}", value) for name, value in wanted.items()),
        cold_s=440,
        link_s=17,
    )


@dataclass(frozen=True, slots=True)
class KwokProgram:
    """What makes simulated nodes and pods: the program, and the file of stages to give it with `--config`."""

    binary: Path
    stages: Path


def kwok_program(progress: Progress) -> KwokProgram:
    """The kwok program and its stages: nodes and pods become ready, and pods complete and go, at once.

    Compiling takes 1 to 3 minutes on two cores. Raises LabError as `kube_program` does.
    """
    program = _kwok()

    def build(folder: Path) -> None:
        compile_program(program, folder / "kwok", progress)
        _check_version([folder / "kwok", "--version"], program.title.removeprefix("kwok "))
        source = Path(go_output(KWOK, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"))
        (folder / "stages.yaml").write_text(_stages(source / "kustomize" / "stage"))

    kept = cached("kwok", compile_key(program), build)
    return KwokProgram(kept / "kwok", kept / "stages.yaml")


def _kwok() -> GoProgram:
    return GoProgram(
        title=f"kwok {_module_version(KWOK, 'sigs.k8s.io/kwok')}",
        module=KWOK,
        package="sigs.k8s.io/kwok/cmd/kwok",
        cold_s=175,
        link_s=6,
    )


def programs_built() -> bool:
    """Whether both programs are in the cache, so that nothing is left to compile. Raises LabError without Go."""
    return is_cached("kube", compile_key(_kube())) and is_cached("kwok", compile_key(_kwok()))


def _stages(folder: Path) -> str:
    """All stages of the chosen sets as one YAML stream."""
    documents = []
    for stage_set in STAGES:
        files = [path for path in sorted((folder / stage_set).glob("*.yaml")) if path.name != "kustomization.yaml"]
        if not files:
            raise LabError(
                f"kwok's module has no stages in {folder / stage_set}", "run `go clean -modcache`, then again"
            )
        documents += [f"# {stage_set}/{path.name}\n{path.read_text().strip()}\n" for path in files]
    return "---\n".join(documents)


def _check_version(argv: list[str | Path], wanted: str) -> None:
    """Refuse to keep a program that does not run, or is not what it should be."""
    said = run(argv, deadline_s=30).strip()
    if wanted not in said:
        raise LabError(f"{argv[0]} says {said!r} of itself, not {wanted!r}")
