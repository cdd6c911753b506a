"""What a load of 1.0 is, and when what was learned before is believed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.clock import NS
from chaos.errors import UsageError
from chaos.slo import Slo
from chaos.system import SystemSpec
from chaos.trial.replica_capacity import CapacityCache, ReplicaCapacity, assumed, images_of, key_of, stated
from loadgen.profiles import HttpProfile

NOW_NS = 1_760_000_000 * NS
DAY_NS = 86400 * NS
LEARNED = ReplicaCapacity(2.83, "learned", NOW_NS - DAY_NS, 3, ("sha256:aa",), "20261130T101010Z-ramp-7")
SPEC = SystemSpec(name="model", image="registry.example/model:1", env={"TOKEN": "s3cret"})
SLO = Slo(availability=0.99, latency_p99_s=5.0)


def key(**changes: Any) -> dict[str, Any]:
    """What a capacity holds for, one thing changed."""
    given: dict[str, Any] = {
        "cluster": "uid-1",
        "origin": "lab client",
        "profile": HttpProfile(path="/"),
        "slo": SLO,
        "system": SPEC,
    } | changes
    return key_of(given.pop("system"), **given)


def test_what_was_learned_is_known_again(tmp_path: Path) -> None:
    """The same key gives the same capacity, and the words say where it comes from."""
    cache = CapacityCache(tmp_path / "capacity")
    assert cache.known(key(), now_ns=NOW_NS) == ""
    cache.remember(key(), LEARNED)
    found = cache.known(key(), ["sha256:aa"], now_ns=NOW_NS)
    assert found == LEARNED
    assert isinstance(found, ReplicaCapacity)
    assert found.file is not None
    assert found.words == (
        "a load of 1.0 is 2.83/s: what one replica carries within the SLO, learned 2025-10-08 08:53 UTC on 3 replicas, "
        "an equal share of what all held (run 20261130T101010Z-ramp-7)"
    )
    assert (tmp_path / "capacity").stat().st_mode & 0o077 == 0
    assert found.file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster": "uid-2"},
        {"origin": "this host"},
        {"profile": HttpProfile(path="/other")},
        {"slo": Slo(availability=0.999, latency_p99_s=5.0)},
        {"system": SPEC.having(image="registry.example/model:2")},
        {"system": SPEC.having(args=("--ctx", "4096"))},
        {"system": SPEC.having(env={"TOKEN": "other"})},
        {"system": SPEC.having(cpu_limit="900m")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_system_is_learned_by_itself(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Image, arguments, resources, request, SLO, cluster and origin: each has a capacity of its own."""
    cache = CapacityCache(tmp_path)
    cache.remember(key(), LEARNED)
    assert cache.known(key(**changes), now_ns=NOW_NS) == ""


def test_what_makes_no_difference_is_no_other_system() -> None:
    """The number of replicas, probes and budgets leave what one replica carries as it is."""
    assert key(system=SPEC.having(replicas=7, disruption_budget=None, grace_s=5, liveness=None)) == key()


def test_no_secret_is_in_the_cache(tmp_path: Path) -> None:
    """Values of the environment are in no file, only a digest of all."""
    CapacityCache(tmp_path).remember(key(), LEARNED)
    (file,) = tmp_path.iterdir()
    assert "s3cret" not in file.read_text()


@pytest.mark.parametrize(("age_days", "told"), [(6, ""), (8, "8 days old"), (-1, "is to come")])
def test_what_is_old_is_learned_anew(tmp_path: Path, age_days: int, told: str) -> None:
    """A week holds; what claims to come from the future does not."""
    cache = CapacityCache(tmp_path)
    cache.remember(key(), replace(LEARNED, learned_ns=NOW_NS - age_days * DAY_NS))
    found = cache.known(key(), now_ns=NOW_NS)
    assert isinstance(found, str) == bool(told)
    assert told in str(found)


def test_another_image_behind_the_same_name_is_learned_anew(tmp_path: Path) -> None:
    """The digest that runs now counts, where it is known; a node that tells none is no other image."""
    cache = CapacityCache(tmp_path)
    cache.remember(key(), LEARNED)
    assert "sha256:bb" in str(cache.known(key(), ["sha256:bb", "sha256:cc"], now_ns=NOW_NS))
    assert cache.known(key(), ["sha256:aa", "sha256:cc"], now_ns=NOW_NS) == LEARNED
    assert cache.known(key(), [""], now_ns=NOW_NS) == LEARNED
    assert LEARNED.other_image(["sha256:bb"]) == "the image is sha256:bb, and the capacity was learned of sha256:aa"
    assert stated(3.0) is not None
    assert ReplicaCapacity(3.0).other_image(["sha256:bb"]) == ""


def _capacity(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda whole: whole | {"capacity": whole["capacity"] | changes}


@pytest.mark.parametrize(
    "poison",
    [
        lambda _: [],
        lambda _: None,
        lambda whole: whole["capacity"],
        lambda whole: whole | {"key": whole["key"] | {"cluster": "uid-2"}},
        lambda whole: whole | {"capacity": None},
        _capacity(replica_rps=0),
        _capacity(replica_rps=-1.0),
        _capacity(replica_rps=float("inf")),
        _capacity(replica_rps=float("nan")),
        _capacity(replica_rps=10**400),
        _capacity(replica_rps=2e6),
        _capacity(replica_rps="3"),
        _capacity(replica_rps=True),
        _capacity(learned_ns="now"),
        _capacity(learned_ns=-1),
        _capacity(replicas=0),
        _capacity(images="sha256:aa"),
        _capacity(images=[1]),
        _capacity(run=None),
        _capacity(source="stated"),
        _capacity(source="guessed"),
        _capacity(more=1),
    ],
)
def test_a_poisoned_file_is_not_believed(tmp_path: Path, poison: Callable[[dict[str, Any]], Any]) -> None:
    """Whatever stands there that was not written here is a reason in words, never a capacity."""
    cache = CapacityCache(tmp_path)
    cache.remember(key(), LEARNED)
    (file,) = tmp_path.iterdir()
    file.write_text(json.dumps(poison(json.loads(file.read_text()))))
    assert f"what was remembered in {file} cannot be used" in str(cache.known(key(), now_ns=NOW_NS))
    cache.remember(key(), LEARNED)
    assert cache.known(key(), now_ns=NOW_NS) == LEARNED


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 5000, b" " * 70_000])
def test_an_unreadable_file_is_not_believed(tmp_path: Path, text: bytes) -> None:
    """A file that was cut, or is something else, is learned over."""
    cache = CapacityCache(tmp_path)
    cache.remember(key(), LEARNED)
    (file,) = tmp_path.iterdir()
    file.write_bytes(text)
    assert "cannot be used" in str(cache.known(key(), now_ns=NOW_NS))


def test_a_cache_that_cannot_be_had_only_costs_a_ramp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered, and nothing breaks: no folder, a folder of others, a file in its place."""
    CapacityCache(None).remember(key(), LEARNED)
    assert CapacityCache(None).known(key()) == ""
    (tmp_path / "file").write_text("")
    CapacityCache(tmp_path / "file").remember(key(), LEARNED)
    assert CapacityCache(tmp_path / "file").known(key()) == ""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)  # the case
    monkeypatch.setenv("GAMEDAY_CACHE", str(tmp_path / "open"))
    CapacityCache.of_user().remember(key(), LEARNED)
    assert list((tmp_path / "open").iterdir()) == []


def test_a_link_in_the_cache_is_not_written_through(tmp_path: Path) -> None:
    """What the entry's name leads to stays as it is."""
    cache, target = CapacityCache(tmp_path / "capacity"), tmp_path / "mine"
    cache.remember(key(), LEARNED)
    (file,) = (tmp_path / "capacity").iterdir()
    target.write_text("mine")
    file.unlink()
    file.symlink_to(target)
    cache.remember(key(), LEARNED)
    assert target.read_text() == "mine"
    assert cache.known(key(), now_ns=NOW_NS) == LEARNED


def test_the_words_say_what_was_stated_and_what_was_assumed() -> None:
    """Nobody is to take one for the other."""
    known = stated(4)
    assert known is not None
    assert known.words == "a load of 1.0 is 4/s: what one replica carries within the SLO, as was stated"
    assert "dry run" in assumed().words
    assert stated(None) is None
    with pytest.raises(UsageError, match=r"replica_rps 0: is not in"):
        stated(0)


def test_it_is_the_same_after_a_record() -> None:
    """What trial.json has is read back as it was."""
    assert ReplicaCapacity.of_plain(json.loads(json.dumps(LEARNED.plain()))) == LEARNED


def test_the_images_are_those_of_the_container_that_serves() -> None:
    """Sidecars and pods that tell nothing do not count."""
    pods = [
        {"status": {"containerStatuses": [{"name": "m", "imageID": "b"}, {"name": "proxy", "imageID": "c"}]}},
        {"status": {"containerStatuses": [{"name": "m", "imageID": "a"}, {"name": "m"}]}},
        {"status": {}},
    ]
    assert images_of(pods, "m") == ("a", "b")
