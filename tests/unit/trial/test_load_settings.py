"""Where the load of a session comes from: as it was told, else as the system's file says."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from chaos.cli.app import app
from chaos.errors import UsageError
from chaos.objects.base import Ref
from chaos.plugin.markers import load_for
from chaos.system import System, SystemSpec
from chaos.trial.config import LoadPart, read_config
from chaos.trial.environment import Environment
from chaos.trial.load_source import aliases_of, in_cluster

FILE = '[system]\nnamespace = "llm"\ndeployment = "chat"\n'
SYSTEM = System(
    spec=SystemSpec(name="chat", image="x"),
    namespace="llm",
    selector={"app": "chat"},
    workload=Ref("Deployment", "llm", "chat"),
    service="chat",
    port=8000,
    cluster_ip="10.96.0.7",
    generations={},
    pods_before=0,
    objects=(),
)


def environment(load: LoadPart | None = None) -> Environment:
    """One of which only the load is asked, with a file's part about it or without a file."""
    made = Environment(cluster=SimpleNamespace())  # type: ignore[arg-type]  # stands in
    adoption: Any = SimpleNamespace(config=SimpleNamespace(load=load))
    return replace(made, adoption=adoption) if load else made


def test_without_a_word_one_process_of_this_host_sends() -> None:
    """The option makes pods of it; the number is as told."""
    assert load_for(environment(), in_cluster=False, workers=None, dry_run=False).workers == 1
    assert not load_for(environment(), in_cluster=False, workers=3, dry_run=False).in_cluster
    load = load_for(environment(), in_cluster=True, workers=3, dry_run=False)
    assert (load.workers, load.in_cluster) == (3, True)
    assert load.words == "3 pods in the cluster, by the Service's name; no ingress, no TLS"


def test_the_file_says_it_and_options_say_it_over() -> None:
    """A dry run makes no pods beside a service that already runs."""
    file = environment(LoadPart(in_cluster=True, image="x", workers=4))
    assert load_for(file, in_cluster=False, workers=None, dry_run=False).workers == 4
    assert load_for(file, in_cluster=False, workers=2, dry_run=False).workers == 2
    assert load_for(file, in_cluster=False, workers=None, dry_run=False).in_cluster
    assert not load_for(file, in_cluster=False, workers=None, dry_run=True).in_cluster
    assert not load_for(file, in_cluster=True, workers=None, dry_run=True).in_cluster
    assert load_for(environment(), in_cluster=True, workers=None, dry_run=True).in_cluster


def test_pods_send_to_the_service_by_its_name() -> None:
    """Of its own port; where no name service would tell the address, it is given to them."""
    origin = in_cluster(SYSTEM, 3)
    assert origin.url == "http://chat.llm.svc:8000"
    assert origin.name == "3 pods in the cluster"
    assert "no ingress and no TLS" in origin.words
    assert aliases_of(environment(), SYSTEM) == {}
    nameless: Any = SimpleNamespace(has_dns=False)
    assert aliases_of(nameless, SYSTEM) == {"chat.llm.svc": "10.96.0.7"}
    with pytest.raises(UsageError, match="Service chat has no address of its own"):
        aliases_of(nameless, replace(SYSTEM, cluster_ip="None"))


def test_without_an_image_the_user_is_told_how_to_give_one() -> None:
    """Before any pod is asked for."""
    with pytest.raises(UsageError, match="an image that its nodes can pull"):
        environment().load_image()


@pytest.mark.parametrize(("text", "words"), [("", ["--load-in-cluster"]), ("[load]\nin_cluster = true\n", [])])
def test_rbac_prints_the_rights_of_load_pods(tmp_path: Path, text: str, words: list[str]) -> None:
    """By the option as by the file: jobs, and the way to their pods instead of that to the Service."""
    (path := tmp_path / "gameday.toml").write_text(FILE + text)
    printed = CliRunner().invoke(app, ["rbac", "--system", str(path), *words])
    assert printed.exit_code == 0, printed.output
    role = next(one for one in yaml.safe_load_all(printed.output) if one["kind"] == "Role")
    may = {rule["resources"][0]: set(rule["verbs"]) for rule in role["rules"]}
    assert may["jobs"] == {"create", "get", "delete"}
    assert "create" in may["pods/proxy"]
    assert "services/proxy" not in may


@pytest.mark.parametrize(
    ("text", "words", "needed"),
    [
        ("[load]\nin_cluster = true\ningress = ['10.0.0.0/28']\n", [], [["create"]]),
        ("[load]\ningress = ['10.0.0.0/28']\n", [], []),
        ("[load]\ningress = ['10.0.0.0/28']\n", ["--load-in-cluster"], [["create"]]),
        ("", ["--load-in-cluster"], []),
        ("", ["--load-in-cluster", "--load-ingress"], [["create"]]),
    ],
)
def test_rbac_prints_the_right_to_a_policy_where_it_is_needed(
    tmp_path: Path, text: str, words: list[str], needed: list[list[str]]
) -> None:
    """For load pods whose callers are named, and for nobody else; none of these scenarios makes one of its own."""
    (path := tmp_path / "gameday.toml").write_text(FILE + text)
    (scenario := tmp_path / "scenario.py").write_text("def test_nothing() -> None:\n    pass\n")
    printed = CliRunner().invoke(app, ["rbac", str(scenario), "--system", str(path), *words])
    assert printed.exit_code == 0, printed.output
    role = next(one for one in yaml.safe_load_all(printed.output) if one["kind"] == "Role")
    assert [rule["verbs"] for rule in role["rules"] if "networkpolicies" in rule["resources"]] == needed


def test_who_may_reach_load_pods_is_written_as_ranges(tmp_path: Path) -> None:
    """By the file or the option, which says it over; what is no range of addresses is refused with the key."""
    file = environment(LoadPart(in_cluster=True, image="x", ingress=("10.0.0.7", "fd00::/64")))
    load = load_for(file, in_cluster=False, workers=None, dry_run=False)
    assert load.ingress == ("10.0.0.7/32", "fd00::/64")
    over = load_for(file, in_cluster=False, workers=None, dry_run=False, ingress=("10.1.0.0/16",))
    assert over.ingress == ("10.1.0.0/16",)
    for wrong in ("10.0.0.1/28", "example.org", "", "any"):
        (path := tmp_path / "gameday.toml").write_text(f"{FILE}[load]\ningress = ['{wrong}']\n")
        with pytest.raises(UsageError, match=r"load\.ingress.*a range of addresses"):
            read_config(path)
