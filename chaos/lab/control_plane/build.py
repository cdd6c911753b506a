"""The program that the lab's Kubernetes is, compiled from its Go module once and kept."""

import re
from pathlib import Path

from chaos.errors import LabError
from chaos.lab.host.cache import cached, is_cached
from chaos.lab.host.command import run
from chaos.lab.host.toolchain import MODULES, GoProgram, compile_key, compile_program
from chaos.progress import Progress

__all__ = ["check_version", "kube_built", "kube_program", "kubernetes_version", "module_version"]

KUBE, _ = MODULES


def kubernetes_version() -> str:
    """The version that kube/go.mod asks for, as Kubernetes writes it: `v1.36.3`."""
    return module_version(KUBE, "k8s.io/kubernetes")


def module_version(module: Path, path: str) -> str:
    """The version of another module that a module asks for."""
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
        check_version([folder / "kube", "kube-apiserver", "--version"], program.title)

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


def kube_built() -> bool:
    """Whether it is in the cache, so that nothing is left to compile. Raises LabError without Go."""
    return is_cached("kube", compile_key(_kube()))


def check_version(argv: list[str | Path], wanted: str) -> None:
    """Refuse to keep a program that does not run, or is not what it should be."""
    said = run(argv, deadline_s=30).strip()
    if wanted not in said:
        raise LabError(f"{argv[0]} says {said!r} of itself, not {wanted!r}")
