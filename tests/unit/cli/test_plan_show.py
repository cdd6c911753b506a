"""A plan as people and programs get it, and which cluster the command plans for."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from cluster_objects import budget, deployment, node
from plan_clusters import plan_of, spread_out
from rich.console import Console
from typer import Typer
from typer.testing import CliRunner

from chaos.cli.plan.command import plan_command, show
from chaos.cli.plan.results import Plan, as_data
from chaos.errors import LabError, UsageError


def shown(plan: Plan, where: str = "the lab") -> str:
    """What a terminal of 160 columns shows."""
    written = io.StringIO()
    show(plan, Console(width=160, file=written), where=where)
    return written.getvalue()


def test_the_table_has_the_worst_first_and_says_why() -> None:
    """Every node, its answer and the reason; the one that deadlocks stands above those that finish."""
    nodes = [node("n1"), node("n2"), node("n3", labels={"gameday.dev/pool": "blue"})]
    pods = [*spread_out(2, nodes=["n2", "n3"]), *spread_out(1, nodes=["n1"], app="db")]
    shut = budget("shut", selector={"matchLabels": {"app": "web"}}, minAvailable=2)
    controllers = [*deployment("web", 2), *deployment("db", 1)]
    text = shown(plan_of(nodes=nodes, pods=pods, budgets=[shut], controllers=controllers))
    assert "the lab: 3 nodes, 3 pods, 1 disruption budget\n" in text
    assert text.index("deadlocks") < text.index("finishes")
    assert "shop/shut (minAvailable 2) wants" in text
    assert "blue (1 node)" in text
    assert "Draining two nodes together: 3 pairs" in text


def test_the_address_of_the_api_server_is_shown_whole() -> None:
    """Also an IPv6 one, whose brackets are no markup."""
    assert "context six (https://[fd00::1]:6443): 3 nodes" in shown(plan_of(), "context six (https://[fd00::1]:6443)")


def test_a_pod_without_a_successors_place_is_told() -> None:
    """A drain that finishes and leaves the service short says so."""
    nodes = [node("n1"), node("n2", cpu="1"), node("n3", cpu="1")]
    text = shown(plan_of(nodes=nodes, pods=spread_out(1, cpu="3")))
    assert "finishes" in text
    assert "shop/web-0 will have no successor: 0 of 3 nodes fit: 2 with too little cpu, 1 drained" in text


def test_a_long_table_says_what_it_leaves_out() -> None:
    """Forty rows are shown, and the rest is counted."""
    text = shown(plan_of(nodes=[node(f"n{index:03}") for index in range(60)]))
    assert "and 20 more: 20 finish; --json has all that was worked out" in text


def test_kinds_that_we_may_not_read_are_named() -> None:
    """A plan that had to do without the volumes says so above all else."""
    assert "No right to list PersistentVolumes" in shown(plan_of(volumes=None))


def test_the_data_is_the_whole_plan() -> None:
    """Every node, reason and pair is in the JSON, in words that docs/plan.md explains."""
    data: dict[str, Any] = json.loads(json.dumps(as_data(plan_of(budgets=[budget(maxUnavailable=0)]))))
    assert [one["nodes"] for one in data["nodes"]] == [["n1"], ["n2"], ["n3"]]
    first = data["nodes"][0]
    assert first["answer"] == "deadlocks"
    assert first["reasons"][0]["code"] == "all-must-stay"
    assert first["reasons"][0]["pods"] == ["shop/web-0"]
    assert data["pairs"]["counted"] == {
        "finishes": 0,
        "waits": 0,
        "cannot tell": 0,
        "refused": 0,
        "deadlocks": 3,
    }


def run(*arguments: str) -> BaseException | None:
    """Run the command and return what it raised."""
    app = Typer()
    app.command()(plan_command)
    return CliRunner().invoke(app, arguments).exception


def test_a_kubeconfig_with_several_contexts_needs_a_name(tmp_path: Path) -> None:
    """Its current context is never taken by accident."""
    file = tmp_path / "config"
    contexts = [{"name": name, "context": {"cluster": name, "user": name}} for name in ("staging", "production")]
    file.write_text(json.dumps({"kind": "Config", "contexts": contexts, "current-context": "production"}))
    error = run("--kubeconfig", str(file))
    assert isinstance(error, UsageError)
    assert "--kube-context staging | production" in error.fix


def test_without_a_name_and_without_a_lab_nothing_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """$KUBECONFIG alone is no naming."""
    monkeypatch.setattr("chaos.cli.cluster.Lab", _NoLab)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    error = run()
    assert isinstance(error, UsageError)
    assert "--kube-context" in error.fix


class _NoLab:
    """A host without a lab."""

    def facts(self) -> None:
        """There is none."""
        raise LabError("there is no lab on this host", "gameday lab up")
