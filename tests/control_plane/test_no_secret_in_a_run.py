"""No secret of a service, of its users or of the command line is in anything that a session writes or prints."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from child_session import CONFTEST, Child, child_session, deployed
from plain_service import apply_all, plain_namespace, service_of, settle
from simulated_cluster import SimulatedCluster
from staging_ground import Staging
from trial_room import served
from typer.testing import CliRunner

from chaos.cli.app import app
from chaos.cluster import Cluster, LiveExecutor, NullJournal, connect, mutations
from chaos.objects.base import Ref, View
from chaos.objects.pod import PodView
from chaos.safety.undo_journal import is_own_namespace

pytestmark = pytest.mark.timed

CANARY = "sk-canary-1234567890abcdef"

REFUSED = (
    f"pull from https://user:{CANARY}@registry.example/v2?token={CANARY} with Bearer {CANARY} refused; "
    f"Exec lifecycle hook ([sh -c HF_TOKEN={CANARY} drain --api-key {CANARY}]) failed"
)
"""As a runtime says it, with all that let it in."""

SCENARIO = """
import os
from pathlib import Path
from chaos import faults, targets
from chaos.checks import Witnessed
from chaos.faults import Until

def test_release(trial, system, traffic):
    '''A release with another token is put back.'''
    with traffic.steady(rate_rps=10):
        trial.hold(until=Until("the test goes on", Path("go").exists, 60))
        release = faults.RollingUpdate(system.workload, env={"HF_TOKEN": os.environ["CANARY"]})
        with trial.fault(release):
            trial.hold(duration_s=1)
        trial.recovery(settle_s=1)
    trial.judge(Witnessed("delete-pod"))
"""
"""Not proved, so that all that a failing test prints is printed."""

WITH_SECRETS = CONFTEST.replace("import pytest\n", "import os\nimport pytest\n").replace(
    "replicas=2",
    'replicas=2, env={"API_KEY": os.environ["CANARY"]}, args=("--model", "m", "--api-key", os.environ["CANARY"])',
)

COMMANDS = [f"--gameday-node-{way}=ipmi --password {CANARY} {way} {{node}}" for way in ("off", "on")]

WRITTEN = {
    "actions.jsonl",
    "junit.xml",
    "report.html",
    "requests.jsonl",
    "session.json",
    "summary.md",
    "trial.json",
    "verdict.json",
    "watch.jsonl",
}


@contextmanager
def leaky() -> Iterator[str]:
    """A service that shows its secret in each answer, and every fifth time in an error; its address."""
    numbers = itertools.count()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the role's name
            body = f'{{"token": "{CANARY}", "text": "hello {CANARY}"}}'.encode()
            self.send_response(500 if next(numbers) % 5 == 4 else 200, f"key {CANARY}")
            self.send_header("content-length", str(len(body)))
            self.send_header("set-cookie", f"session={CANARY}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with served(Answers) as url:
        yield url


def service_with_secrets() -> list[dict[str, Any]]:
    """The service `chat` with the canary wherever its owners may have one."""
    workload, *others = service_of("chat", replicas=3)
    workload["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": f'{{"env": [{{"name": "A", "value": "{CANARY}"}}]}}',
        "settings.example": f"user: me\npassword: {CANARY}\nport: 80",
        "kapp.example/original": f'{{"spec": {{"env": [{{"name": "A", "value": "{CANARY}"}}]}}}}',
    }
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "API_KEY", "value": CANARY}]
    container["args"] = ["--model", "m", "--api-key", CANARY]
    container["readinessProbe"]["httpGet"]["httpHeaders"] = [{"name": "X-Key", "value": CANARY}]
    container["envFrom"] = [{"configMapRef": {"name": "chat"}}]
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chat"}, "data": {"password": CANARY}}
    return [config, workload, *others]


def leak(cluster: Cluster, namespace: str) -> None:
    """Let a container's message and an Event hold it."""
    pod = next(one for one in cluster.list("Pod", namespace) if PodView(one).ready)
    ref = Ref("Pod", namespace, View(pod).name, View(pod).uid)
    first, *others = pod["status"]["containerStatuses"]
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": REFUSED}}
    status = {"status": {"containerStatuses": [{**first, "lastState": ended}, *others]}}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "pull", "namespace": namespace},
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": ref.name, "uid": ref.uid},
        "reason": "Failed",
        "message": REFUSED,
        "type": "Warning",
    }
    executor = LiveExecutor(cluster, NullJournal())
    for order in (
        mutations.patch(ref, status, subresource="status", field_manager="kubelet"),
        mutations.create(event),
    ):
        done = executor.do(order)
        assert done.outcome == "ok", done.reason


def told(child: Child, cluster: Cluster, namespace: str) -> None:
    """Leak it while the session looks, and see that both words of it were recorded."""
    child.reaches("the system under test", lambda: "until the test goes on" in child.said)
    leak(cluster, namespace)
    child.reaches("the record of both", lambda: child.record("watch.jsonl").count("registry.example/v2") >= 2)


def assert_kept(folder: Path) -> None:
    """Fail if the canary is in any file below, or in what the commands say that show a run again."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert {path.name for path in files} >= WRITTEN
    assert [str(path.relative_to(folder)) for path in files if CANARY.encode() in path.read_bytes()] == []
    (facts,) = folder.glob("runs/*/trial.json")
    assert "redacted:" in facts.read_text(), "there was no secret, so nothing was proved"
    run = str(facts.parent)
    for command in (["compare", run, run], ["report", run]):
        shown = CliRunner().invoke(app, command)
        assert shown.exit_code == 0, shown.output
        assert CANARY not in shown.output
    assert CANARY not in (facts.parent / "report.html").read_text()


def test_a_session_that_deploys_keeps_every_secret(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """Of the spec, a container's message, an Event, the answers, a release and the command line, in every file."""
    with leaky() as url, deployed(simulated, tmp_path, url=url) as ground:
        before = ground.namespaces()
        options = ["--junitxml", "junit.xml", *COMMANDS]
        with ground.session(SCENARIO, *options, conftest=WITH_SECRETS, CANARY=CANARY) as child:
            child.reaches("the system deployed", lambda: "until the test goes on" in child.said)
            (namespace,) = (name for name in ground.namespaces() - before if not is_own_namespace(name))
            told(child, ground.direct, namespace)
            child.go()
            assert child.end() == pytest.ExitCode.TESTS_FAILED, child.said
    assert_kept(child.folder)


def test_a_session_on_an_adopted_service_keeps_every_secret(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """Of the owners' own objects too, which they change meanwhile, and of the undo journal in the action log."""
    with (
        leaky() as url,
        connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as cluster,
        plain_namespace(cluster) as namespace,
    ):
        apply_all(cluster, namespace, service_with_secrets())
        service = Staging(cluster, simulated, namespace, url, tmp_path / "no-audit.log")
        service.allow("rolling-update")
        (folder := tmp_path / "session").mkdir()
        (folder / "gameday.toml").write_text(service.file())
        (folder / "test_scenario.py").write_text(SCENARIO)
        with child_session(folder, "--junitxml", "junit.xml", *COMMANDS, CANARY=CANARY) as child:
            told(child, cluster, namespace)
            added = {"name": "LATER", "value": CANARY}
            later = [{"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": added}]
            chat = Ref("Deployment", namespace, "chat")
            order = mutations.patch(chat, later, mutations.JSON, field_manager="kubectl")
            assert LiveExecutor(cluster, NullJournal()).do(order).outcome == "ok"
            settle(cluster, namespace)
            child.go()
            assert child.end() == pytest.ExitCode.TESTS_FAILED, child.said
        assert '"write-undo"' in child.record()
        assert "/spec/template/spec/containers/0/env" in child.record("adopted.json")
    assert_kept(folder)
