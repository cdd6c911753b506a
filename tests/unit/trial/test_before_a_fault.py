"""What is looked at right before a fault, in which order, and what a dry run leaves alone."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cluster_objects import node
from histories import NAMESPACE, WORKLOAD, Story, deployment, pod
from saved_histories import saved
from trial_contexts import context_with

from chaos import faults
from chaos.cli.capacity import environment as capacity
from chaos.errors import ClusterRefused, NotAllowed, TimedOut, UsageError
from chaos.faults.targets import Targets
from chaos.faults.undo.find import Left
from chaos.faults.undo.restore import Undone
from chaos.objects.base import Ref
from chaos.objects.workload_kind import DEPLOYMENT
from chaos.safety import BlastRadius, UndoEntry
from chaos.trial import adopted_environment
from chaos.trial import environment as environments
from chaos.trial.config import GamedayConfig
from chaos.trial.context import TrialContext
from chaos.trial.environment import Environment, context_environment
from chaos.trial.preflight.adopted_cluster import Adoption
from chaos.trial.preflight.consent import Consent

KILL = faults.PodKill(Targets("one", ()))


class Surroundings:
    """An environment that writes down what it is asked; `reason` is why the trial is to stop."""

    def __init__(self, *, reason: str = "") -> None:
        self.reason = reason
        self.asked: list[str] = []

    def claim(self, *, nodes: bool) -> bool:
        """The lease, taken by the first who asks."""
        assert not nodes
        self.asked.append("lease")
        return self.asked.count("lease") == 1

    def stop_reason(self) -> str:
        """Whether all is well."""
        self.asked.append("well?")
        return self.reason


def context_of(surroundings: Surroundings, objection: str = "") -> TrialContext:
    """A trial there, whose owners object once the lease is held."""

    def owners(_actions: object) -> list[str]:
        surroundings.asked.append("owners")
        return [objection] if objection and "lease" in surroundings.asked else []

    return context_with(
        environment=cast("Any", surroundings),
        executor=cast("Any", SimpleNamespace()),
        abort_conditions=cast("Any", SimpleNamespace(objection=lambda: "")),
        recorder=SimpleNamespace(objects=lambda _kind: ()),
        namespace="llm",
        workload_kind=DEPLOYMENT,
        system=SimpleNamespace(workload=Ref("Deployment", "llm", "chat"), objects=()),
        blast_radius=lambda **_: BlastRadius("llm", pods_max=1),
        consent=Consent(owners),
    )


def test_the_owners_are_asked_again_once_the_lease_is_held() -> None:
    """Nothing is written before they are asked; but a wait for the lease may outlast their consent."""
    there = Surroundings()
    context = context_of(there)
    assert context.permits(KILL, pytest.fail)
    assert there.asked == ["owners", "lease", "well?", "owners"]
    assert context.permits(KILL, pytest.fail)
    assert there.asked[4:] == ["owners", "lease", "well?"]
    with pytest.raises(NotAllowed, match="frozen"):
        context_of(Surroundings(), "frozen").permits(KILL, pytest.fail)


Objects = dict[str, list[Any]]
FOUR = [pod(name, ready=True) for name in "abcd"]
KILL_A = faults.PodKill(Targets("a", (Ref("Pod", NAMESPACE, "a", "a"),)))


@pytest.mark.parametrize(
    ("meanwhile", "refused"),
    [
        pytest.param({}, "", id="nothing happens"),
        pytest.param({"Deployment": [deployment(2)], "Pod": FOUR[:2]}, "1 pod and 0 already down", id="a scale-in"),
        pytest.param({"Pod": [*FOUR[:3], pod("d")]}, "1 pod and 1 already down are more than the 1", id="one is lost"),
        pytest.param({"Pod": [*FOUR[1:], pod("e", ready=True)]}, "is not part of the system", id="it is replaced"),
    ],
)
def test_the_bounds_are_held_again_once_the_lease_is_held(meanwhile: Objects, refused: str, tmp_path: Path) -> None:
    """A quarter of the replicas may be down; what a wait for the lease changes counts, though it was right before."""
    objects: Objects = {"Node": [node("n1")], "Pod": FOUR, "Deployment": [deployment(4)]}

    def claim(*, nodes: bool) -> bool:
        del nodes
        objects.update(meanwhile)
        return True

    context = context_with(
        environment=SimpleNamespace(claim=claim, stop_reason=lambda: ""),
        executor=SimpleNamespace(),
        abort_conditions=SimpleNamespace(objection=lambda: ""),
        run=saved(Story().replicas(*"abcd").history(), tmp_path / "run"),
        recorder=SimpleNamespace(objects=lambda kind: objects[kind]),
        namespace=NAMESPACE,
        workload_kind=DEPLOYMENT,
        system=SimpleNamespace(workload=Ref("Deployment", NAMESPACE, WORKLOAD, "d-1"), objects=()),
        blast_radius=lambda wanted, **_: BlastRadius(NAMESPACE, pods_max=wanted // 4),
        consent=Consent(),
    )
    context.admit(KILL_A)
    said: list[str] = []
    try:
        made = context.permits(KILL_A, said.append)
    except UsageError as wrong:
        made = False
        said.append(wrong.what)
    assert made is not bool(refused)
    assert refused in "".join(said)


def test_nothing_is_injected_once_the_trial_must_stop() -> None:
    """A lost lease, or a command that says so, is looked at before each fault and not only while time passes."""
    said: list[str] = []
    assert not context_of(Surroundings(reason="the lease is held by another")).permits(KILL, said.append)
    assert said == ["the lease is held by another"]


def test_no_load_rises_once_the_trial_must_stop() -> None:
    """The same for users: they are an action too."""
    with pytest.raises(ClusterRefused, match="it is not well"):
        context_of(Surroundings(reason="safety.abort: it is not well")).allow_rising_load()
    there = Surroundings()
    context_of(there).allow_rising_load()
    assert there.asked == ["owners", "lease", "well?", "owners"]
    with pytest.raises(NotAllowed, match="frozen"):
        context_of(Surroundings(), "frozen").allow_rising_load()


@pytest.mark.parametrize(("dry_run", "deeds"), [(False, ["undo", "sweep"]), (True, [])])
def test_a_dry_run_undoes_and_sweeps_nothing(
    monkeypatch: pytest.MonkeyPatch, deeds: list[str], *, dry_run: bool
) -> None:
    """What a dead run left on a cluster of others stays, when nothing is to be done."""
    done: list[str] = []
    facts = SimpleNamespace(context="staging", server="https://api", uid="u-1", version="v1.36.3")
    monkeypatch.setattr(environments, "connect", lambda **_: nullcontext(SimpleNamespace(facts=facts)))
    monkeypatch.setattr(environments, "require_served", lambda *_: None)
    monkeypatch.setattr(environments, "undo_of_deployed", lambda *_: done.append("undo") or ())
    monkeypatch.setattr(environments, "sweep", lambda *_: done.append("sweep"))
    with context_environment(kubeconfig=None, context="staging", image="", service_url="", dry_run=dry_run, uid="u-1"):
        assert done == deeds


def test_what_a_dead_run_left_for_good_refuses_no_trial_with_a_system_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A node that cannot be opened, or a namespace that does not go, is told; whom it does not concern goes on."""
    said: list[str] = []
    facts = SimpleNamespace(context="staging", server="https://api", uid="u-1", version="v1.36.3")
    cordon = UndoEntry("uncordon", Ref("Node", "", "n1", "node-1"), "kubectl uncordon n1")
    stuck = Undone(cordon, "run-1", "left", "node n1 is still cordoned (403 forbidden); run: kubectl uncordon n1")

    def swept(*_: object) -> None:
        raise TimedOut("namespace gameday-old to be gone: not within 30 s; held by: a finalizer")

    monkeypatch.setattr(environments, "connect", lambda **_: nullcontext(SimpleNamespace(facts=facts)))
    monkeypatch.setattr(environments, "require_served", lambda *_: None)
    monkeypatch.setattr(environments, "undo_of_deployed", lambda *_: (stuck,))
    monkeypatch.setattr(environments, "sweep", swept)
    opening = context_environment(
        kubeconfig=None, context="staging", image="", service_url="", uid="u-1", say=said.append
    )
    with opening as environment:
        assert not environment.lease.taken
    assert said[0] == f"of the dead run run-1: {stuck.words}"
    assert said[1].startswith("what a dead run left is still there: namespace gameday-old to be gone")


@pytest.mark.parametrize(
    ("uid", "words"),
    [
        ("", "--gameday-cluster-uid is missing, so another cluster under the name staging would not be noticed"),
        ("", "see that https://api is the one you mean, then give --gameday-cluster-uid u-1"),
        ("u-2", "--gameday-cluster-uid: context staging (https://api) is another cluster"),
        ("u-2", "its kube-system has the UID u-1, not u-2"),
    ],
)
def test_a_cluster_that_is_not_pinned_is_not_touched(monkeypatch: pytest.MonkeyPatch, uid: str, words: str) -> None:
    """Before what dead runs left is undone: a context may lead elsewhere than it did when somebody meant it."""
    facts = SimpleNamespace(context="staging", server="https://api", uid="u-1", version="v1.36.3")
    monkeypatch.setattr(environments, "connect", lambda **_: nullcontext(SimpleNamespace(facts=facts)))
    for name in ("require_served", "undo_of_deployed", "sweep"):
        monkeypatch.setattr(environments, name, lambda *_: pytest.fail("it was touched"))
    opening = context_environment(kubeconfig=None, context="staging", image="", service_url="", uid=uid)
    with pytest.raises(UsageError) as refused, opening:
        pass
    assert words in str(refused.value)


def test_a_measurement_of_capacity_holds_the_lease(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before the first request, as two at once would measure each other; then what a dead run left is undone."""
    taken: list[str] = []
    read = iter(["as a dead run left it", "as it was"])
    here = SimpleNamespace(adoption=object(), begin=lambda: not taken.append("begin"))
    here.claim = lambda: taken.append("lease")

    @contextmanager
    def opened(*_: object, **__: object) -> Iterator[Environment]:
        yield cast("Any", here)

    monkeypatch.setattr(capacity, "adopted_environment", opened)
    monkeypatch.setattr(capacity, "_on_adopted", lambda *_: SimpleNamespace(spec=next(read)))
    where = capacity.Where(tmp_path / "gameday.toml", "", "", None, "", "", 3, keep_lab=False, command="")
    screen = cast("Any", SimpleNamespace(say=print))
    with capacity.placed(where, replicas=None, losses=0, fields={}, screen=screen) as place:
        assert taken == ["begin", "lease"]
        assert str(place.spec) == "as it was"


def test_what_an_older_version_does_not_know_how_to_undo_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is still done to the service, and the next trial begins on it: that nobody undoes it has to be seen."""
    journal = Ref("ConfigMap", "llm-gameday", "gameday-undo-1", "c-1")
    left = Left(journal, "run-1", "process 1 on ci", "", (), ("0001: this version does not know how to undo 'x'",))
    monkeypatch.setattr(adopted_environment, "find_left", lambda *_: (left,))
    monkeypatch.setattr(adopted_environment, "undo_leftovers", lambda *_: ())
    given: Any = SimpleNamespace(started=True, taken=False, held=lambda: False, enter_context=lambda _: None)
    config = GamedayConfig.model_validate({"system": {"namespace": "llm", "deployment": "chat"}})
    said: list[str] = []
    environment = adopted_environment.AdoptedEnvironment(
        cluster=given,
        adoption=Adoption(Path("gameday.toml"), config, given),
        lease=given,
        abort_command=given,
        until_end=given,
        say=said.append,
    )
    environment.begin()
    assert said == [f"llm-gameday/gameday-undo-1 holds what is not undone, see gameday undo: {left.refused[0]}"]
