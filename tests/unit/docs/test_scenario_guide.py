"""The examples of docs/writing-a-scenario.md work as they are printed."""

import ast
import json
import re
from pathlib import Path

import pytest
from saved_trials import TRIAL

from chaos import SystemSpec

pytest_plugins = ["pytester"]

GUIDE = Path(__file__).parents[3] / "docs" / "writing-a-scenario.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), flags=re.DOTALL)
NAME = "test_killed_pods_are_replaced_within_the_slo"


def test_every_example_is_run_here() -> None:
    """A scenario, the volume of one, and a conftest; a new one needs a test of its own."""
    assert [block.lstrip().partition("\n")[0] for block in BLOCKS] == ["import pytest", "{", "import pytest"]


def test_the_scenario_runs_with_its_conftest(pytester: pytest.Pytester) -> None:
    """Over a saved run without evidence each line of it is executed, and the verdict is UNKNOWN."""
    scenario, _, conftest = BLOCKS
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_guide=scenario)
    run = pytester.path / "saved"
    run.mkdir()
    (run / "trial.json").write_text(json.dumps(TRIAL | {"nodeid": f"test_guide.py::{NAME}", "scenario": NAME}))
    result = pytester.runpytest("--gameday-rejudge", str(run), "--strict-markers")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["NotProven:", "UNKNOWN *"])
    verdict = json.loads((run / "verdict.json").read_text())
    assert verdict["answer"] == "UNKNOWN"
    assert {"slo-met", "recovered", "witnessed"} <= {one["check"] for one in verdict["findings"]}


def test_the_conftest_gives_a_system_and_a_request(pytester: pytest.Pytester) -> None:
    """Both fixtures can be had, and are what their names say."""
    pytester.makeconftest(BLOCKS[2])
    pytester.makepyfile(
        """
        from chaos import SystemSpec, profiles

        def test_given(system_spec, request_profile):
            assert isinstance(system_spec, SystemSpec)
            assert isinstance(request_profile, profiles.Profile)
        """
    )
    pytester.runpytest().assert_outcomes(passed=1)


def test_the_volume_is_one_of_a_spec() -> None:
    """The fields of the volume are known, and its file is what must survive."""
    spec = SystemSpec(name="chat", image="chat:1").having(volumes=[ast.literal_eval(BLOCKS[1].strip())])
    assert spec.kept_files == ("/weights/model.gguf",)
