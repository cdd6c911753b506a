"""Workloads beside the engine, as gameday.toml names them: which are found, and to which one a fault belongs."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from histories import NAMESPACE, pod
from trial_contexts import context_with

from chaos.errors import UsageError
from chaos.faults import PodKill, RollingUpdate, targets
from chaos.objects.base import Ref
from chaos.system import SystemSpec
from chaos.trial.config import read_config
from chaos.trial.system_under_test import SystemUnderTest

SPEC = SystemSpec(name="m", image="i")


def read(folder: Path, text: str) -> Any:
    """The part about the system, of a file with this text in it."""
    path = folder / "gameday.toml"
    path.write_text(f'[system]\nnamespace = "llm"\n{text}\n')
    return read_config(path).system


def test_the_engine_may_be_named_among_the_roles(tmp_path: Path) -> None:
    """It is the system's own workload then; the others are looked for by their kinds and names."""
    system = read(tmp_path, '[system.roles]\nrouter = "deployment/router"\nengine = "statefulset/llm"')
    assert (system.query().kind, system.query().name) == ("StatefulSet", "llm")
    others = system.role_queries()
    assert {role: (one.kind, one.name, one.namespace) for role, one in others.items()} == {
        "router": ("Deployment", "router", "llm")
    }
    alone = read(tmp_path, 'deployment = "llm"')
    assert alone.role_queries() == {}
    own = read(tmp_path, 'deployment = "llm"\n[system.roles]\ndecode = "rollouts.argoproj.io/decode"')
    assert own.role_queries()["decode"].kind == "rollouts.argoproj.io"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[system.roles]\nrouter = "deployment/router"',
            "give one of deployment, statefulset, workload and roles.engine",
        ),
        ('deployment = "a"\n[system.roles]\nengine = "deployment/b"', "and only one"),
        ('deployment = "a"\n[system.roles]\nrouter = "a"', "is no PLURAL.GROUP/NAME"),
        ('deployment = "a"\n[system.roles]\nrouter = "deployment/a"', "roles must name different workloads"),
        ('deployment = "a"\n[system.roles]\n"../x" = "deployment/b"', "roles"),
        ('deployment = "a"\n[system.roles]\nrouter = ""', "must not be empty"),
    ],
)
def test_roles_that_cannot_be_are_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    """The file and the key are named; a role is a folder's name, so it may be no path."""
    with pytest.raises(UsageError, match=words):
        read(tmp_path, text)


def seen(*uids: str) -> Any:
    """A recorder that sees these pods, Ready."""
    return SimpleNamespace(objects=lambda kind: [pod(uid, ready=True) for uid in uids] if kind == "Pod" else [])


def system_of(*uids: str, **more: Any) -> SystemUnderTest:
    """A workload with these pods."""
    rng = random.Random(1)  # noqa: S311  # replayable
    return SystemUnderTest(SPEC, NAMESPACE, "app=m", rng, recorder=seen(*uids), **more)


def test_picks_are_from_the_role_that_is_named() -> None:
    """Without one from the engine; each within the bound of its own workload."""
    system = system_of("a", "b", "c", roles={"router": system_of("r", "s", at_once=1)})
    assert {ref.uid for ref in targets.every(system).refs} == {"a", "b", "c"}
    assert {ref.uid for ref in targets.every(system, role="router").refs} == {"r", "s"}
    assert len(targets.share(system, 1.0, role="router").refs) == 1
    assert targets.one(system, role="router").words == "one replica of the router (1 of 2)"
    assert targets.one(system, role="engine").words == "one replica (1 of 3)"
    with pytest.raises(UsageError, match="has the role prefill: there is engine, router"):
        targets.one(system, role="prefill")
    saved = SystemUnderTest(SPEC, NAMESPACE, "", random.Random(1))  # noqa: S311  # nothing is chosen
    assert targets.one(saved, role="router").refs == ()


def test_a_fault_belongs_to_the_workload_that_it_hits() -> None:
    """By its pods or its objects; a node is the engine's, and so is whatever no role has."""

    def context(name: str, *uids: str, **more: Any) -> Any:
        workload = Ref("Deployment", NAMESPACE, name, f"d-{name}")
        budget = Ref("PodDisruptionBudget", NAMESPACE, name, f"b-{name}")
        return context_with(
            recorder=seen(*uids), system=SimpleNamespace(workload=workload, objects=(workload, budget)), **more
        )

    router = context("router", "r", role="router")
    active: Any = lambda: ()  # noqa: E731  # told apart by identity
    engine = context("llm", "a", roles={"router": router}, active=active)

    def kill(uid: str) -> PodKill:
        return PodKill(targets.Targets("one", (Ref("Pod", NAMESPACE, uid, uid),)))

    assert engine.of(kill("r")).role == "router"
    assert engine.of(kill("r")).active is active
    assert engine.of(kill("a")) is engine
    assert engine.of(kill("gone")) is engine
    assert engine.of(RollingUpdate(router.system.workload)).role == "router"
    assert engine.of(RollingUpdate(engine.system.workload)) is engine
    node = PodKill(targets.Targets("node", (Ref("Node", "", "n1", "n"), Ref("Pod", NAMESPACE, "a", "a"))))
    assert engine.of(node) is engine
    assert engine.front.workload.name == "router"
    assert router.front.workload.name == "router"
    assert [one.role for one in engine.all] == ["", "router"]


def test_consent_that_any_owner_takes_back_stops_the_trial() -> None:
    """The router's owners are asked like the engine's."""

    def with_consent(words: str, **more: Any) -> Any:
        return context_with(
            environment=SimpleNamespace(stop_reason=str),
            undo=SimpleNamespace(lost=""),
            consent=SimpleNamespace(objection=words),
            abort_conditions=SimpleNamespace(objection=str),
            **more,
        )

    engine = with_consent("", roles={"router": with_consent("the router is frozen")})
    assert engine.stop_reason() == "the router is frozen"
    assert with_consent("", roles={"router": with_consent("")}).stop_reason() == ""
