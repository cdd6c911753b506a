"""A cluster of others whose API server writes an audit log, with a service on it: for sessions with a gameday.toml."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from plain_service import apply_all as apply_service
from plain_service import plain_namespace, service_of
from trial_ground import answering

from chaos.cluster import Cluster, NullJournal, OpenHand, connect, mutations
from chaos.history import Ref
from chaos.lab.kube_build import kube_program, kwok_program
from chaos.lab.simulated import SimulatedCluster
from chaos.progress import Terminal

__all__ = ["Staging", "audited", "staging"]

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Staging:
    """A cluster of others with a service on it, and the audit log of its API server."""

    cluster: Cluster
    simulated: SimulatedCluster
    namespace: str
    url: str
    log: Path

    def file(self, **changes: Mapping[str, Any]) -> str:
        """The text of a gameday.toml for it; each change updates a table."""
        tables: dict[str, dict[str, Any]] = {
            "cluster": {
                "context": self.simulated.context,
                "kubeconfig": str(self.simulated.kubeconfig),
                "uid": self.cluster.facts.uid,
            },
            "system": {"namespace": self.namespace, "deployment": "chat"},
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
        hand = OpenHand(self.cluster, NullJournal())
        namespace = Ref("Namespace", "", self.namespace)
        workload = Ref("Deployment", self.namespace, "chat")
        for ref, key, value in ((namespace, "adopt", "enabled"), (workload, "allow", actions)):
            patch = {"metadata": {"annotations": {f"gameday.dev/{key}": value}}}
            assert hand.do(mutations.patch(ref, patch, field_manager="kubectl")).outcome == "ok"

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
