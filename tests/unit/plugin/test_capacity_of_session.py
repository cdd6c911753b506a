"""Where a scenario of a session has its capacity from: stated, remembered, learned once, or assumed in a dry run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos import shapes
from chaos.clock import NS
from chaos.errors import NotAllowed, UsageError
from chaos.faults.scenario_analysis import names_load, raises_load
from chaos.plugin import capacity
from chaos.plugin.capacity import with_capacity
from chaos.slo import Slo
from chaos.system import SystemSpec
from chaos.trial.replica_capacity import ReplicaCapacity
from chaos.trial.request import ScenarioFacts, TrialRequest
from loadgen.profiles import HttpProfile

SPEC = SystemSpec(name="model", image="registry.example/model:1")
FOUND = ReplicaCapacity(2.5, "learned", 1_760_000_000 * NS, 1, (), "a-ramp")


def relative(traffic: Any) -> None:
    """A scenario whose load is a share."""
    with traffic.steady(load=0.3):
        pass


def absolute(traffic: Any) -> None:
    """A scenario whose load is a rate."""
    with traffic.steady(rate_rps=4):
        pass


def shaped(traffic: Any) -> None:
    """A scenario whose shape is told in loads."""
    with traffic.shape(shapes.Ramp(0.1, 0.2, over_s=9), relative=True):
        pass


def helped(traffic: Any) -> None:
    """A scenario that leaves it to a helper."""
    relative(traffic)


def rising(traffic: Any) -> None:
    """A scenario with a spike."""
    with traffic.spike(load=2.5):
        pass


def test_a_scenario_shows_whether_it_tells_its_load_as_a_share() -> None:
    """Read from its code and its helpers' before it runs; a spike by itself raises the load."""
    assert [names_load(one) for one in (relative, absolute, shaped, helped, rising)] == [True, False, True, True, True]
    assert [raises_load(one) for one in (relative, absolute, rising)] == [False, False, True]


@dataclass
class Session:
    """A session of pytest, as far as capacity needs it."""

    folder: Path
    said: list[str] = field(default_factory=list)
    ramps: list[TrialRequest] = field(default_factory=list)
    outcome: Callable[[], ReplicaCapacity] = lambda: FOUND
    stash: Any = field(default_factory=pytest.Stash)

    def ask(self, scenario: Any = relative, *, adoption: Any = None, **options: Any) -> Any:
        """What a scenario is given."""
        given = {"replica_rps": None, "dry_run": False, "require_consent": False, "runs": self.folder, "seed": 7}
        request: Any = SimpleNamespace(
            node=SimpleNamespace(function=scenario),
            config=SimpleNamespace(stash=self.stash),
            getfixturevalue={"slo": Slo(availability=0.99)}.__getitem__,
        )
        environment: Any = SimpleNamespace(
            kind="context",
            origin_name="this host",
            rps_max=None,
            adoption=adoption,
            cluster=SimpleNamespace(facts=SimpleNamespace(uid="uid-1"), list=lambda *_, **__: []),
        )
        wanted = TrialRequest(
            scenario=ScenarioFacts("test", "t.py::test", "", 7),
            run=self.folder / "run",
            system=SPEC,
            profile=HttpProfile(path="/"),
        )
        return with_capacity(request, environment, wanted, SimpleNamespace(**(given | options))).capacity  # type: ignore[arg-type]


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """One whose ramps only say what they come to."""
    told = Session(tmp_path)
    monkeypatch.setenv("GAMEDAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(capacity, "Voice", lambda _config: SimpleNamespace(say=told.said.append))
    monkeypatch.setattr("chaos.trial.replica_capacity.time.time_ns", lambda: 1_760_000_100 * NS)

    def learn(_environment: Any, wanted: TrialRequest, _ramp: Any, **_: Any) -> ReplicaCapacity:
        told.ramps.append(wanted)
        return told.outcome()

    monkeypatch.setattr(capacity, "learn", learn)
    return told


def test_a_scenario_with_rates_needs_none(session: Session) -> None:
    """Nothing is learned for whoever names requests a second."""
    assert session.ask(absolute) is None
    assert session.ramps == []


def test_what_is_stated_is_not_learned(session: Session) -> None:
    """The option is before the file, and the file before a ramp."""
    adoption = SimpleNamespace(config=SimpleNamespace(system=SimpleNamespace(replica_rps=4.0)))
    assert session.ask(replica_rps=6.0, adoption=adoption) == ReplicaCapacity(6.0)
    assert session.ask(adoption=adoption) == ReplicaCapacity(4.0)
    assert session.ramps == []


def test_it_is_learned_once_and_known_to_the_next_session(session: Session) -> None:
    """The first scenario that needs it has the ramp; later ones, and sessions, remember."""
    assert [session.ask(), session.ask(), session.ask(helped)] == [FOUND] * 3
    session.stash = pytest.Stash()
    assert session.ask() == FOUND
    assert len(session.ramps) == 1


def test_what_could_not_be_learned_is_not_tried_again(session: Session) -> None:
    """Each scenario that needs it is told the same, and nothing is remembered."""

    def late() -> ReplicaCapacity:
        raise UsageError("could not be learned: the generator was late", "state it")

    session.outcome = late
    for _ in range(2):
        with pytest.raises(UsageError, match="the generator was late"):
            session.ask()
    assert len(session.ramps) == 1
    session.stash, session.outcome = pytest.Stash(), lambda: FOUND
    assert session.ask() == FOUND


def test_what_is_remembered_in_vain_is_told(session: Session) -> None:
    """A file that is not believed is named, and learned over."""
    session.ask()
    (file,) = (session.folder / "cache" / "replica-capacity").iterdir()
    file.write_text("{}")
    session.stash = pytest.Stash()
    assert session.ask() == FOUND
    assert [str(file) in line and "learned anew" in line for line in session.said] == [True]
    assert len(session.ramps) == 2


def test_a_dry_run_learns_nothing_and_says_what_a_run_would(session: Session) -> None:
    """It offers some load, says so, and remembers nothing; what is known already it uses."""
    assumed = session.ask(dry_run=True)
    assert assumed.source == "assumed"
    assert "a run would learn what one replica carries, by a ramp of at most 3 min" in session.said[0]
    assert "replica_rps" in session.said[0]
    assert session.ramps == []
    assert session.ask() == FOUND
    assert session.ask(dry_run=True) == FOUND


@pytest.mark.parametrize(("require_consent", "raised"), [(False, pytest.skip.Exception), (True, NotAllowed)])
def test_owners_who_allow_no_load_are_not_asked_for_a_ramp(
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    require_consent: bool,  # noqa: FBT001  # a column of the table
    raised: type[BaseException],
) -> None:
    """The scenario is left out with what would allow it, consent or a stated capacity, also if one is remembered."""
    monkeypatch.setattr(capacity, "unallowed", lambda *_: ["load is not allowed on deployment m"])
    monkeypatch.setattr(TrialRequest, "adopted", property(lambda _: object()))
    monkeypatch.setattr(capacity, "_images", lambda *_: ())
    adoption = SimpleNamespace(config=SimpleNamespace(system=SimpleNamespace(replica_rps=None)))
    session.ask()
    assert len(session.ramps) == 1
    assert session.ask(adoption=adoption, dry_run=True).source == "assumed"
    with pytest.raises(raised, match=r"load is not allowed on deployment m .*replica_rps"):
        session.ask(adoption=adoption, require_consent=require_consent)
    assert len(session.ramps) == 1
