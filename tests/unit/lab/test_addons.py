"""The lab's add-ons as data: which there are, what they are started with, and which are refused."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import yaml

import chaos.lab.lab
from chaos.cli import app
from chaos.errors import LabError, UsageError
from chaos.lab import Lab
from chaos.lab.addons import keda, network_policies, prometheus, prometheus_adapter
from chaos.lab.addons.addon import MODULES, Addon, Site
from chaos.lab.addons.catalogue import ADDONS, refuse_clash, wanted
from chaos.lab.control_plane.build import module_version
from chaos.lab.control_plane.pki import Authority, private_folder
from chaos.lab.host.network import CONTROL, nodes
from chaos.lab.host.paths import LabPaths
from chaos.lab.host.toolchain import go_required
from chaos.lab.metrics_path import PROCESSES
from chaos.lab.status import addons_added
from chaos.progress import Silent, Step

MANIFEST = """
kind: ClusterRole
metadata: {name: keda-operator}
---
kind: Role
metadata: {name: keda-operator, namespace: keda}
---
"""


def site(folder: Path) -> Site:
    """A lab of two nodes, as an add-on sees it."""
    made = private_folder(folder / "made")
    read = [one for one in yaml.safe_load_all(MANIFEST) if one]
    read.append({"kind": "CustomResourceDefinition", "metadata": {"name": "scaledobjects.keda.sh"}})
    (made / "manifests.json").write_text(json.dumps(read))
    authority = Authority(private_folder(folder / "pki"), "ca")
    return Site(made=made, folder=private_folder(folder / "own"), authority=authority, nodes=nodes(2))


def names(*asked: str) -> list[str]:
    """What is added where these are asked for."""
    return [addon.name for addon in wanted(asked)]


def test_each_brings_what_it_needs_and_nothing_else() -> None:
    """The adapter asks Prometheus; the others stand alone. Asked for twice is once."""
    assert names("prometheus-adapter") == ["prometheus", "prometheus-adapter"]
    assert names("prometheus-adapter", "prometheus", "prometheus-adapter") == ["prometheus", "prometheus-adapter"]
    assert [names(one) for one in ("prometheus", "keda", "network-policies")] == [
        ["prometheus"],
        ["keda"],
        ["network-policies"],
    ]
    assert names("keda", "prometheus", "network-policies") == ["keda", "prometheus", "network-policies"]


@pytest.mark.parametrize("asked", ["Keda", "metrics-server", "", "keda "])
def test_another_name_is_refused_with_those_that_there_are(asked: str) -> None:
    """Nothing of what was asked beside it is added either."""
    with pytest.raises(UsageError, match="no add-on") as refused:
        wanted(["prometheus", asked])
    assert all(name in refused.value.fix for name in ADDONS)


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        (("keda", "prometheus-adapter"), ()),
        (("prometheus-adapter", "keda"), ()),
        (("keda",), ("prometheus", "prometheus-adapter")),
        (("prometheus-adapter",), ("keda",)),
    ],
)
def test_two_that_serve_the_external_metrics_are_refused(asked: tuple[str, ...], there: tuple[str, ...]) -> None:
    """Be both asked for at once, or one of them there already; the words name both and the API."""
    with pytest.raises(UsageError, match=r"external\.metrics\.k8s\.io") as refused:
        refuse_clash(wanted(asked), there)
    assert "keda" in refused.value.what
    assert "prometheus-adapter" in refused.value.what
    assert "gameday lab down" in refused.value.fix


def test_one_that_is_there_does_not_clash_with_itself() -> None:
    """A second time is no second server."""
    for there in (("keda", "prometheus"), ("prometheus", "prometheus-adapter"), tuple(ADDONS)[:2]):
        refuse_clash(wanted(there), there)


@pytest.mark.parametrize(
    ("words", "told"),
    [(["add"], "Missing argument"), (["add", "istio"], "no add-on istio"), (["add", "keda"], "there is no lab")],
)
def test_the_command_says_what_is_wrong(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a line or two, before anything is built."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("chaos.lab.host.paths.SOCKETS", tmp_path / "sockets")
    monkeypatch.setattr("chaos.lab.lab.lab_lock", lambda *_: nullcontext())
    monkeypatch.setattr(keda, "cached", lambda *_: pytest.fail("it was built"))
    monkeypatch.setattr(sys, "argv", ["gameday", "lab", *words])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_nobody_but_root_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everything of the lab."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="needs root"):
        Lab().add(["keda"], Silent())


@pytest.mark.parametrize("addon", ADDONS.values(), ids=lambda addon: addon.name)
def test_all_that_it_needs_is_written_for_it_alone(addon: Addon, tmp_path: Path) -> None:
    """Every file that an argument names is there or is the program, the folders are private; objects have a place."""
    here = site(tmp_path)
    programs = addon.programs(here)
    assert programs
    assert len({program.name for program in programs}) == len(programs)
    for program in programs:
        for word in map(str, program.argv[1:]):
            path = Path(word.partition("=")[2] or word)
            if path.is_relative_to(here.folder) or path.is_relative_to(tmp_path / "pki"):
                assert path.exists() or path.name == "series", word
    for secret in (path for path in here.folder.rglob("*") if path.suffix in {".key", ".kubeconfig"}):
        assert secret.stat().st_mode & 0o77 == 0
    paths = [f"{path}/{body['metadata']['name']}" for path, body in addon.objects(here)]
    assert len(set(paths)) == len(paths)
    for _, body in addon.objects(here):
        json.dumps(body)
    bound = {binding["subjects"][0]["name"] for _, binding in addon.objects(here) if "subjects" in binding}
    assert {review["spec"]["user"] for review in addon.reviews} == bound
    registered = [path.rpartition("/")[2] for path in paths if "apiservices" in path]
    assert tuple(registered) == addon.api_services


def test_only_policies_run_on_nodes(tmp_path: Path) -> None:
    """Everything else is beside the control plane, with metrics-server, but what counts users' requests."""
    here = site(tmp_path)
    on_nodes = network_policies.NETWORK_POLICIES.programs(here)
    assert [(one.name, one.group, one.netns) for one in on_nodes] == [
        ("network-policies-n1", "n1/system", "gameday-n1"),
        ("network-policies-n2", "n2/system", "gameday-n2"),
    ]
    others = [
        program for name in ("prometheus", "prometheus-adapter", "keda") for program in ADDONS[name].programs(here)
    ]
    assert {program.netns for program in others if program.name != "service-traffic"} == {CONTROL}
    assert [(one.group, one.netns) for one in others if one.netns != CONTROL] == [("client", "gameday-client")]


def test_no_two_programs_take_the_same_port_or_name(tmp_path: Path) -> None:
    """All could be in one lab, were it not for the API that two of them serve."""
    here = site(tmp_path)
    programs = [program for addon in ADDONS.values() for program in addon.programs(here)]
    assert len({program.name for program in programs}) == len(programs)
    told = "\n".join(str(word) for program in programs for word in program.argv)
    ports = re.findall(r"^--(?:[a-z-]*bind-address|web.listen-address)=\S*:(\d+)$", told, re.MULTILINE)
    ports += re.findall(r"^--(?:secure-)?port=(\d+)$", told, re.MULTILINE)
    assert len(ports) == 7
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("folder", ["prometheus_adapter", "keda", "network_policies"])
def test_each_module_is_whole(folder: str) -> None:
    """It has hashes, is within the Go that the lab has anyway, and asks for the release that it is named after."""
    module = MODULES / folder
    listed = (module / "go.mod").read_text()
    asked = re.search(r"^go (\S+)$", listed, re.MULTILINE)
    assert asked is not None
    assert tuple(map(int, asked[1].split("."))) <= go_required()
    path = {"prometheus_adapter": prometheus_adapter.PATH, "keda": keda.PATH, "network_policies": network_policies.PATH}
    version = module_version(module, path[folder])
    assert f"{path[folder]} {version} h1:" in (module / "go.sum").read_text()


def test_prometheus_asks_the_pods_of_the_file_every_two_seconds() -> None:
    """The file is read again as often as it is written."""
    config = prometheus.config(Path("/x/targets.json"))
    job, services = config["scrape_configs"]
    assert config["global"] == {"scrape_interval": "2s", "scrape_timeout": "2s"}
    assert job["file_sd_configs"] == [{"files": ["/x/targets.json"], "refresh_interval": "2s"}]
    assert services["static_configs"] == [{"targets": ["10.89.0.10:9101"]}]


def test_rules_are_of_every_engine_that_tells_its_queue() -> None:
    """vLLM's, llama.cpp's and ours among them; no two rules give the same name, and a name has no colon."""
    wanted_names = {
        "vllm_num_requests_waiting",
        "vllm_num_requests_running",
        "llamacpp_requests_deferred",
        "llamacpp_requests_processing",
        "model_requests_waiting",
        "model_requests_running",
        "nv_trt_llm_request_metrics_waiting",
    }
    assert wanted_names <= set(prometheus_adapter.METRICS)
    rules = prometheus_adapter.rules()
    for kind in ("rules", "externalRules"):
        given = [rule["name"]["as"] for rule in rules[kind]]
        assert given == list(prometheus_adapter.METRICS)
        assert not [name for name in given if ":" in name]


def test_a_rule_of_a_label_asks_for_it_and_a_sum_is_of_what_the_selector_picks() -> None:
    """A pod's own value is told apart by pod; an external one is one number."""
    rules = prometheus_adapter.rules()

    def one(kind: str, name: str) -> dict[str, object]:
        (found,) = (rule for rule in rules[kind] if rule["name"]["as"] == name)
        return dict(found)

    plain = one("rules", "vllm_num_requests_waiting")
    assert plain["seriesQuery"] == 'vllm:num_requests_waiting{namespace!="",pod!=""}'
    assert plain["metricsQuery"] == "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"
    labelled = one("externalRules", "nv_trt_llm_request_metrics_waiting")
    assert labelled["seriesQuery"] == 'nv_trt_llm_request_metrics{request_type="waiting",namespace!="",pod!=""}'
    assert labelled["metricsQuery"] == 'sum(<<.Series>>{request_type="waiting",<<.LabelMatchers>>})'


def test_kedas_two_programs_know_each_other_by_certificates_of_ours(tmp_path: Path) -> None:
    """It makes none itself, and both find a certificate, its key and who issued it under the names that they expect."""
    here = site(tmp_path)
    operator, server = keda.KEDA.programs(here)
    assert "--enable-cert-rotation=false" in operator.argv
    folder = here.folder / "certificates"
    assert sorted(path.name for path in folder.iterdir()) == ["ca.crt", "tls.crt", "tls.key"]
    assert {f"--cert-dir={folder}"} <= set(operator.argv) & set(server.argv)
    assert "--metrics-service-bind-address=127.0.0.1:9666" in operator.argv
    assert "--metrics-service-address=127.0.0.1:9666" in server.argv
    assert operator.environment == server.environment
    assert operator.environment["WATCH_NAMESPACE"] == ""


KUSTOMIZATION = """
patches:
- path: patches/a.yaml
  target: {kind: CustomResourceDefinition, name: a}
"""
PATCH = """
- {op: add, path: /spec/versions/0/required/-, value: protocol}
- {op: add, path: /spec/versions/0/keeps, value: true}
- {op: remove, path: /spec/versions/0/gone}
"""
PATCHED = "kind: CustomResourceDefinition\nmetadata: {name: a}\nspec: {versions: [{required: [port], gone: 1}]}"


def test_kedas_custom_resources_are_read_from_its_module(tmp_path: Path) -> None:
    """With its own patches; where one of the files is missing, the module is at fault, and is named."""
    config = tmp_path / "config"
    for name, text in (
        ("crd/kustomization.yaml", KUSTOMIZATION),
        ("crd/patches/a.yaml", PATCH),
        ("crd/bases/b.yaml", "kind: CustomResourceDefinition\nmetadata: {name: b}"),
        ("crd/bases/a.yaml", f"---\n{PATCHED}"),
        ("rbac/role.yaml", MANIFEST),
        ("rbac/aggregate_cluster_roles.yaml", "kind: ClusterRole\nmetadata: {name: 'keda:view'}"),
    ):
        (config / name).parent.mkdir(parents=True, exist_ok=True)
        (config / name).write_text(text)
    read = list(keda.manifests(config))
    assert [one["metadata"]["name"] for one in read] == ["a", "b", "keda-operator", "keda-operator", "keda:view"]
    assert read[0]["spec"]["versions"] == [{"required": ["port", "protocol"], "keeps": True}]
    assert {one["kind"] for one in read} <= set(keda.COLLECTIONS)
    (config / "rbac/role.yaml").unlink()
    with pytest.raises(LabError, match=r"rbac/role\.yaml"):
        list(keda.manifests(config))


def settling(monkeypatch: pytest.MonkeyPatch, present: tuple[str, ...], *, fails_at: str = "") -> list[tuple[str, str]]:
    """What packet filters are told where nodes have these tables: the network namespace, and the rules."""
    told: list[tuple[str, str]] = []

    def tool(argv: Sequence[str], given: str = "") -> str:
        told.append((argv[1].rpartition("-")[2], given))
        if argv[1].endswith(fails_at or "nowhere") and given == network_policies.RULES:
            raise LabError("no such target")
        return ""

    monkeypatch.setattr(network_policies, "run_tool", tool)
    monkeypatch.setattr(network_policies, "tables", lambda _netns: present)
    monkeypatch.setattr(network_policies, "in_netns", lambda name: (f"--net={name}",))
    monkeypatch.setattr(network_policies.shutil, "which", lambda name: f"/usr/sbin/{name}")
    return told


def test_a_kernel_with_a_queue_needs_no_rules_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the program's own table is, it leads the packets; elsewhere iptables does, on every node."""
    told = settling(monkeypatch, ("kube-proxy", "kube-network-policies"))
    network_policies.NETWORK_POLICIES.settle(site(tmp_path))
    assert told == []
    told = settling(monkeypatch, ("kube-proxy",))
    network_policies.NETWORK_POLICIES.settle(site(tmp_path))
    assert told == [("n1", network_policies.RULES), ("n2", network_policies.RULES)]


def test_where_one_node_takes_no_rules_no_node_keeps_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue whose program is ended with the failed start would cut all pods off."""
    told = settling(monkeypatch, (), fails_at="n2")
    with pytest.raises(LabError, match="no such target"):
        network_policies.NETWORK_POLICIES.settle(site(tmp_path))
    last = dict(told)
    assert last == {"n1": network_policies.PASSING, "n2": network_policies.PASSING}


def test_without_iptables_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only on a kernel that needs it."""
    settling(monkeypatch, ())
    monkeypatch.setattr(network_policies.shutil, "which", lambda _name: None)
    with pytest.raises(LabError, match="no nft queue") as failed:
        network_policies.NETWORK_POLICIES.settle(site(tmp_path))
    assert failed.value.fix == "apt-get install iptables"


def test_what_came_up_is_told_by_its_name(tmp_path: Path) -> None:
    """The folder of one that is being started does not count."""
    paths = LabPaths(tmp_path)
    assert addons_added(paths) == ()
    (paths.addons / "keda").mkdir(parents=True)
    assert addons_added(paths) == ()
    (paths.addons / "prometheus.json").write_text("[]")
    assert addons_added(paths) == ("prometheus",)


def test_a_lab_that_is_rebuilt_says_what_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the command that brings it back."""
    told: list[str] = []

    class Told(Silent):
        def step(self, name: str, *, estimate_s: float | None = None) -> AbstractContextManager[Step]:
            told.append(name)
            return super().step(name, estimate_s=estimate_s)

    lab = Lab()
    lab.paths = LabPaths(tmp_path)
    lab.paths.addons.mkdir(parents=True)
    for name in ("prometheus", "keda"):
        (lab.paths.addons / f"{name}.json").write_text("[]")
    monkeypatch.setattr(chaos.lab.lab, "take_down", lambda *_: None)
    monkeypatch.setattr(chaos.lab.lab, "bring_up", lambda *_: None)
    lab._start((), None, Told())  # type: ignore[arg-type]  # nothing is made of it
    assert told == ["its add-ons go with the former lab: gameday lab add keda prometheus"]


def test_the_faults_of_the_metrics_path_know_the_programs_by_their_names(tmp_path: Path) -> None:
    """What they stop is what the add-on that they name has started."""
    here = site(tmp_path)
    brought = {program.name: name for name, addon in ADDONS.items() for program in addon.programs(here)}
    for process, addon in PROCESSES.values():
        assert brought.get(process, "") == addon
