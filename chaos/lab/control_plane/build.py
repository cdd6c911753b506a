"""The program that the lab's Kubernetes is, compiled from its Go module once for each version and kept."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from chaos.errors import LabError, UsageError
from chaos.lab.host.cache import cached, is_cached
from chaos.lab.host.command import run
from chaos.lab.host.toolchain import MODULES, GoProgram, compile_key, compile_program
from chaos.progress import Progress

__all__ = [
    "MINORS",
    "Release",
    "check_version",
    "kube_built",
    "kube_program",
    "kubernetes_version",
    "module_version",
]

KUBE, _ = MODULES
KUBELET_SKEW_MAX = 3


def module_version(module: Path, path: str) -> str:
    """The version of another module that a module asks for; `module` is its folder, or one of its .mod files."""
    listed = module / "go.mod" if module.is_dir() else module
    match = re.search(rf"^\s*(?:require )?{re.escape(path)} (v\S+)", listed.read_text(), re.MULTILINE)
    assert match is not None, f"{listed} does not ask for {path}"
    return match[1]


def _minor(version: str) -> str:
    return ".".join(version.removeprefix("v").split(".")[:2])


def _number(minor: str) -> int:
    return int(minor.partition(".")[2])


MODFILES = {_minor(module_version(path, "k8s.io/kubernetes")): path for path in KUBE.glob("*.mod")}
"""What lists the modules of each minor version; go.mod is that of the default, `MINOR.mod` those of the others."""

MINORS = tuple(sorted(MODFILES, key=_number))
"""The minor versions that the lab can be, oldest first: `("1.33", …)`."""

DEFAULT = _minor(module_version(KUBE, "k8s.io/kubernetes"))


@dataclass(frozen=True, slots=True)
class Release:
    """Which Kubernetes a lab is, by minor versions: that of its control plane, and that of its nodes."""

    control_plane: str = DEFAULT
    nodes: str = DEFAULT

    @classmethod
    def of(cls, kubernetes: str, kubelet: str = "") -> Self:
        """The release that a person asked for; empty words mean the default, and nodes like the control plane.

        Raises UsageError for a version that the lab cannot be, or nodes that Kubernetes' version skew policy does not
        support (kubelets are not newer than the API server, and at most three minor versions older).
        """
        control_plane = _known(kubernetes or DEFAULT)
        nodes = _known(kubelet or control_plane)
        if not 0 <= _number(control_plane) - _number(nodes) <= KUBELET_SKEW_MAX:
            oldest = f"1.{_number(control_plane) - KUBELET_SKEW_MAX}"
            raise UsageError(
                f"kubelets of {nodes} under a control plane of {control_plane}: Kubernetes does not support that",
                f"give kubelets of {oldest} to {control_plane}",
            )
        return cls(control_plane, nodes)

    def __str__(self) -> str:
        own = f"Kubernetes {self.control_plane}"
        return own if self.nodes == self.control_plane else f"{own} with nodes of {self.nodes}"


def _known(asked: str) -> str:
    """The minor version of `1.36`, `v1.36` or a whole version that is one of ours."""
    minor = _minor(asked)
    if minor in MODFILES and asked.removeprefix("v") in {minor, kubernetes_version(minor).removeprefix("v")}:
        return minor
    whole = ", ".join(kubernetes_version(minor).removeprefix("v") for minor in MINORS)
    raise UsageError(f"the lab has no Kubernetes {asked}", f"it can be one of {whole}; the minor version is enough")


def kubernetes_version(minor: str = DEFAULT) -> str:
    """The version that a minor version stands for, as Kubernetes writes it: `v1.36.3`."""
    return module_version(MODFILES[minor], "k8s.io/kubernetes")


def kube_program(progress: Progress, minor: str = DEFAULT) -> Path:
    """The program that is every Kubernetes component of a minor version: `PROGRAM kubelet …`, `PROGRAM etcd …`.

    Each version has a cache of its own. Compiling one from nothing takes 5 to 8 minutes on two cores. Raises LabError
    if there is no Go to compile with or the compilation fails.
    """
    program = _kube(minor)

    def build(folder: Path) -> None:
        compile_program(program, folder / "kube", progress)
        check_version([folder / "kube", "kube-apiserver", "--version"], program.title)

    return cached(_cache_name(minor), compile_key(program), build) / "kube"


def _cache_name(minor: str) -> str:
    return f"kube-{minor}"


def _kube(minor: str) -> GoProgram:
    version, (major, number) = kubernetes_version(minor), minor.split(".")
    wanted = {"gitVersion": version, "gitMajor": major, "gitMinor": number, "gitTreeState": "clean"}
    return GoProgram(
        title=f"Kubernetes {version}",
        module=KUBE,
        modfile=MODFILES[minor].name,
        package=".",
        tags="providerless",
        variables=tuple((f"k8s.io/component-base/version.{name}", value) for name, value in wanted.items()),
        cold_s=440,
        link_s=17,
    )


def kube_built(minor: str = DEFAULT) -> bool:
    """Whether it is in the cache, so that nothing is left to compile. Raises LabError without Go."""
    return is_cached(_cache_name(minor), compile_key(_kube(minor)))


def check_version(argv: list[str | Path], wanted: str) -> None:
    """Refuse to keep a program that does not run, or is not what it should be."""
    said = run(argv, deadline_s=30).strip()
    if wanted not in said:
        raise LabError(f"{argv[0]} says {said!r} of itself, not {wanted!r}")
