"""The program that simulates nodes, compiled from its Go module once and kept."""

from dataclasses import dataclass
from pathlib import Path

from chaos.errors import LabError
from chaos.lab.control_plane.build import check_version, module_version
from chaos.lab.host.cache import cached
from chaos.lab.host.toolchain import GoProgram, compile_key, compile_program, go_output
from chaos.progress import Progress

__all__ = ["KwokProgram", "kwok_program"]

KWOK = Path(__file__).parent / "kwok"
STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")


@dataclass(frozen=True, slots=True)
class KwokProgram:
    """What makes simulated nodes and pods: the program, and the file of stages to give it with `--config`."""

    binary: Path
    stages: Path


def kwok_program(progress: Progress) -> KwokProgram:
    """The kwok program and its stages: nodes and pods become ready, and pods complete and go, at once.

    Compiling takes 1 to 3 minutes on two cores. Raises LabError as `kube_program` does.
    """
    version = module_version(KWOK, "sigs.k8s.io/kwok")
    program = GoProgram(title=f"kwok {version}", module=KWOK, package="sigs.k8s.io/kwok/cmd/kwok", cold_s=175, link_s=6)

    def build(folder: Path) -> None:
        compile_program(program, folder / "kwok", progress)
        check_version([folder / "kwok", "--version"], version)
        source = Path(go_output(KWOK, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"))
        (folder / "stages.yaml").write_text(_stages(source / "kustomize" / "stage"))

    kept = cached("kwok", compile_key(program), build)
    return KwokProgram(kept / "kwok", kept / "stages.yaml")


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
