"""The neighbour of tests/bench/slower_machine.py: it takes no more than its share, and the comparison is strict."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from burner import burning

from chaos.wait import until

BENCH = Path(__file__).parents[2] / "bench/slower_machine.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The command, as a module."""
    spec = importlib.util.spec_from_file_location("slower_machine", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_takes_some_and_no_more_than_its_share() -> None:
    """Of a fifth of a core, over a second."""
    with burning(0.2, at_most_s=30) as had:
        until(lambda: had() > 0.02, deadline_s=20, awaited="the burner to burn")
        shares = [had()]
        until(lambda: shares.append(had()) or len(shares) > 10, deadline_s=20, awaited="some looks", poll_s=0.1)
        assert max(shares[5:]) < 0.3


def test_same_verdicts_that_are_all_good_hold(bench: ModuleType) -> None:
    """One that was skipped twice is the same; nothing at all proves nothing."""
    assert bench.holds({"a": "PASS", "b": "skipped"}, {"a": "PASS", "b": "skipped"})
    assert not bench.holds({}, {})
    assert not bench.holds({"b": "skipped"}, {"b": "skipped"})


@pytest.mark.parametrize("other", [{}, {"a": "skipped"}, {"a": "failure: UNKNOWN"}, {"a": "PASS", "b": "PASS"}])
def test_anything_else_does_not(bench: ModuleType, other: dict[str, str]) -> None:
    """Whichever of the two it is, and neither does the same failure twice."""
    assert not bench.holds({"a": "PASS"}, other)
    assert not bench.holds(other, {"a": "PASS"})
    assert not bench.holds({"a": "failure: FAIL"}, {"a": "failure: FAIL"})


def test_each_scenario_is_read_with_its_first_line(bench: ModuleType, tmp_path: Path) -> None:
    """As pytest writes them; a session without a file ran none."""
    junit = tmp_path / "junit.xml"
    junit.write_text(
        '<testsuites><testsuite><testcase classname="s" name="a"/><testcase classname="s" name="b">'
        '<failure message="UNKNOWN&#10;more"/></testcase><testcase classname="s" name="c"><skipped message="no"/>'
        "</testcase></testsuite></testsuites>"
    )
    found = bench.outcomes(junit)
    assert found == {"s::a": "PASS", "s::b": "failure: UNKNOWN", "s::c": "skipped"}
    assert bench.outcomes(tmp_path / "none.xml") == {}
    assert sum("differs" in line for line in bench.table(found, {**found, "s::b": "PASS"})) == 1


def test_what_was_learned_is_back_afterwards(bench: ModuleType, tmp_path: Path) -> None:
    """Also after a run that was killed while it lay aside."""
    folder = tmp_path / "capacity"
    folder.mkdir()
    (folder / "usual.json").touch()
    for _ in range(2):
        with bench.learning_anew(folder):
            assert not folder.exists()
            folder.mkdir()
            (folder / "meanwhile.json").touch()
        assert [path.name for path in folder.iterdir()] == ["usual.json"]
        folder.rename(tmp_path / "capacity.aside")
        (tmp_path / "capacity").mkdir()
