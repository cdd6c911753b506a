"""Advice on a shutdown that has a preStop hook already: what it is taken for, and whether the patch applies."""

from __future__ import annotations

import pytest
import yaml
from hook_stories import RUNNING, Hook, advised

from chaos.checks.advice import Advice

HANDLERS = frozenset({"exec", "httpGet", "sleep", "tcpSocket"})


def patched(hook: Hook, advice: Advice) -> Hook:
    """The hook after the patch is merged into it: what is given replaces, null takes away, all else stays."""
    (container,) = yaml.safe_load(advice.patch)["spec"]["template"]["spec"]["containers"]
    merged = {**hook, **container.get("lifecycle", {}).get("preStop", {})}
    return {name: value for name, value in merged.items() if value is not None}


def test_a_container_without_a_hook_gets_one() -> None:
    """Where there is no hook, a sleep of 5 s is a whole one, and the sums say that there was none."""
    (advice,) = advised({}, 20)
    assert patched({}, advice) == {"sleep": {"seconds": 5}}
    assert any("now 0 s" in line for line in advice.sums)


@pytest.mark.parametrize("hook", RUNNING.values(), ids=RUNNING)
def test_a_hook_that_runs_is_not_called_none(hook: Hook) -> None:
    """A hook that runs a program or makes a call takes time, so it is false that there is 0 s of it now."""
    (advice,) = advised(hook, 4)
    assert not [line for line in advice.sums if "now 0 s" in line]
    assert [line for line in advice.sums if "for as long as that takes" in line]


@pytest.mark.parametrize("hook", RUNNING.values(), ids=RUNNING)
def test_a_patched_hook_has_one_handler(hook: Hook) -> None:
    """The API server takes a hook with one handler alone, so a new one has to take the former one's place."""
    (advice,) = advised(hook, 4)
    assert len(HANDLERS & patched(hook, advice).keys()) == 1


@pytest.mark.parametrize("hook", RUNNING.values(), ids=RUNNING)
def test_a_hook_that_runs_and_has_the_time_is_left_alone(hook: Hook) -> None:
    """Where the grace holds 5 s of it and the longest answer there is nothing to say."""
    assert not advised(hook, 60)


def test_a_grace_too_short_for_a_hook_that_runs_is_lengthened_alone() -> None:
    """The hook stays, as nobody knows what else it does; what it runs is told, and the grace holds 5 s of it."""
    (advice,) = advised({"exec": {"command": ["/app/drain.sh", "--wait"]}}, 4)
    (container,) = yaml.safe_load(advice.patch)["spec"]["template"]["spec"]["containers"]
    assert "lifecycle" not in container
    assert any("it runs /app/drain.sh --wait" in line for line in advice.sums)


def test_a_sleep_is_not_said_to_be_enough_for_every_balancer() -> None:
    """The 5 s are for the nodes of the cluster: a balancer outside of it may take 2 minutes."""
    (advice,) = advised({}, 20)
    assert any("outside the cluster" in line and "120 s" in line for line in advice.sums)


def test_a_sleep_that_is_too_short_becomes_longer() -> None:
    """A hook that sleeps for 2 s is given 5 s in the same handler."""
    (advice,) = advised({"sleep": {"seconds": 2}}, 20)
    assert patched({"sleep": {"seconds": 2}}, advice) == {"sleep": {"seconds": 5}}
    assert any("now 2 s" in line for line in advice.sums)


def test_a_server_that_breaks_off_on_sigterm_needs_a_longer_hook() -> None:
    """More grace does not help who drops everything on SIGTERM: the sleep has to hold the longest answer."""
    (advice,) = advised({}, 6, finish_reason="abort")
    assert patched({}, advice) == {"sleep": {"seconds": 5 + 3}}
    assert yaml.safe_load(advice.patch)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 8
    assert "finish reason abort" in advice.sums[0]
