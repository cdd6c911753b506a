"""Owners who object while a trial goes on: it does nothing more, heals, and says who objected."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
from trial_contexts import context_with
from typing_extensions import override

from chaos import faults
from chaos.clock import Clock
from chaos.cluster import Journal
from chaos.errors import ClusterRefused, HarnessBroken
from chaos.faults.base import NOTHING_LEFT, Injection, TargetedFault
from chaos.faults.context import FaultContext
from chaos.faults.support.background_task import Ending, Work
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.workload_kind import DEPLOYMENT
from chaos.safety import BlastRadius, NoUndoLog, UndoEntry
from chaos.safety.abort_conditions import AbortConditions
from chaos.trial import active_faults
from chaos.trial.context import TrialContext
from chaos.trial.preflight import consent as owners
from chaos.trial.preflight.consent import Consent, owners_of
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial
from chaos.wait import until

NODE = Ref("Node", "", "n1", "uid-n1")
DRAIN = faults.NodeDrain(Targets("n1", (NODE,)))
KILL = faults.PodKill(Targets("one", ()))
STOP_S = 10.0
"""What is promised to owners, from their word to the trial's end."""


@dataclass
class Cluster:
    """Stands for one that owners annotate, or that refuses to be read."""

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    refuses: str = ""

    def get(self, kind: str, _namespace: str | None, name: str) -> dict[str, Any] | None:
        """One object."""
        if self.refuses:
            raise ClusterRefused(self.refuses)
        return self.objects.get((kind, name))

    def annotate(self, kind: str, name: str, **values: str) -> None:
        """Let an object have these annotations of ours, and no other; its UID goes with its name."""
        annotations = {f"gameday.dev/{key}": value for key, value in values.items()}
        metadata = {"name": name, "uid": f"uid-{name}", "annotations": annotations}
        self.objects[kind, name] = {"kind": kind, "metadata": metadata}


@pytest.fixture
def cluster() -> Cluster:
    """One whose owners allow to kill pods and to drain n1."""
    made = Cluster()
    made.annotate("Namespace", "llm", adopt="enabled")
    made.annotate("Deployment", "chat", allow="pod-kill,node-drain,load")
    made.annotate("Node", "n1", allow="node-drain")
    return made


def consent_on(cluster: Cluster) -> Consent:
    """The consent of those owners to one trial."""
    system = SimpleNamespace(namespace="llm", workload=Ref("Deployment", "llm", "chat", "uid-chat"))
    config = SimpleNamespace(safety=SimpleNamespace(allow=None))
    adoption: Any = SimpleNamespace(cluster=cluster, config=config)
    found: Any = SimpleNamespace(system=system, workload={}, resource="deployment")
    return Consent(owners_of(adoption, found))


Change = Callable[[Cluster], object]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            lambda one: one.annotate("Namespace", "llm", adopt="enabled", freeze="release week"),
            "namespace llm is frozen: release week",
            id="frozen",
        ),
        pytest.param(lambda one: one.annotate("Namespace", "llm"), "have not allowed faults", id="not adopted"),
        pytest.param(lambda one: one.objects.pop(("Namespace", "llm")), "owners of namespace llm", id="no namespace"),
        pytest.param(
            lambda one: one.annotate("Deployment", "chat", allow="pod-kill"), "node-drain is not allowed on", id="fault"
        ),
        pytest.param(lambda one: one.annotate("Node", "n1"), "node-drain is not allowed on node n1", id="node"),
    ],
)
def test_consent_that_is_withdrawn_is_noticed(cluster: Cluster, change: Change, words: str) -> None:
    """By whichever object it is withdrawn, of what the trial has done; and the objection stays."""
    consent = consent_on(cluster)
    assert (consent(KILL), consent(DRAIN), consent.ask()) == ("", "", "")
    change(cluster)
    assert words in consent.ask()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda one: one.annotate("Deployment", "chat", allow="node-drain,evict"), id="of nothing done"),
        pytest.param(lambda one: one.annotate("Node", "n2"), id="of another node"),
        pytest.param(lambda one: one.objects.pop(("Node", "n1")), id="the node is gone"),
        pytest.param(
            lambda one: one.objects.update({("Node", "n1"): {"metadata": {"name": "n1", "uid": "anew"}}}),
            id="made anew",
        ),
    ],
)
def test_what_withdraws_nothing_stops_nothing(cluster: Cluster, change: Change) -> None:
    """Words about other faults and nodes, and a node that is replaced while it is away, are no objection."""
    consent = consent_on(cluster)
    assert consent(DRAIN) == ""
    change(cluster)
    assert consent.ask() == ""


def test_a_node_that_is_hit_must_allow_it_whatever_its_identity(cluster: Cluster) -> None:
    """Before an action the node that has the name now is asked: a command of the user's knows no other."""
    cluster.objects["Node", "n1"] = {"metadata": {"name": "n1", "uid": "anew"}}
    assert "node-drain is not allowed on node n1" in consent_on(cluster)(DRAIN)


def test_a_trial_that_only_looks_needs_no_consent(cluster: Cluster) -> None:
    """Where nothing was allowed nothing is withdrawn; but whoever had adopted the namespace may freeze it."""
    cluster.annotate("Namespace", "llm", freeze="release week")
    assert consent_on(cluster).ask() == ""
    cluster.annotate("Namespace", "llm", adopt="enabled")
    consent = consent_on(cluster)
    assert consent.ask() == ""
    cluster.annotate("Namespace", "llm", adopt="enabled", freeze="")
    assert "is frozen: no reason is given" in consent.ask()


def test_owners_who_cannot_be_asked_for_long_may_have_objected(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few seconds are nothing, as for a lease; more stop the trial with the reason. Who looks on is not held up."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(owners, "time", SimpleNamespace(monotonic=lambda: now.s))
    monkeypatch.setattr(Consent, "_look", lambda _self: None)
    with consent_on(cluster) as consent, consent_on(cluster) as looking:
        assert consent(KILL) == ""
        cluster.refuses = "get Namespace llm: the API server refused: 403 no"
        for now.s, stops in ((110.0, False), (114.0, False), (116.0, True)):
            assert consent.ask() == ""
            assert bool(consent.objection) is stops
        assert "could not be asked for 16 s whether they still consent: get Namespace llm" in consent.objection
        assert looking.objection == ""
        cluster.refuses = ""
        assert consent.ask() == ""
        assert consent.objection == ""


def test_nobody_is_asked_where_there_are_no_owners() -> None:
    """What a trial deploys on the lab is ours, and stays so for as long as it takes."""
    with Consent() as consent:
        assert consent(KILL) == ""
        consent._seen_s -= 3600  # an hour later
        assert consent.objection == ""


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look more often, and wait less for the scenario, where the time is not the point."""
    monkeypatch.setattr(owners, "LOOK_S", 0.2)
    monkeypatch.setattr(active_faults, "AWAY_S", 0.2)


# --- a whole trial --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Marked(TargetedFault):
    """A fault that writes down what becomes of it."""

    name: ClassVar[str] = "pod-kill"
    deeds: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    @property
    @override
    def words(self) -> str:
        return "mark"

    @override
    def inject(self, context: FaultContext) -> Injection:
        deeds, refusals, name = self.deeds, self.refusals, self.targets.words
        deeds.append(f"{name} injected")

        class Healed(Injection):
            def heal(self) -> str:
                deeds.append(f"{name} healed")
                return refusals.pop() if refusals else ""

        return Healed(self, context, lambda: "seen")


class Recorder:
    """Sees nothing, and waits as the real one does."""

    def objects(self, _kind: str) -> tuple[()]:
        """Nothing."""
        return ()

    def wait_for(self, predicate: Callable[[], object], deadline_s: float) -> bool:
        """Look every tenth of a second."""
        ends = time.monotonic() + deadline_s
        while time.monotonic() < ends:
            if predicate():
                return True
            time.sleep(0.05)
        return False


class Harmless(Marked):
    """One that leaves nothing behind."""

    if_run_dies: ClassVar[str] = NOTHING_LEFT


@contextmanager
def running(consent: Consent, folder: Path) -> Iterator[tuple[Trial, TrialContext, list[str]]]:
    """A trial under way there."""
    said: list[str] = []
    clock = Clock.start()
    with Journal(folder / "actions.jsonl", clock) as journal, consent:
        context = context_with(
            environment=SimpleNamespace(claim=lambda **_: False, stop_reason=str),
            abort_conditions=AbortConditions(()),
            executor=SimpleNamespace(),
            journal=journal,
            fault="",
            recorder=cast("Any", Recorder()),
            namespace="llm",
            undo=NoUndoLog(),
            workload_kind=DEPLOYMENT,
            system=SimpleNamespace(workload=Ref("Deployment", "llm", "chat"), objects=()),
            blast_radius=lambda **_: BlastRadius("llm", pods_max=1),
            consent=consent,
        )
        output: Any = SimpleNamespace(say=said.append, draw=None)
        yield Trial(folder, context, Traffic(None, None, profile="", origin="", url=""), output), context, said


def test_what_stays_if_the_run_dies_is_said_before_a_fault_is_made(cluster: Cluster, tmp_path: Path) -> None:
    """Whoever watches can still stop it, or apply the CronJob; of what leaves nothing there is nothing to say."""
    with running(consent_on(cluster), tmp_path) as (trial, _, said):
        with trial.fault(Marked(Targets("one", ()))):
            assert said[0] == f"fault: mark; if this run dies, {Marked.if_run_dies}"
        with trial.fault(Harmless(Targets("one", ()))):
            pass
    assert "fault: mark" in said


def test_a_freeze_stops_a_trial_under_way(cluster: Cluster, tmp_path: Path) -> None:
    """Within ten seconds: both faults are healed, the next is not made, and the owners' reason is in the record."""
    outer, inner, later = (Marked(Targets("one", ())) for _ in range(3))
    with running(consent_on(cluster), tmp_path) as (trial, _, said):
        with trial.fault(outer), trial.fault(inner):
            began = time.monotonic()
            cluster.annotate("Namespace", "llm", adopt="enabled", freeze="release week")
            trial.hold(duration_s=60)
        with trial.fault(later):
            trial.hold(duration_s=60)
        trial.read_data()
        assert time.monotonic() - began < STOP_S
    assert (outer.deeds, inner.deeds, later.deeds) == (
        ["one injected", "one healed"],
        ["one injected", "one healed"],
        [],
    )
    assert "stopped: namespace llm is frozen: release week" in said
    journal = [json.loads(line) for line in (tmp_path / "actions.jsonl").read_text().splitlines()]
    stops = [line["reason"] for line in journal if line["event"] == "trial-stopped"]
    assert stops == ["namespace llm is frozen: release week"]


def test_a_scenario_that_waits_by_itself_is_healed_all_the_same(cluster: Cluster, tmp_path: Path) -> None:
    """It is not called back, but within ten seconds nothing of it is left, the innermost healed first, and once."""
    deeds: list[str] = []
    outer, inner, later = (Marked(Targets(name, ()), deeds) for name in ("outer", "inner", "later"))
    with running(consent_on(cluster), tmp_path) as (trial, _, said):
        with trial.fault(outer), trial.fault(inner):
            cluster.annotate("Namespace", "llm", adopt="enabled", freeze="release week")
            until(lambda: len(deeds) == 4, deadline_s=STOP_S, awaited="both healed")
        with trial.fault(later):
            pass
    assert deeds == ["outer injected", "inner injected", "inner healed", "outer healed"]
    assert said.count("stopped: namespace llm is frozen: release week") == 1


def full(*_: object) -> None:
    """Fail as a full disk does."""
    raise HarnessBroken("actions.jsonl cannot be written: No space left on device")


def odd(*_: object) -> str:
    """Fail as nobody foresaw."""
    raise ValueError("no number of bytes")


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("fail", "frozen"),
    [
        pytest.param(lambda patch, _: patch.setattr(Journal, "_append", full), True, id="the disk is full"),
        pytest.param(lambda patch, trial: patch.setattr(trial, "_say", full), True, id="nobody listens"),
        pytest.param(lambda patch, _: patch.setattr(AbortConditions, "objection", odd), False, id="an odd limit"),
    ],
)
def test_whatever_fails_beside_it_a_scenario_that_waits_is_healed(
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fail: Callable[[pytest.MonkeyPatch, Trial], None],
    *,
    frozen: bool,
) -> None:
    """Neither the record nor the terminal comes before the system; and who cannot tell whether to go on does not."""
    fault = Marked(Targets("one", ()))
    with running(consent_on(cluster), tmp_path) as (trial, _, _), suppress(HarnessBroken), trial.fault(fault):
        if frozen:
            cluster.annotate("Namespace", "llm", adopt="enabled", freeze="release week")
        fail(monkeypatch, trial)
        until(lambda: "one healed" in fault.deeds, deadline_s=STOP_S, awaited="the heal")


@pytest.mark.usefixtures("soon")
def test_what_cannot_be_healed_meanwhile_is_tried_again(cluster: Cluster, tmp_path: Path) -> None:
    """When the scenario leaves its block; and both attempts are in the record."""
    deeds: list[str] = []
    refused = ["refused by a webhook"]
    fault = Marked(Targets("one", ()), deeds, refused)
    with running(consent_on(cluster), tmp_path) as (trial, _, _), trial.fault(fault):
        cluster.annotate("Namespace", "llm", adopt="enabled", freeze="release week")
        until(lambda: len(deeds) == 2, deadline_s=STOP_S, awaited="an attempt")
    assert deeds == ["one injected", "one healed", "one healed"]
    journal = [json.loads(line) for line in (tmp_path / "actions.jsonl").read_text().splitlines()]
    assert [line["outcome"] for line in journal if line["event"] == "fault-healed"] == ["fail", "ok"]


def test_a_trial_that_nobody_objects_to_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    """The same without a freeze holds as long as it was asked to."""
    fault = Marked(Targets("one", ()))
    with running(consent_on(cluster), tmp_path) as (trial, _, said), trial.fault(fault):
        trial.hold(duration_s=0.5)
        assert fault.deeds == ["one injected"]
    assert not any(line.startswith("stopped") for line in said)


@pytest.mark.usefixtures("soon")
def test_what_goes_on_beside_the_scenario_ends_too(cluster: Cluster, tmp_path: Path) -> None:
    """A drain goes from pod to pod by itself: it takes no further step, and writes no undo entry for one."""
    cluster.annotate("Namespace", "llm", adopt="enabled")
    with running(consent_on(cluster), tmp_path) as (_, made, _):
        context = replace(made, fault="pool-drain-1")
        work = Work("the drain")

        def drain() -> Ending:
            while not work.stopping:
                work.pause(0.05)
            return Ending("stopped", "stopped by us")

        work.start(context, drain)
        time.sleep(0.2)
        assert (work.stopping, context.record(UndoEntry("uncordon", NODE, "kubectl uncordon n1"))) == (False, "")
        cluster.annotate("Namespace", "llm", adopt="enabled", freeze="release week")
        until(lambda: work.ended, deadline_s=STOP_S, awaited="the drain's end")
        assert context.record(UndoEntry("uncordon", NODE, "kubectl uncordon n1")) == (
            "namespace llm is frozen: release week"
        )


def test_a_limit_that_was_passed_is_told_to_whoever_asks() -> None:
    """Scenario and drain ask from two threads, and the limit reads its file only once."""
    told = ["too much", ""]
    limits: Any = (SimpleNamespace(objection=lambda: told.pop(0)),)
    conditions = AbortConditions(limits)
    assert [conditions.objection(), conditions.objection()] == ["too much", "too much"]
