"""The command `gameday undo` where nobody looks on: in a pod, beside runs that are at work elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from typer.testing import CliRunner, Result

from chaos.cli import undo
from chaos.cli.app import app
from chaos.cli.cluster import Reached
from chaos.cluster import Done, Mutation
from chaos.objects.base import Ref, View
from chaos.safety import ClusterUndoLog, UndoEntry
from chaos.safety.owner import Owner
from chaos.safety.undo_journal import OURS, SYSTEM, UNDO_LABELS
from chaos.trial.config import GamedayConfig

AWAY = Owner("runner-1", "boot-2/pid:[1]", 17, 99)
N1 = Ref("Node", "", "n1", "u-1")


@dataclass
class Api:
    """A cluster with one cordoned node; keeps the undo journals and leases that are written."""

    journals: dict[str, dict[str, Any]] = field(default_factory=dict)
    lease: dict[str, Any] | None = None
    cordoned: bool = True
    leases_seen: list[str] = field(default_factory=list)
    opened_under: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def list(self, kind: str, _namespace: str | None = None, **_: object) -> list[dict[str, Any]]:
        """The journals."""
        return list(self.journals.values()) if kind == "ConfigMap" else []

    def each(self, kind: str, **_: object) -> list[dict[str, Any]]:
        """The same, of all namespaces."""
        return self.list(kind)

    def get(self, kind: str, _namespace: str | None, name: str) -> dict[str, Any] | None:
        """The lease or the node."""
        if kind == "Lease":
            return self.lease
        return {"metadata": {"name": name, "uid": N1.uid}, "spec": {"unschedulable": self.cordoned}}

    def do(self, mutation: Mutation) -> Done:
        """Take a write."""
        kind, body = mutation.target.kind, cast("Mapping[str, Any]", mutation.body)
        if kind == "Lease":
            gone = mutation.method == "DELETE"
            self.lease = None if gone else {**body, "metadata": {"resourceVersion": "1"}}
            self.leases_seen.append("gone" if gone else str(body["spec"]["holderIdentity"]))
            return Done("ok", 200, self.lease or {}, "")
        if kind == "ConfigMap" and mutation.method == "DELETE":
            self.journals.pop(mutation.target.name, None)
        elif kind == "ConfigMap":
            self.journals[mutation.target.name] = dict(body)
        elif kind == "Node":
            self.cordoned = False
            self.opened_under.append(str(View(self.lease or {}).spec.get("holderIdentity", "")))
        return Done("ok", 200, body, "")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """The cluster that the command reaches."""
    made = Api()
    monkeypatch.setattr(undo, "reach", lambda *_: Reached(cast("Any", made), "a pod's own"))
    monkeypatch.setattr(undo, "unrecorded_executor", lambda cluster: cluster)
    return made


def left_behind(api: Api, monkeypatch: pytest.MonkeyPatch, *, deadline_s: float, run: str = "run-1") -> None:
    """What a run on another host wrote down before it closed the node."""
    with monkeypatch.context() as patched:
        patched.setattr(Owner, "this_process", lambda: AWAY)
        log = ClusterUndoLog(cast("Any", api), "llm", run, deadline_s=deadline_s)
    assert log.record(UndoEntry("uncordon", N1, "kubectl uncordon n1", fault="node-drain-1")) == ""


def held_by(holder: str) -> dict[str, Any]:
    """A lease that was renewed just now."""
    spec = {"holderIdentity": holder, "renewTime": datetime.now(UTC).isoformat(), "leaseDurationSeconds": 1}
    return {"metadata": {"resourceVersion": "1"}, "spec": spec}


def undone(*options: str) -> Result:
    """What the CronJob's command does."""
    command = ["undo", "--kube-context", "in-cluster", "--namespace", "llm", *options]
    return CliRunner().invoke(app, command)


def test_a_dead_run_of_another_host_is_healed_under_the_lease(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its deadline; no other run begins meanwhile, and the lease is given back."""
    left_behind(api, monkeypatch, deadline_s=-1)
    done = undone("--unattended")
    assert (done.exit_code, api.cordoned, api.journals) == (0, False, {})
    assert "undone   run-1, node-drain-1: node n1 is open again" in done.stdout
    assert ", undoing since " in api.opened_under[0]
    assert (api.leases_seen[-1], api.lease) == ("gone", None)


def file_protecting(*namespaces: str) -> Any:
    """A gameday.toml of another service, which names these."""
    config = GamedayConfig.model_validate(
        {"system": {"namespace": "search", "deployment": "index"}, "safety": {"protected": namespaces}}
    )
    return SimpleNamespace(path="gameday.toml", config=config, infrastructure=None)


@pytest.mark.parametrize("options", [(), ("--force",), ("--forget", "--force"), ("--unattended",)])
def test_a_namespace_that_the_file_protects_is_not_touched(
    api: Api, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """Whatever is insisted on; one that it does not name is healed."""
    left_behind(api, monkeypatch, deadline_s=-1)
    for protected, touched in ((("payments", "llm"), False), (("payments",), True)):
        reached = Reached(cast("Any", api), "the cluster of a file", adoption=file_protecting(*protected))
        monkeypatch.setattr(undo, "reach", lambda *_, reached=reached: reached)
        done = undone(*options)
        assert (not api.cordoned, bool(api.journals), bool(api.leases_seen)) == (
            touched,
            not touched,
            touched and "--force" not in options,
        )
        assert ("namespace llm is protected" in str(done.exception)) is not touched


def test_the_lease_of_the_dead_run_is_taken_over(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it was not renewed for its duration."""
    left_behind(api, monkeypatch, deadline_s=-1)
    api.lease = held_by(f"{AWAY.words}, since 10:00")
    api.lease["spec"]["renewTime"] = "2026-01-01T00:00:00+00:00"
    assert (undone("--unattended").exit_code, api.cordoned) == (0, False)


@pytest.mark.parametrize(("options", "code"), [(("--unattended",), 0), ((), 1)])
@pytest.mark.parametrize("deadline_s", [300, -1], ids=["in time", "late, with its lease"])
def test_a_run_at_work_is_left_alone(
    api: Api, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], code: int, deadline_s: float
) -> None:
    """A living run's fault is never undone; that is the usual case of a CronJob, and a failure for people."""
    left_behind(api, monkeypatch, deadline_s=deadline_s)
    api.lease = held_by(f"{AWAY.words}, since 10:00")
    done = undone(*options)
    assert (done.exit_code, api.cordoned, api.leases_seen) == (code, True, [])
    assert "left alone: run-1" in done.stdout


def test_beside_a_run_at_work_nothing_is_undone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the lease, and has undone itself what an earlier one left."""
    left_behind(api, monkeypatch, deadline_s=-1, run="earlier")
    left_behind(api, monkeypatch, deadline_s=300, run="later")
    api.lease = held_by(f"{AWAY.words}, since 10:00")
    for options, code in ((("--unattended",), 0), ((), 1)):
        done = undone(*options)
        assert (done.exit_code, api.cordoned, api.leases_seen) == (code, True, [])


def test_a_journal_in_time_holds_up_no_other_where_nobody_holds_the_lease(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is at work holds it: whoever else may be alive, e.g. by a clock that is ahead, is not at work here."""
    left_behind(api, monkeypatch, deadline_s=-1, run="earlier")
    left_behind(api, monkeypatch, deadline_s=300, run="later")
    done = undone("--unattended")
    assert (done.exit_code, api.cordoned, len(api.journals)) == (0, False, 1)
    assert "left alone: later" in done.stdout


def test_people_hold_the_lease_too_unless_they_insist(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that began meanwhile might hit the same again; `--force` asks nobody."""
    for options, holders in (((), [", undoing since "]), (("--force",), [])):
        left_behind(api, monkeypatch, deadline_s=-1)
        api.cordoned, api.leases_seen, api.opened_under = True, [], []
        assert (undone(*options).exit_code, api.cordoned, api.journals) == (0, False, {})
        assert [one for one in holders if one not in api.opened_under[0]] == []
        assert bool(api.leases_seen) == bool(holders)


def test_a_run_that_began_meanwhile_keeps_what_it_does(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the lease it may have undone the same and hit the node anew: then nothing is done."""
    left_behind(api, monkeypatch, deadline_s=-1)
    take = api.do

    def meanwhile(mutation: Mutation) -> Done:
        if mutation.target.kind == "Lease" and not api.leases_seen:
            api.journals.clear()
        return take(mutation)

    monkeypatch.setattr(api, "do", meanwhile)
    done = undone("--unattended")
    assert (done.exit_code, api.cordoned, api.lease) == (0, True, None)


def test_a_run_that_took_the_lease_meanwhile_is_named(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is undone beside it, and the next look tells more."""
    left_behind(api, monkeypatch, deadline_s=-1)
    api.lease = held_by("process 4 on runner-2, since 11:00")
    looked = api.get

    def renewed(kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        if kind == "Lease":
            api.lease = held_by("process 4 on runner-2, since 11:00")
        return looked(kind, namespace, name)

    monkeypatch.setattr(api, "get", renewed)
    done = undone("--unattended")
    assert (done.exit_code, api.cordoned) == (1, True)
    assert "another run is at work in namespace llm: process 4 on runner-2" in str(done.exception)


def test_where_nothing_is_left_no_lease_is_taken(api: Api) -> None:
    """A look that finds nothing writes nothing: no run has to wait for it."""
    done = undone("--unattended")
    assert (done.exit_code, done.stdout, api.leases_seen) == (0, "nothing is left to undo\n", [])


def test_what_cannot_be_undone_fails_unattended_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then somebody has to look: the Job fails, and says what is left."""
    left_behind(api, monkeypatch, deadline_s=-1)
    take = api.do

    def refusing(mutation: Mutation) -> Done:
        return Done("fail", 422, {}, "no") if mutation.target.kind == "Node" else take(mutation)

    monkeypatch.setattr(api, "do", refusing)
    done = undone("--unattended")
    assert done.exit_code == 1
    assert "left     run-1, node-drain-1: node n1 is still cordoned" in done.stdout
    assert len(api.journals) == 1


def test_status_says_what_ends_by_itself(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds a stopped process sees for how long at most it stays so; a cordon has no such end."""
    left_behind(api, monkeypatch, deadline_s=300)
    log = ClusterUndoLog(cast("Any", api), "llm", "run-2", deadline_s=-1)
    detail = {"container": "model", "container_id": "containerd://a", "process": "engine", "own_end_s": 600.0}
    pod = Ref("Pod", "llm", "chat-1", "u-2")
    assert log.record(UndoEntry("continue-process", pod, "", detail, fault="process-hang-1")) == ""
    lines = CliRunner().invoke(app, ["status", "--kube-context", "in-cluster"]).stdout.splitlines()
    assert "  node-drain-1: uncordon Node -/n1" in lines
    hang = "  process-hang-1: continue-process Pod llm/chat-1, by itself 600.0 s after the run's last sign of life"
    assert hang in lines


@pytest.mark.parametrize(("options", "code"), [(("--unattended",), 0), ((), 1)], ids=["a CronJob", "a person"])
@pytest.mark.parametrize("text", ["no entry", '{"kind": "uncordon"}', "[" * 200_000], ids=["words", "a part", "deep"])
def test_what_strangers_write_fails_nobody_s_cron_job(
    api: Api, monkeypatch: pytest.MonkeyPatch, text: str, options: tuple[str, ...], code: int
) -> None:
    """Of a namespace that gameday did not make, and that let nobody in, it is told; what is ours is healed."""
    left_behind(api, monkeypatch, deadline_s=-1)
    (ours,) = api.journals.values()
    ours["metadata"] |= {"namespace": "gameday-x-gameday", "labels": UNDO_LABELS}
    ours["metadata"]["annotations"][SYSTEM] = "gameday-x"
    theirs = {"labels": UNDO_LABELS, "name": "x", "namespace": "team-b-gameday", "annotations": {SYSTEM: "team-b"}}
    api.journals["x"] = {"kind": "ConfigMap", "metadata": theirs, "data": {"0001": text}}
    spaces = [{"metadata": {"name": "gameday-x", "labels": dict(OURS)}}, {"metadata": {"name": "team-b"}}]
    looked = api.list
    monkeypatch.setattr(api, "list", lambda kind, *a, **b: spaces if kind == "Namespace" else looked(kind, *a, **b))
    done = CliRunner().invoke(app, ["undo", "--kube-context", "in-cluster", *options])
    assert (done.exit_code, api.cordoned, list(api.journals)) == (code, False, ["x"])
    assert "left alone:  (somebody): neither did gameday make its namespace" in done.stdout
