"""What `gameday init` proposes where the service mounts claims: a line for its owners to complete."""

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from chaos.cluster import ClusterFacts
from chaos.errors import UsageError
from chaos.faults import NetworkPartition
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.system import System, SystemSpec
from chaos.system.adopt.answering import Answering
from chaos.system.adopt.find import Adopted
from chaos.system.spec.parts import Volume
from chaos.trial.config import read_config
from chaos.trial.config_template import NOBODY, file_text
from loadgen.profiles import HttpProfile

FACTS = ClusterFacts("staging", "https://x", "1.33", "3f0c", ())


def text_for(*volumes: Volume, answering: Answering = NOBODY, **fields: object) -> str:
    """The file for a service with these volumes."""
    spec = SystemSpec(name="chat", image="i").model_copy(update={"volumes": volumes, **fields})
    workload = Ref("Deployment", "llm", "chat")
    system = System(spec, "llm", {"app": "chat"}, workload, "chat", 80, "", {}, 0, (workload,))
    return file_text(Adopted(system, {}, ()), FACTS, "", answering)


def test_claims_are_proposed_and_the_file_is_read_as_it_is(tmp_path: Path) -> None:
    """A comment with a path for each claim, whose it is, and nothing of a folder that goes with its pod."""
    shared = Volume.model_construct(name="m", mount_path="/models", claim="llm-models", access_mode=None)
    own = Volume.model_construct(name="c", mount_path="/cache", storage="1Gi", per_replica=True)
    scratch = Volume(name="tmp", mount_path="/scratch")
    (line,) = [one for one in text_for(shared, own, scratch).splitlines() if "data =" in one]
    assert line.startswith('# data = ["/models/…", "/cache/…"]  # files that must survive')
    assert '"/models" (claim llm-models), "/cache" (claim one of each replica)' in line
    file = tmp_path / "gameday.toml"
    file.write_text(text_for(shared))
    assert read_config(file).system.data == ()
    assert tomllib.loads(line.removeprefix("# "))["data"] == ["/models/…", "/cache/…"]


@pytest.mark.parametrize("path", ["/../../../../../api/v1/namespaces", "/a/%2E%2e/b", "/..", "no path", "/two words"])
def test_a_path_of_a_probe_that_leads_elsewhere_is_not_proposed(tmp_path: Path, path: str) -> None:
    """Whoever deployed the service would have the suite's own token read other objects of the API."""
    probe = SimpleNamespace(path=path)
    (file := tmp_path / "gameday.toml").write_text(text_for(readiness=probe, liveness=SimpleNamespace(path="/live")))
    assert read_config(file).traffic.request["path"] == "/live"
    with pytest.raises(UsageError, match="is not a path that begins with / and has no"):
        HttpProfile(path=path)
    with pytest.raises(UsageError, match="is not a path that begins with / and has no"):
        NetworkPartition(Targets("nobody", ()), path=path)
    assert HttpProfile(path="/a/..b?next=/../c").path == "/a/..b?next=/../c"


@pytest.mark.parametrize("model", ["m", ""])
@pytest.mark.parametrize(("header", "written"), [("x-pod", True), ("x pod", False), ('x"]', False), ("x\x00", False)])
def test_a_header_that_no_request_may_name_is_not_written(
    tmp_path: Path, header: str, model: str, *, written: bool
) -> None:
    """A service may answer with any; the file that was written could not be read, nor be written again."""
    answering = Answering(reached=True, model=model, replica_header=header)
    (file := tmp_path / "gameday.toml").write_text(text_for(answering=answering))
    traffic = read_config(file).traffic
    assert traffic.request.get("replica_header") == (header if written else None)
    assert traffic.canary is not written


def test_without_claims_nothing_is_proposed() -> None:
    """There is nothing that could survive a pod."""
    assert "data =" not in text_for(Volume(name="tmp", mount_path="/scratch"))
