"""What a cluster lacks, told before a scenario that needs it is set up."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration

from chaos.cluster.client import ClusterFacts
from chaos.cluster.transport import Transport
from chaos.errors import UsageError
from chaos.faults import CommandInfrastructure, Infrastructure
from chaos.system import SystemSpec
from chaos.trial.environment import Environment
from chaos.trial.request import LoadSettings, Output, ScenarioFacts, TrialRequest
from chaos.trial.run import run_trial
from loadgen.profiles import HttpProfile

FACTS = ClusterFacts("staging", "https://api.example:6443", "v1.33.0", "uid-1", ())


class Classes:
    """Stands for a cluster that has one StorageClass."""

    def get(self, kind: str, _namespace: str | None, name: str) -> dict[str, Any] | None:
        """The class `fast`."""
        return {"kind": kind} if (kind, name) == ("StorageClass", "fast") else None


def environment(nodes: CommandInfrastructure | None = None) -> Environment:
    """One of which only the needs are asked."""
    return Environment(cluster=Classes(), infrastructure=Infrastructure(nodes))  # type: ignore[arg-type]  # stands in


def test_node_infrastructure_is_there_or_its_lack_is_told() -> None:
    """Without a means the options that give one are named."""
    assert environment(CommandInfrastructure("off {node}", "on {node}")).lacks("node-infrastructure") == ""
    assert "--gameday-node-off and --gameday-node-on" in environment().lacks("node-infrastructure")


def test_a_storage_class_is_looked_up_by_its_name() -> None:
    """One that is there is no lack; one that is not is named."""
    assert environment().lacks("storage-class:fast") == ""
    assert "there is no StorageClass slow" in environment().lacks("storage-class:slow")


@pytest.mark.parametrize("need", ["power", "storage-class", "storage-class:"])
def test_a_need_that_nobody_knows_is_refused(need: str) -> None:
    """A mistyped need must not pass for one that is met."""
    with pytest.raises(UsageError, match="is not known"):
        environment().lacks(need)


def behind(**given: Any) -> Environment:
    """One whose API server is reached as these fields of the kubernetes package's configuration say."""
    configuration = Configuration()
    configuration.host = "https://api.example:6443"
    for name, value in given.items():
        setattr(configuration, name, value)
    cluster: Any = SimpleNamespace(transport=Transport(ApiClient(configuration)), facts=FACTS)
    return Environment(cluster=cluster)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine is behind."""
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def trial(environment: Environment, folder: Path, load: LoadSettings) -> None:
    """Set one trial up."""
    request = TrialRequest(
        scenario=ScenarioFacts("test_it", "test_it.py::test_it", "It works.", 1),
        run=folder / "run",
        system=SystemSpec(name="model", image="x"),
        profile=HttpProfile(),
        load=load,
    )
    with run_trial(environment, request, Output(say=lambda _: None, draw=lambda _: folder)):
        pytest.fail("it is set up")


def test_no_load_is_sent_to_an_api_server_behind_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request of it would fail and count against the service: refused before the cluster is asked anything."""
    words = r"^the API server is reached through 127\.0\.0\.1, a proxy, through which no load is sent"
    written = behind(proxy="http://us:s3cr3t@127.0.0.1:1")
    with pytest.raises(UsageError, match=words) as refused:
        trial(written, tmp_path / "written", LoadSettings())
    assert "s3cr3t" not in str(refused.value)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(UsageError, match=words):
        trial(behind(), tmp_path / "inherited", LoadSettings())
    assert behind(no_proxy="localhost,.example").origin_name == "API server proxy"


def test_what_needs_no_proxy_is_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load from pods in the cluster, or to the service's own address, does not pass the API server."""
    cluster: Any = SimpleNamespace(transport=SimpleNamespace(proxy="proxy.example"), facts=FACTS)
    with pytest.raises(AttributeError, match="call"):  # the cluster is asked for the first time
        trial(Environment(cluster=cluster), tmp_path, LoadSettings(in_cluster=True))
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert behind().origin_name == "API server proxy"
    assert Environment(cluster=cluster, service_url="https://chat.example").origin_name == "this host"
