"""Names of trial namespaces, who owns them, and which a dead run has left behind."""

import os
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.cluster import Done
from chaos.safety.owner import HIDDEN, Owner, started_tick
from chaos.safety.sign_of_life import LOST_AFTER_S, last_sign, sign_of_life
from chaos.system.deploy import namespace as namespaces
from chaos.system.deploy.namespace import State, journal_namespace, namespace_of_trial, state_of, sweep, trial_namespace
from chaos.system.manifests.names import namespace_name
from chaos.wait import until

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


def state(raw: dict[str, Any], *, silent_s: float | None = None) -> State:
    """What is known on host ci-1, where process 400 is hidden, of a run that was last heard of `silent_s` ago."""
    last = None if silent_s is None else NOW - timedelta(seconds=silent_s)
    return state_of(raw, here=HERE, started=RUNNING.get, now=NOW, sign=lambda _: last)


def swept(raw: dict[str, Any]) -> bool:
    """Whether a namespace is deleted whose run was last heard of long ago."""
    return state(raw, silent_s=1e5) == "dead"


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


ELSEWHERE = pytest.mark.parametrize(
    "elsewhere",
    [
        replace(HERE, host="ci-2", pid=300),
        replace(HERE, scope="boot/pid:[2]", pid=300),
        replace(HERE, scope="boot-2/pid:[1]"),
        replace(HERE, pid=400),
    ],
    ids=["another host", "another container of the same name", "before a reboot", "of a user with hidden processes"],
)


@ELSEWHERE
@pytest.mark.parametrize("age_s", [1, 3 * 3600, 30 * 24 * 3600], ids=["young", "hours", "a month"])
@pytest.mark.parametrize(
    ("silent_s", "known"),
    [
        (None, "unknown"),
        (-3600, "alive"),
        (0, "alive"),
        (LOST_AFTER_S, "alive"),
        (LOST_AFTER_S + 1, "dead"),
    ],
)
def test_elsewhere_only_a_sign_of_life_tells(
    elsewhere: Owner, age_s: float, silent_s: float | None, known: str
) -> None:
    """Of processes that we cannot see what they renew tells, and never the age: a soak may last for days."""
    assert state(namespace(elsewhere, age_s=age_s), silent_s=silent_s) == known


@ELSEWHERE
def test_what_strangers_made_is_asked_for_no_sign(elsewhere: Owner) -> None:
    """A namespace that is not ours, or is going, is nobody's to tell of."""
    raw = namespace(elsewhere, labels={})
    assert state(raw) == "not ours"
    going = namespace(elsewhere)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T11:59:59Z"
    assert state(going) == "going"


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


class Cluster:
    """Holds namespaces, and in each a sign of life that is so old, or another text; notes what is asked away."""

    def __init__(self, *spaces: dict[str, Any], signs: dict[str, str] | None = None) -> None:
        self.spaces = {one["metadata"]["name"]: one for one in spaces}
        self.signs = signs or {}
        self.done: list[tuple[str, str]] = []
        self.written: list[dict[str, Any]] = []

    def list(self, kind: str, namespace: str | None = None, *, selector: str = "") -> list[dict[str, Any]]:
        """The namespaces, or a sign of life."""
        if kind == "Namespace":
            return list(self.spaces.values())
        if kind == "ConfigMap" and "alive" in selector and namespace in self.signs:
            return [{"metadata": {"annotations": {"gameday.dev/renewed": self.signs[namespace]}}}]
        return []

    def get(self, _kind: str, _namespace: str | None, name: str) -> dict[str, Any] | None:
        """A namespace."""
        return self.spaces.get(name)

    def do(self, mutation: Any) -> Done:
        """Create, delete, renew."""
        self.done.append((mutation.action, f"{mutation.target.kind} {mutation.target.name}"))
        if mutation.action == "create":
            self.spaces[mutation.target.name] = {**mutation.body, "metadata": {**mutation.body["metadata"], "uid": "u"}}
            return Done("ok", 201, self.spaces[mutation.target.name], "")
        if mutation.action == "show-life":
            self.written.append(mutation.body)
        if mutation.action == "delete":
            self.spaces.pop(mutation.target.name, None)
        return Done("ok", 200, {}, "")


def named(name: str, owner: Owner) -> dict[str, Any]:
    """A namespace of ours, a month old."""
    raw = {"kind": "Namespace", **namespace(owner, age_s=30 * 24 * 3600)}
    raw["metadata"]["name"] = name
    return raw


def test_a_sweep_takes_the_dead_leaves_the_living_and_tells_of_the_rest() -> None:
    """A soak of another host goes on; what nobody can tell of stays, and the command to delete it is said."""
    here = Owner.this_process()
    elsewhere = replace(here, host=f"{here.host}-2")
    now, long_ago = datetime.now(UTC).isoformat(), "2026-01-01T12:00:00.250Z"
    names = ("gameday-ours", "gameday-soak", "gameday-dead", "gameday-old", "gameday-odd", "gameday-boot")
    owners = (here, *[elsewhere] * 4, replace(here, scope="boot-2/pid:[4026531836]"))
    signs = {"gameday-soak": now, "gameday-dead": long_ago, "gameday-odd": "2026-01-01", "gameday-boot": long_ago}
    cluster = Cluster(*map(named, names, owners), signs=signs)
    said: list[str] = []
    sweep(cast("Any", cluster), cast("Any", cluster), said.append)
    assert set(names) - set(cluster.spaces) == {"gameday-dead", "gameday-boot"}
    (told,) = said
    assert told.endswith(": kubectl delete namespace gameday-odd gameday-old")


@pytest.mark.parametrize("written", ["", "soon", "2026-01-01T12:00:00", "2026-01-01T12:00:00+05:00", "9" * 1000])
def test_what_is_no_time_is_no_sign_of_life(written: str) -> None:
    """What somebody else wrote there tells nothing, neither that a run lives nor that it is dead."""
    cluster = Cluster(signs={"gameday-odd": written})
    assert last_sign(cast("Any", cluster), "gameday-odd") is None
    assert last_sign(cast("Any", cluster), "gameday-none") is None


@pytest.mark.parametrize("keep", [False, True])
def test_a_run_shows_that_it_lives_in_each_namespace_that_it_made(
    monkeypatch: pytest.MonkeyPatch, *, keep: bool
) -> None:
    """From the beginning, again and again; where the namespace is kept for people no sign is left to grow old."""
    monkeypatch.setattr(namespaces, "delete_namespace", lambda *_, **__: None)
    monkeypatch.setattr("chaos.safety.sign_of_life.RENEW_S", 0.01)
    cluster = cast("Any", Cluster())
    with (
        journal_namespace(cluster, cluster, "gameday-a", run="run-1"),
        trial_namespace(cluster, cluster, "gameday-a", run="run-1", keep=keep),
    ):
        until(
            lambda: all(
                sum(one["metadata"]["namespace"] == name for one in list(cluster.written)) > 1
                for name in ("gameday-a", "gameday-a-gameday")
            ),
            deadline_s=30,
            awaited="signs of life",
        )
    written = cluster.written[-1]["metadata"]
    signed = Cluster(signs={"n": written["annotations"]["gameday.dev/renewed"]})
    last = last_sign(cast("Any", signed), "n")
    assert last is not None
    assert abs((datetime.now(UTC) - last).total_seconds()) < 60
    assert (("delete", "ConfigMap gameday-alive") in cluster.done) == keep


def test_a_sign_of_life_that_cannot_be_written_stops_nobody() -> None:
    """An account or a quota that refuses it costs only that others cannot tell."""
    refusing = SimpleNamespace(do=lambda _: Done("fail", 403, {}, "quota"))
    with sign_of_life(cast("Any", refusing), "gameday-a", forget=True):
        pass
