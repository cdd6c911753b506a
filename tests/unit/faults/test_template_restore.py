"""What a rollout changed is put back from digests: nothing of a pod template stands in the undo journal."""

import copy
import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typing_extensions import override

from chaos.cluster import DryRunExecutor, NullJournal, unrecorded_executor
from chaos.cluster.transport import Answer, Broken
from chaos.faults import FaultContext
from chaos.faults.context import UndoContext
from chaos.faults.support.object_patch import Template
from chaos.faults.undo import restore_object
from chaos.faults.undo.find import find_left
from chaos.faults.undo.restore import heal, restore
from chaos.objects.base import Ref
from chaos.safety import ClusterUndoLog, NoUndoLog, UndoEntry

CHAT = Ref("Deployment", "llm", "chat", "d-1")
SECRETS = ("s3cr3t-of-the-sidecar", "s3cr3t-of-the-server", "s3cr3t-changed")
BEFORE: Mapping[str, Any] = {
    "metadata": {"labels": {"app": "chat"}},
    "spec": {
        "containers": [
            {
                "name": "chat",
                "image": "chat:1",
                "imagePullPolicy": "IfNotPresent",
                "env": [{"name": "TOKEN", "value": SECRETS[1]}, {"name": "KEY", "value": SECRETS[2]}],
            },
            {
                "name": "mesh",
                "image": "mesh:1",
                "imagePullPolicy": "IfNotPresent",
                "env": [{"name": "PASSWORD", "value": SECRETS[0]}],
            },
        ]
    },
}


class Server:
    """An API server with one Deployment and its ReplicaSets, which fills in defaults, and an undo journal.

    Attributes:
        answers: Whether it tells what a dry run would make.
        revisions: Whether it keeps the ReplicaSets of former templates.
    """

    def __init__(self, *, answers: bool = True, revisions: bool = True) -> None:
        self.answers, self.revisions = answers, revisions
        self.template: dict[str, Any] = copy.deepcopy(dict(BEFORE))
        self.former: list[dict[str, Any]] = []
        self.journals: list[dict[str, Any]] = []
        self.dry_runs = 0
        self.transport = SimpleNamespace(call=self.call)

    def call(self, _method: str, path: str, *, query: Mapping[str, str], body: Any, **_: object) -> Answer:
        """Patch the Deployment, or write the journal."""
        if "/configmaps/" in path:
            self.journals.append(body)
            return self._answer(200, {"kind": "ConfigMap", **(body or {})})
        dry = "dryRun" in query
        self.dry_runs += dry
        if dry and not self.answers:
            return self._answer(400, {"kind": "Status", "status": "Failure", "message": "webhooks do not support it"})
        *tests, replacing = body
        if any(one["path"] == "/spec/template" and one["value"] != self.template for one in tests):
            return self._answer(422, {"kind": "Status", "status": "Failure", "message": "the test failed"})
        made = copy.deepcopy(replacing["value"])
        for container in made["spec"]["containers"]:
            container.setdefault("imagePullPolicy", "IfNotPresent")
        if not dry:
            self.former.append(self.template)
            self.template = made
        return self._answer(200, self._deployment(made))

    def _answer(self, status: int, body: object) -> Answer:
        return Answer(status, json.dumps(body).encode())

    def _deployment(self, template: Any) -> dict[str, Any]:
        return {"kind": "Deployment", "metadata": {"name": "chat", "uid": "d-1"}, "spec": {"template": template}}

    def get(self, kind: str, _namespace: str | None, _name: str) -> dict[str, Any] | None:
        """The Deployment."""
        return self._deployment(copy.deepcopy(self.template)) if kind == "Deployment" else None

    def list(self, kind: str, *_: object, **__: object) -> list[dict[str, Any]]:
        """The ReplicaSets, or the journal as it was written last."""
        if kind == "ConfigMap":
            return self.journals[-1:]
        owner = {"uid": "d-1", "kind": "Deployment", "name": "chat", "controller": True}
        made = copy.deepcopy([*(self.former if self.revisions else ()), self.template])
        for one in made:
            one["metadata"]["labels"]["pod-template-hash"] = "abc"
        return [{"metadata": {"ownerReferences": [owner]}, "spec": {"template": one}} for one in made]

    @property
    def written(self) -> str:
        """All that stands in the journals that were written."""
        return json.dumps(self.journals)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow at once."""
    monkeypatch.setattr(restore_object, "PAUSES_S", (0.0,))


def context_on(server: Server, log: ClusterUndoLog, fault: str = "rolling-update-1") -> FaultContext:
    """What a rollout may use."""
    cluster, recorder = cast("Any", server), cast("Any", SimpleNamespace(objects=lambda _: ()))
    return FaultContext(cluster, unrecorded_executor(cluster), NullJournal(), fault, recorder, "llm", undo=log)


def log_on(server: Server) -> ClusterUndoLog:
    """The journal of a run that counts as dead at once."""
    return ClusterUndoLog(unrecorded_executor(cast("Any", server)), "llm", "run-1", deadline_s=-1)


def changed(**change: Any) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """An edit of the first container; None takes a field away, which the server fills in again."""

    def edit(template: Mapping[str, Any]) -> Mapping[str, Any]:
        first, *others = template["spec"]["containers"]
        first = {key: value for key, value in {**first, **change}.items() if value is not None}
        return {**template, "spec": {**template["spec"], "containers": [first, *others]}}

    return edit


NEW_ENV = [{"name": "KEY", "value": "new"}]


def undone(server: Server) -> list[tuple[str, str]]:
    """What a later process makes of all entries."""
    (left,) = find_left(cast("Any", server), "llm")
    assert left.refused == ()
    cluster = cast("Any", server)
    context = UndoContext(cluster, unrecorded_executor(cluster), NullJournal(), "f-1")
    return [restore(context, entry) for entry in left.entries]


@pytest.mark.parametrize(
    "edit",
    [changed(env=NEW_ENV), changed(image="chat:2", imagePullPolicy=None), changed(env=[])],
    ids=["a secret replaced", "a default", "all taken away"],
)
def test_no_secret_of_a_template_stands_in_the_journal_and_all_is_put_back(edit: Any) -> None:
    """Neither of a container that nobody changed, nor a changed value; a later process takes it from a ReplicaSet."""
    server = Server()
    context = context_on(server, log_on(server))
    assert Template(context, CHAT).make(edit) == ""
    assert server.template != BEFORE
    assert [secret for secret in (*SECRETS, "chat:1", "new") if secret in server.written] == []
    assert [result for result, _ in undone(server)] == ["undone"]
    assert server.template == BEFORE
    assert [result for result, _ in undone(server)] == ["nothing"]


def test_a_run_that_lives_needs_no_replica_set() -> None:
    """With `revisionHistoryLimit: 0` it puts back what it read itself; a later process leaves it, and says so."""
    server = Server(revisions=False)
    context = context_on(server, log_on(server))
    assert Template(context, CHAT).make(changed(env=NEW_ENV)) == ""
    ((result, words),) = undone(server)
    assert (result, "no ReplicaSet of it has the template" in words) == ("left", True)
    assert heal(context) == ""
    assert server.template == BEFORE


def test_what_somebody_else_changed_since_is_left_to_them() -> None:
    """By the run itself and by a later process, wherever in the template it is."""
    server = Server()
    context = context_on(server, log_on(server))
    assert Template(context, CHAT).make(changed(env=NEW_ENV)) == ""
    server.template["spec"]["containers"][1]["image"] = "mesh:2"
    ((result, words),) = undone(server)
    assert (result, "changed by somebody else since" in words) == ("left", True)
    assert "changed by somebody else since" in heal(context)
    assert server.template["spec"]["containers"][1]["image"] == "mesh:2"


@pytest.mark.parametrize(
    ("edit", "result"),
    [(changed(env=NEW_ENV), "undone"), (changed(image="chat:2", imagePullPolicy=None), "left")],
    ids=["nothing filled in", "a default"],
)
def test_where_the_server_does_not_say_what_it_would_make_only_what_is_wanted_is_known(edit: Any, result: str) -> None:
    """A webhook that allows no dry run: what differs from the words of the change is left to people."""
    server = Server(answers=False)
    context = context_on(server, log_on(server))
    assert Template(context, CHAT).make(edit) == ""
    assert [one for one, _ in undone(server)] == [result]
    assert heal(context) == ""
    assert server.template == BEFORE


def test_a_rollout_within_a_rollout_is_put_back_to_what_was_before_both() -> None:
    """The inner one's digest stands beside the outer one's until it ends."""
    server = Server()
    log = log_on(server)
    outer, inner = context_on(server, log), context_on(server, log, "bad-rollout-2")
    assert Template(outer, CHAT).make(changed(env=NEW_ENV)) == ""
    assert Template(inner, CHAT).make(changed(image="chat:2", imagePullPolicy=None)) == ""
    assert [result for result, _ in undone(server)] == ["undone"]
    assert server.template == BEFORE


def test_an_entry_without_its_action_is_nothing_to_undo() -> None:
    """Killed after it was written and before anything was changed."""
    server = Server()
    context = context_on(server, log_on(server))
    context.executor.do = lambda _order: pytest.fail("killed")  # type: ignore[method-assign]
    with pytest.raises(pytest.fail.Exception):
        Template(context, CHAT).make(changed(env=NEW_ENV))
    assert [result for result, _ in undone(server)] == ["nothing"]
    assert server.template == BEFORE


class Slow(Server):
    """One that does the first change after its client has given up."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[Any] = []

    @override
    def call(self, method: str, path: str, *, query: Mapping[str, str], body: Any, **more: object) -> Answer:
        if "/deployments/" not in path or "dryRun" in query or self.late:
            return super().call(method, path, query=query, body=body, **more)
        self.late = body
        raise Broken("no answer")


def test_what_the_server_does_after_its_client_gave_up_is_put_back() -> None:
    """Nothing of it shows as it is looked at, so that its entry could be taken off as of what was never done."""
    server = Slow()
    context = context_on(server, log_on(server))
    assert "no answer" in Template(context, CHAT).make(changed(env=NEW_ENV))
    assert server.template == BEFORE
    super(Slow, server).call("PATCH", "/deployments/chat", query={}, body=server.late)
    assert server.template != BEFORE
    assert heal(context) == ""
    assert server.template == BEFORE


def test_a_dry_run_asks_the_server_nothing() -> None:
    """What is not done has no undoing."""
    server = Server()
    cluster, recorder = cast("Any", server), cast("Any", SimpleNamespace(objects=lambda _: ()))
    executor = DryRunExecutor(NullJournal())
    context = FaultContext(cluster, executor, NullJournal(), "f-1", recorder, "llm", undo=NoUndoLog())
    assert "dry_run" in Template(context, CHAT).make(changed(env=NEW_ENV))
    assert (server.dry_runs, server.template) == (0, BEFORE)


@pytest.mark.parametrize(("image", "result"), [("chat:1", "undone"), ("miner:1", "left")])
def test_an_entry_of_an_earlier_version_holds_the_whole_and_is_executed(image: str, result: str) -> None:
    """It is put back if a ReplicaSet has it, and the server says of what was wanted that it is what is there."""
    server = Server()
    context = context_on(server, log_on(server))
    assert Template(context, CHAT).make(changed(image="chat:2")) == ""
    before, wanted = changed(image=image)(BEFORE), changed(image="chat:2", imagePullPolicy=None)(BEFORE)
    entry = UndoEntry("restore-part", CHAT, "", {"path": "/spec/template", "before": before, "wanted": wanted})
    server.journals.append({**server.journals[-1], "data": {"0001": entry.text()}})
    assert [one for one, _ in undone(server)] == [result]
    assert (server.template == BEFORE) == (result == "undone")
