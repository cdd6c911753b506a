"""What a running lab does, for whom, and for whom not."""

import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from lab_objects import PODS, SERVICES, await_gone, await_pod_ready, model_pod, service_of, status_from_client

from chaos.errors import LabError, UsageError
from chaos.lab import Lab, LabFacts
from chaos.lab.control_plane.api import Api, suite_api
from chaos.lab.control_plane.pki import Authority
from chaos.lab.host.cgroups import Cgroups
from chaos.lab.host.network import API_ADDRESS, CONTROL, HOST_ADDRESS, NAMESPACES, client, namespaces_left, nodes
from chaos.progress import Silent
from chaos.semantics.timings import LAB
from chaos.wait import until

pytestmark = pytest.mark.root
CONNECT_S = 2.0
PORT = 20080


@pytest.fixture
def api(lab: Lab) -> Iterator[Api]:
    """The lab's API server as the suite's user."""
    with suite_api(lab.paths) as api:
        yield api


@pytest.fixture(scope="module")
def served(lab: Lab) -> Iterator[tuple[str, str]]:
    """The addresses of a ready pod of the model and of its Service."""
    with suite_api(lab.paths) as api:
        api.create(PODS, model_pod("served", node="n2"))
        service = api.create(SERVICES, service_of("served"))
        pod = await_pod_ready(api, "served")
        yield pod["status"]["podIP"], service["spec"]["clusterIP"]
        api.delete(f"{SERVICES}/served")
        api.delete(f"{PODS}/served")


def _reachable(address: str, port: int, *, netns: str | None = None) -> bool:
    """Whether a TCP connection comes about, from the host or from a network namespace."""
    if netns is None:
        try:
            socket.create_connection((address, port), timeout=CONNECT_S).close()
        except OSError:
            return False
        return True
    attempt = f"import socket; socket.create_connection(({address!r}, {port}), timeout={CONNECT_S})"
    argv = ["nsenter", f"--net={NAMESPACES / netns}", "--", "python3", "-c", attempt]
    return subprocess.run(argv, capture_output=True, check=False, timeout=20).returncode == 0


def test_a_pod_answers_the_client_through_its_service(lab: Lab, served: tuple[str, str]) -> None:
    """The client reaches a real pod by its Service's address, by rules of its own kube-proxy."""
    _, service = served
    until(lambda: status_from_client(lab, f"http://{service}/readyz") == 200, deadline_s=20, awaited="an answer")


def test_a_port_that_met_a_dead_pod_meets_a_live_one_soon(lab: Lab, api: Api, served: tuple[str, str]) -> None:
    """What the kernel remembers of an attempt to connect outlasts no trial.

    By Linux's own limit the port would be led to the dead pod for two minutes more, and longer with each attempt.
    """
    pod, _ = served
    nobody = f"{pod.rpartition('.')[0]}.250"
    service = api.create(SERVICES, {**service_of("moved"), "spec": {"ports": [{"port": 80, "targetPort": 8080}]}})
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{service['metadata']['namespace']}/endpointslices"
    piece = {
        "metadata": {"name": "moved-1", "labels": {"kubernetes.io/service-name": "moved"}},
        "addressType": "IPv4",
        "ports": [{"port": 8080}],
        "endpoints": [{"addresses": [nobody]}],
    }
    api.create(slices, piece)
    address = service["spec"]["clusterIP"]
    until(lambda: "no route" in _connect(lab, address), deadline_s=20, awaited="a way to the dead pod", poll_s=1)
    assert "no route" in _connect(lab, address, port=PORT)
    assert _remembered(lab)
    api.delete(f"{slices}/moved-1")
    api.create(slices, {**piece, "endpoints": [{"addresses": [pod]}]})
    until(lambda: not _connect(lab, address), deadline_s=20, awaited="a way to the live pod", poll_s=1)
    until(lambda: not _remembered(lab), deadline_s=20, awaited="the kernel to forget that attempt", poll_s=1)
    assert _connect(lab, address, port=PORT) == ""
    api.delete(f"{slices}/moved-1")
    api.delete(f"{SERVICES}/moved")


def _connect(lab: Lab, address: str, *, port: int = 0) -> str:
    """Connect from the client, from a port of its own if one is given: nothing, or why it failed, in small letters."""
    attempt = "import socket, sys; socket.create_connection((sys.argv[1], 80), 5, ('', int(sys.argv[2]))).close()"
    argv = lab.client_command(["python3", "-c", attempt, address, str(port)])
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    return done.stderr.lower()


def _remembered(lab: Lab) -> bool:
    """Whether the client's kernel knows where it led that port."""
    argv = lab.client_command(["cat", "/proc/net/nf_conntrack"])
    return f"sport={PORT} " in subprocess.run(argv, capture_output=True, text=True, check=True, timeout=5).stdout


def test_the_host_reaches_neither_pods_nor_services(lab: Lab, served: tuple[str, str]) -> None:
    """From the host there is no way to a pod, a Service or a node, and no way by the default route instead."""
    pod, service = served
    assert not _reachable(pod, 8080)
    assert not _reachable(service, 80)
    assert not _reachable(nodes(2)[0].address, 10250)
    for address in (pod, service):
        asked = subprocess.run(["ip", "route", "get", address], capture_output=True, text=True, check=False, timeout=5)
        assert asked.returncode != 0, asked.stdout


def test_nothing_in_the_lab_has_a_way_out(lab: Lab) -> None:
    """No namespace of the lab has a default route, none but the control plane's sees the host."""
    with socket.create_server((HOST_ADDRESS, 0)) as listener:
        port = listener.getsockname()[1]
        for name in namespaces_left():
            argv = ["ip", "-netns", name, "-json", "route", "show", "default"]
            routes = json.loads(subprocess.run(argv, capture_output=True, check=True, timeout=5).stdout)
            assert [route for route in routes if route.get("type") != "unreachable"] == []
            assert not _reachable("192.0.2.1", 80, netns=name)
            assert _reachable(HOST_ADDRESS, port, netns=name) == (name == "gameday-control")


def test_the_control_plane_forwards_nothing(lab: Lab) -> None:
    """Whatever the host's own setting is; nodes do, for their pods."""
    for name, forwards in ((CONTROL, False), (nodes(2)[0].netns, True)):
        argv = ["nsenter", f"--net={NAMESPACES / name}", "sh", "-c", "cat /proc/sys/net/ipv4/conf/*/forwarding"]
        said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=5).stdout.split()
        assert set(said) == {str(int(forwards))}, name


def test_the_api_server_is_reached_on_the_bridge_alone(lab: Lab) -> None:
    """The host, the client and the nodes reach it at its one address; no address of the host leads to it."""
    assert _reachable(API_ADDRESS, 6443)
    assert _reachable(API_ADDRESS, 6443, netns=client().netns)
    assert _reachable(API_ADDRESS, 6443, netns=nodes(2)[0].netns)
    own = json.loads(subprocess.run(["ip", "-json", "-4", "address"], capture_output=True, check=True).stdout)
    for address in {info["local"] for link in own for info in link["addr_info"]}:
        assert not _reachable(address, 6443)


@pytest.mark.parametrize("port", [2379, 2380, 10257, 10259])
def test_the_rest_of_the_control_plane_is_for_itself(lab: Lab, port: int) -> None:
    """Etcd, the controller manager and the scheduler answer in their own namespace only."""
    assert _reachable("127.0.0.1", port, netns="gameday-control")
    assert not _reachable(API_ADDRESS, port)
    assert not _reachable(API_ADDRESS, port, netns=nodes(2)[0].netns)


STATUS_OF = """
import ssl, sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], context=ssl._create_unverified_context(), timeout=5).status)
except urllib.error.HTTPError as refused:
    print(refused.code)
except OSError:
    print("no answer")
"""


def test_nobody_is_let_in_without_a_certificate(lab: Lab, api: Api, tmp_path: Path) -> None:
    """Anonymous calls, and certificates of other authorities, are refused by API server, kubelet and etcd."""
    authority = lab.paths.control / "pki" / "ca.crt"
    anonymous = ssl.create_default_context(cafile=str(authority))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{api.server}/healthz", context=anonymous, timeout=5)  # noqa: S310  # https, by its construction
    refused.value.close()
    assert refused.value.code == 401
    stranger = Authority(tmp_path, "ca").issue("x", user="gameday", groups=["system:masters"])
    with Api(api.server, authority=authority, credential=stranger) as other:
        assert other.call("GET", "/api")[0] == 401
    for url, wanted in (("https://10.89.0.11:10250/pods", "401"), ("https://127.0.0.1:2379/health", "no answer")):
        said = subprocess.run(
            ["nsenter", f"--net={NAMESPACES / 'gameday-control'}", "--", sys.executable, "-c", STATUS_OF, url],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
        assert said.stdout.strip() == wanted


def test_credentials_are_ours_alone(lab: Lab, facts: LabFacts) -> None:
    """Every key and kubeconfig is closed to other users, and so is each folder on the way."""
    assert stat.S_IMODE(facts.kubeconfig.stat().st_mode) == 0o600
    for folder in (lab.paths.state, lab.paths.control, facts.kubeconfig.parent, lab.paths.sockets):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    secret = [path for path in lab.paths.state.rglob("*") if path.suffix in {".key", ".crt", ".pub", ".kubeconfig"}]
    ours = [path for path in secret if "nodes" not in path.parts]
    assert len(ours) > 20
    assert {stat.S_IMODE(path.stat().st_mode) for path in ours} == {0o600}


def test_a_kubelet_may_only_touch_its_own_node(lab: Lab, api: Api) -> None:
    """The node authorizer and NodeRestriction are in force: n1's kubelet cannot change n2."""
    pki = lab.paths.control / "pki"
    credential = type(Authority(pki.parent, "scratch").issue("s", user="s"))(
        certificate=pki / "kubelet-n1.crt", key=pki / "kubelet-n1.key"
    )
    with Api(api.server, authority=pki / "ca.crt", credential=credential) as kubelet:
        assert kubelet.call("PATCH", "/api/v1/nodes/n2", {"metadata": {"labels": {"a": "b"}}})[0] == 403


def test_metrics_come_over_verified_tls(lab: Lab, api: Api) -> None:
    """The metrics API answers with figures of both nodes, and its APIService trusts our authority alone."""

    def both_told() -> bool:
        status, answer = api.call("GET", "/apis/metrics.k8s.io/v1beta1/nodes")
        return status == 200 and {node["metadata"]["name"] for node in json.loads(answer)["items"]} == {"n1", "n2"}

    until(both_told, deadline_s=60, awaited="figures of both nodes")
    spec = api.get("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io")["spec"]
    assert spec["caBundle"]
    assert not spec.get("insecureSkipTLSVerify")


def test_logs_of_a_pod_are_read_through_the_api_server(lab: Lab, api: Api, served: tuple[str, str]) -> None:
    """The API server trusts the kubelet's certificate, and the kubelet the API server's."""
    status, answer = api.call("GET", f"{PODS}/served/log")
    assert status == 200, answer


def test_the_api_server_leads_to_services(lab: Lab, api: Api, served: tuple[str, str]) -> None:
    """The API server's service proxy reaches pods, so a person on the host can look at a Service."""
    status, answer = api.call("GET", f"{SERVICES}/served:80/proxy/readyz")
    assert status == 200, answer


def test_nodes_carry_zones_and_pools(lab: Lab, api: Api) -> None:
    """Each node bears the labels of its zone and pool; the client is no node."""
    found = {node["metadata"]["name"]: node["metadata"]["labels"] for node in api.get("/api/v1/nodes")["items"]}
    assert {name: labels["topology.kubernetes.io/zone"] for name, labels in found.items()} == {
        "n1": "zone-a",
        "n2": "zone-b",
    }
    assert {labels["gameday.dev/pool"] for labels in found.values()} == {"blue", "green"}


def test_a_deleted_pod_leaves_no_process(lab: Lab, api: Api) -> None:
    """When a pod is gone from the API, its processes, its shim and its groups are gone from the host too."""
    groups, before = Cgroups(), Cgroups().members("n1")
    api.create(PODS, model_pod("shortlived", node="n1"))
    uid = await_pod_ready(api, "shortlived")["metadata"]["uid"]
    assert groups.members("n1") > before
    api.delete(f"{PODS}/shortlived")
    await_gone(api, f"{PODS}/shortlived")
    until(lambda: groups.members("n1") == before, deadline_s=30, awaited="the pod's processes to end")
    pods = groups.folders("n1/pods")
    until(
        lambda: not [path for folder in pods for path in folder.rglob(f"*{uid}*")],
        deadline_s=30,
        awaited="the pod's groups to go",
    )


def test_mounts_of_pods_are_not_on_the_host(lab: Lab, served: tuple[str, str]) -> None:
    """Overlays, volumes and namespaces of pods are mounted in their node's own mount namespace only."""
    assert str(lab.paths.state) not in Path("/proc/self/mountinfo").read_text()
    keeper = next(component for component in lab.status().components if component.name == "machine-n2")
    assert str(lab.paths.state) in Path(f"/proc/{keeper.pid}/mountinfo").read_text()


def test_the_kernels_settings_stay_the_hosts(lab: Lab) -> None:
    """The kubelets are shown the settings that they want; the host's own are not theirs to change."""
    keeper = next(component for component in lab.status().components if component.name == "machine-n1")
    shown = Path(f"/proc/{keeper.pid}/root/proc/sys/kernel/panic_on_oops").read_text()
    assert shown == "1"
    assert "panic_on_oops" not in Path("/proc/self/mountinfo").read_text()


def test_a_second_up_joins_at_once(lab: Lab, facts: LabFacts) -> None:
    """A lab that is well is joined as it is: the same programs, the same facts."""
    before = [component.pid for component in lab.status().components]
    assert lab.up(nodes=2, progress=Silent()) == facts
    assert [component.pid for component in lab.status().components] == before


def test_facts_tell_timings_and_stages(facts: LabFacts) -> None:
    """The facts name the timings that Kubernetes runs with here, and what each stage of the start took."""
    assert facts.context == "gameday-lab"
    assert facts.timings == asdict(LAB)
    assert dict(facts.stages).keys() >= {"API server", "nodes ready"}


def test_a_lab_in_use_is_neither_taken_down_nor_rebuilt(lab: Lab) -> None:
    """Down, and up with another number of nodes, are refused with the words, pid and command of who uses the lab."""
    with lab.use("a test of the lab") as facts:
        assert facts == lab.facts()
        mine = [(user.pid, user.words) for user in lab.status().users]
        assert mine == [(os.getpid(), "the tests of the lab"), (os.getpid(), "a test of the lab")]
        with pytest.raises(LabError, match=rf"in use by .*process {os.getpid()} \(a test of the lab: .*pytest"):
            lab.down(progress=Silent())
        with pytest.raises(LabError, match=r"a lab with 2 nodes of Kubernetes 1\.\d+ is in use by"):
            lab.up(nodes=1, progress=Silent())
        assert lab.status().well
    assert [user.words for user in lab.status().users] == ["the tests of the lab"]


def test_the_client_command_runs_inside_the_lab(lab: Lab) -> None:
    """A command on the client keeps its pid, is in the lab's group and namespace, and so ends with the lab."""
    argv = lab.client_command(["sh", "-c", "echo $$; cat /proc/self/cgroup; readlink /proc/self/ns/net"])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate(timeout=10)
    pid, *groups, namespace = said.splitlines()
    assert int(pid) == process.pid
    assert all(line.endswith("/gameday/client") for line in groups)
    assert namespace != str(Path("/proc/self/ns/net").readlink())


def test_logs_are_found_by_name(lab: Lab) -> None:
    """Every component has a log, and an unknown name is answered with those that there are."""
    for name in lab.component_names():
        assert lab.logs(name).exists()
    with pytest.raises(LabError, match="no program of the lab is called kublet") as unknown:
        lab.logs("kublet")
    assert "kubelet-n1" in unknown.value.fix


def test_an_impossible_number_of_nodes_is_refused(lab: Lab) -> None:
    """Zero nodes are refused in words, and the running lab is left alone."""
    with pytest.raises(UsageError, match="0 nodes were asked for"):
        lab.up(nodes=0, progress=Silent())
    assert lab.status().well
