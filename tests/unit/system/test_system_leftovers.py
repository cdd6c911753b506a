"""Names of trial namespaces, who owns them, and which a dead run has left behind."""

import os
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.safety.owner import HIDDEN, Owner, started_tick
from chaos.system.deploy.namespace import is_leftover, namespace_of_trial
from chaos.system.manifests.names import namespace_name

HERE = Owner(host="ci-1", scope="boot/pid:[1]", pid=100, started=5000)
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUNNING = {100: 5000, 200: 7000, 400: HIDDEN}


def namespace(owner: Owner | None, *, labels: dict[str, str] | None = None, age_s: float = 60) -> dict[str, Any]:
    """A raw namespace of ours that `owner` made `age_s` seconds ago."""
    return {
        "metadata": {
            "name": "gameday-pod-kill-1",
            "uid": "uid-1",
            "labels": {"app.kubernetes.io/managed-by": "gameday"} if labels is None else labels,
            "annotations": owner.annotations() if owner else {},
            "creationTimestamp": (NOW - timedelta(seconds=age_s)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    }


def swept(raw: dict[str, Any]) -> bool:
    """Whether a namespace is deleted, on host ci-1, of whose processes 400 is hidden, with an age limit of an hour."""
    return is_leftover(raw, here=HERE, started=RUNNING.get, now=NOW, older_than_s=3600)


def test_the_namespace_of_a_dead_process_is_deleted() -> None:
    """On this host, a process that does not run has left its namespace behind, however young that is."""
    assert swept(namespace(replace(HERE, pid=300), age_s=1))


def test_a_number_that_another_process_has_now_is_a_dead_owner() -> None:
    """A process id that was used again does not protect the namespace of its first owner."""
    assert swept(namespace(replace(HERE, pid=200, started=6999)))


@pytest.mark.parametrize("owner", [HERE, replace(HERE, pid=200, started=7000)], ids=["we", "another run"])
def test_the_namespace_of_a_living_process_stays(owner: Owner) -> None:
    """An owner that runs keeps its namespace, however old that is."""
    assert not swept(namespace(owner, age_s=1e6))


@pytest.mark.parametrize(
    "elsewhere",
    [replace(HERE, host="ci-2", pid=300), replace(HERE, scope="boot/pid:[2]", pid=300), replace(HERE, pid=400)],
    ids=["another host", "another container of the same name", "of a user whose processes are hidden"],
)
@pytest.mark.parametrize(("age_s", "delete"), [(3599, False), (3601, True)])
def test_elsewhere_only_age_tells(elsewhere: Owner, age_s: float, *, delete: bool) -> None:
    """Of processes that we cannot see, the namespace goes only when it is older than the limit."""
    assert swept(namespace(elsewhere, age_s=age_s)) == delete


@pytest.mark.parametrize(
    "labels",
    [{}, {"app.kubernetes.io/managed-by": "Helm"}, {"gameday.dev/run": "x"}],
    ids=["none", "another's", "not the one"],
)
def test_a_namespace_without_our_label_is_never_deleted(labels: dict[str, str]) -> None:
    """Whatever its annotations and its name say, a namespace without our label stays."""
    assert not swept(namespace(replace(HERE, pid=300), labels=labels, age_s=1e6))


@pytest.mark.parametrize("name", ["prod", "kube-node-lease", "gameday", "gamedays-1", "team-gameday"])
def test_a_namespace_of_another_name_is_never_deleted(name: str) -> None:
    """Whoever may label a namespace, or writes one after the manifest of a trial's, has not had it deleted."""
    raw = namespace(replace(HERE, pid=300), age_s=1e6)
    assert swept(raw)
    raw["metadata"]["name"] = name
    assert not swept(raw)


def test_a_namespace_without_an_owner_is_left_to_people() -> None:
    """Our label alone does not say that its run is dead."""
    assert not swept(namespace(None, age_s=1e6))


def test_a_namespace_that_is_going_is_not_deleted_twice() -> None:
    """A namespace under deletion needs nothing more."""
    going = namespace(replace(HERE, pid=300))
    going["metadata"]["deletionTimestamp"] = "2026-01-01T11:59:59Z"
    assert not swept(going)


def test_an_owner_is_read_as_it_was_written() -> None:
    """The annotations hold all that tells one process from another; with one missing there is no owner."""
    written = HERE.annotations()
    assert Owner.read(written) == HERE
    for name in written:
        assert Owner.read({key: value for key, value in written.items() if key != name}) is None
    assert Owner.read({**written, "gameday.dev/owner-pid": "many"}) is None


def test_this_process_runs() -> None:
    """This process's own start is the one that its number shows."""
    owner = Owner.this_process()
    assert owner.pid == os.getpid()
    assert started_tick(owner.pid) == owner.started


def test_a_process_that_has_ended_does_not_run() -> None:
    """A child that has ended is dead, both while nobody has waited for it and after."""
    with subprocess.Popen(["/bin/true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert started_tick(child.pid) is None
    assert started_tick(child.pid) is None


@pytest.mark.parametrize(
    ("raised", "seen"), [(PermissionError, HIDDEN), (ProcessLookupError, None)], ids=["of another user", "none"]
)
def test_a_process_that_proc_does_not_show_may_run(
    raised: type[OSError], seen: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where /proc hides those of other users, the kernel still tells that there is one; no number below 1 is one."""

    def kill(_pid: int, _number: int) -> None:
        raise raised

    with subprocess.Popen(["/bin/true"]) as child:
        pass
    monkeypatch.setattr(os, "kill", kill)
    assert started_tick(child.pid) == seen
    assert (started_tick(0), started_tick(-1)) == (None, None)
    owner = Owner.this_process()
    assert started_tick(owner.pid) == owner.started


@pytest.mark.parametrize(
    ("scenario", "name"),
    [
        ("test_pod_kill", "gameday-pod-kill-a1b2c3"),
        ("scenarios/test_x.py::test_pod_kill[one-2]", "gameday-pod-kill-a1b2c3"),
        ("test_killed_pods_are_replaced_within_the_slo", "gameday-killed-pods-are-replaced-within-the-slo-a1b2c3"),
        ("test_" + "long_" * 20, "gameday-long-long-long-long-long-long-long-long-a1b2c3"),
        ("x" * 80, "gameday-" + "x" * 40 + "-a1b2c3"),
        ("Ünïcode — only", "gameday-n-code-only-a1b2c3"),
        ("", "gameday-a1b2c3"),
    ],
)
def test_a_namespace_is_named_after_its_scenario(scenario: str, name: str) -> None:
    """The name keeps the scenario's words, without `test_` and parameters, and is cut between words."""
    assert namespace_name(scenario, "a1b2c3") == name


@given(st.text(max_size=200), st.text(max_size=40))
def test_a_namespaces_name_is_always_a_dns_label(scenario: str, suffix: str) -> None:
    """Whatever a scenario is called, the API server takes the name and the sweep finds it by its beginning."""
    name = namespace_name(scenario, suffix)
    assert re.fullmatch(r"gameday(-[a-z0-9]+)*", name)
    assert len(name) <= 63


def test_suffixes_differ() -> None:
    """Two trials of one scenario get namespaces of their own."""
    assert len({namespace_of_trial("test_it", f"run-{number}") for number in range(100)}) == 100
