"""A cluster of others whose API server writes an audit log, with a service on it: for sessions with a gameday.toml."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from kwok_program import kwok_program
from plain_service import apply_all as apply_service
from plain_service import plain_namespace, service_of
from simulated_cluster import SimulatedCluster
from trial_room import answering
from typer.testing import CliRunner

from chaos.cli.app import app
from chaos.cluster import Cluster, LiveExecutor, NullJournal, connect, mutations
from chaos.lab.control_plane.build import kube_program
from chaos.progress import Terminal
from chaos.safety.undo_journal import own_namespace

__all__ = ["Staging", "audited", "role_kubeconfig", "staging"]

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Staging:
    """A cluster of others with a service on it, and the audit log of its API server, if it writes one.

    `workload` is how the file names the workload, `resource` how kubectl names its kind.
    """

    cluster: Cluster
    simulated: SimulatedCluster
    namespace: str
    url: str
    log: Path
    workload: Mapping[str, Any] = field(default_factory=lambda: {"deployment": "chat"})
    resource: str = "deployments.apps"

    def file(self, **changes: Mapping[str, Any]) -> str:
        """The text of a gameday.toml for it; each change updates a table."""
        tables: dict[str, dict[str, Any]] = {
            "cluster": {
                "context": self.simulated.context,
                "kubeconfig": str(self.simulated.kubeconfig),
                "uid": self.cluster.facts.uid,
            },
            "system": {"namespace": self.namespace, **self.workload},
            "traffic": {"url": self.url, "profile": "http"},
            "safety": {"pods_max": 1},
        }
        for name, change in changes.items():
            tables[name] |= change
        lines = [
            line
            for name, table in tables.items()
            for line in (f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()))
        ]
        return "\n".join(lines) + "\n"

    def allow(self, actions: str) -> None:
        """Consent, as the owners give it."""
        namespace = self.cluster.kind("Namespace").path(None, self.namespace)
        workload = self.cluster.kind(self.resource).path(self.namespace, "chat")
        for path, key, value in ((namespace, "adopt", "enabled"), (workload, "allow", actions)):
            patch = {"metadata": {"annotations": {f"gameday.dev/{key}": value}}}
            answer = self.cluster.transport.call("PATCH", path, body=patch, content_type="application/merge-patch+json")
            assert answer.ok, answer.words()

    def written(self, since: int) -> list[str]:
        """What the suite wrote since then, by the server's own log; reviews of access are questions, not writes."""
        found = []
        for line in self.log.read_text()[since:].splitlines():
            event = json.loads(line)
            about = event.get("objectRef") or {}
            ours = event.get("userAgent", "").startswith("gameday/")
            if ours and event["verb"] in WRITES and about.get("apiGroup") != "authorization.k8s.io":
                found.append(f"{event['verb']} {about.get('resource')} {about.get('name', '')}")
        return found


def role_kubeconfig(staging: Staging, folder: Path, scenarios: str, *, without: str = "") -> Path:
    """Apply what `gameday rbac` prints, less one verb on pods, and give a kubeconfig of that identity."""
    file = folder / "for-rbac.toml"
    file.write_text(staging.file())
    printed = CliRunner().invoke(app, ["rbac", "--system", str(file), scenarios])
    assert printed.exit_code == 0, printed.output
    executor = LiveExecutor(staging.cluster, NullJournal())
    for one in yaml.safe_load_all(printed.stdout):
        if one["kind"] == "Role" and without:
            for rule in one["rules"]:
                if (rule["apiGroups"], rule["resources"]) == ([""], ["pods"]):
                    rule["verbs"].remove(without)
        assert executor.do(mutations.apply(one, field_manager="kubectl")).outcome == "ok"
    path = f"/api/v1/namespaces/{own_namespace(staging.namespace)}/serviceaccounts/gameday/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token = staging.cluster.transport.call("POST", path, body=asked).json()["status"]["token"]
    config = yaml.safe_load(staging.simulated.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    least = folder / "least.kubeconfig"
    least.write_text(yaml.safe_dump(config))
    return least


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SimulatedCluster, Path]]:
    """A cluster whose API server writes an audit log."""
    folder = tmp_path_factory.mktemp("audit")
    policy, log = folder / "policy.yaml", folder / "audit.log"
    policy.write_text(yaml.safe_dump(POLICY))
    flags = (f"--audit-policy-file={policy}", f"--audit-log-path={log}")
    progress = Terminal()
    with SimulatedCluster(kube=kube_program(progress), kwok=kwok_program(progress), api_server_flags=flags) as made:
        made.add_nodes(3)
        yield made, log


@pytest.fixture
def staging(audited: tuple[SimulatedCluster, Path]) -> Iterator[Staging]:
    """The service `chat` in a namespace of its own."""
    simulated, log = audited
    with (
        answering() as url,
        connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as cluster,
        plain_namespace(cluster) as namespace,
    ):
        apply_service(cluster, namespace, service_of("chat", replicas=3))
        yield Staging(cluster, simulated, namespace, url, log)
