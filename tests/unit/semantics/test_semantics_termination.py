"""The end of a pod, against figures worked out by hand from the kubelet's source (kubernetes.md A.6)."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.semantics import KUBERNETES, Between, Timings, grace_needed, pre_stop_needed_s, termination

PROMPT = Timings(allowance_s=0)
"""Nothing is late, so that the figures are the kubelet's own."""


def container(pre_stop: dict[str, Any] | None = None) -> dict[str, Any]:
    """A raw container with this preStop hook."""
    return {"name": "m", **({"lifecycle": {"preStop": pre_stop}} if pre_stop else {})}


def spec(pre_stop: dict[str, Any] | None = None, grace_s: int | None = 30) -> dict[str, Any]:
    """A raw pod spec."""
    told = {} if grace_s is None else {"terminationGracePeriodSeconds": grace_s}
    return {**told, "containers": [container(pre_stop)]}


def sleep(seconds: int) -> dict[str, Any]:
    """A hook of Kubernetes' own (KEP-3960)."""
    return {"sleep": {"seconds": seconds}}


EXEC = {"exec": {"command": ["/bin/drain"]}}


@pytest.mark.parametrize(
    ("raw", "term", "kill"),
    [
        (spec(), (0, 0), (30, 30)),
        (spec(grace_s=None), (0, 0), (30, 30)),
        (spec(sleep(0)), (0, 0), (30, 30)),
        (spec(sleep(5)), (5, 5), (30, 30)),
        (spec(sleep(28)), (28, 28), (30, 30)),
        (spec(sleep(29)), (29, 29), (31, 31)),
        (spec(sleep(30)), (30, 30), (32, 32)),
        (spec(EXEC), (0, 30), (30, 32)),
        (spec({"httpGet": {"path": "/drain"}}, 10), (0, 10), (10, 12)),
        (spec(grace_s=1), (0, 0), (2, 2)),
        (spec(EXEC, 1), (0, 1), (2, 3)),
        (spec(grace_s=0), (0, 0), (2, 2)),
        (
            {"terminationGracePeriodSeconds": 9, "containers": [container(sleep(2)), container(sleep(9))]},
            (2, 9),
            (9, 11),
        ),
        ({**spec(grace_s=9), "initContainers": [{"name": "proxy", "restartPolicy": "Always"}]}, (0, 0), (9, 11)),
        ({**spec(grace_s=9), "initContainers": [{"name": "fetch"}]}, (0, 0), (9, 9)),
    ],
)
def test_signals(raw: dict[str, Any], term: tuple[float, float], kill: tuple[float, float]) -> None:
    """The hook's time is part of the grace, two seconds after SIGTERM are sure, and sidecars end last."""
    ends = termination(raw, PROMPT)
    assert ends.term == Between(*term)
    assert ends.kill == Between(*kill)


def test_the_deletion_may_change_the_grace() -> None:
    """`kubectl delete --grace-period=3` cuts a longer hook short; 0 forces the end."""
    ends = termination(spec(sleep(5)), PROMPT, grace_s=3)
    assert (ends.grace_s, ends.term, ends.kill) == (3, Between(3, 3), Between(5, 5))
    assert not ends.forced
    forced = termination(spec(sleep(5)), PROMPT, grace_s=0)
    assert forced.forced
    assert forced.grace_s == 0


def test_new_connections_stop_when_the_last_node_knows() -> None:
    """One write of the controller, one period of kube-proxy, and the allowance; a kubelet may be as late."""
    ends = termination(spec(sleep(5)), KUBERNETES)
    assert ends.unrouted == Between(0, 1 + 1 + 5)
    assert ends.term == Between(5, 5 + 5)
    assert ends.kill == Between(30, 30 + 5)
    slow = termination(spec(), Timings(proxy_sync_s=10))
    assert slow.unrouted.worst_s == 1 + 10 + 5


@pytest.mark.parametrize(("timings", "sleep_s"), [(KUBERNETES, 7), (PROMPT, 2), (Timings(proxy_sync_s=0.5), 7)])
def test_the_sleep_that_keeps_a_server_open(timings: Timings, sleep_s: int) -> None:
    """A preStop sleep has to last until no node sends connections, in whole seconds."""
    assert pre_stop_needed_s(timings) == sleep_s


@pytest.mark.parametrize(
    ("longest_s", "pre_stop_s", "needed_s", "words"),
    [
        (20, 5, 30, "5 s preStop + 20 s longest answer + 5 s margin"),
        (20, 0, 27, "2 s until no new connection comes + 20 s longest answer + 5 s margin"),
        (7.234, 10, 22.2, "10 s preStop + 7.2 s longest answer + 5 s margin"),
    ],
)
def test_the_grace_that_would_do(longest_s: float, pre_stop_s: float, needed_s: float, words: str) -> None:
    """Grace >= preStop + longest answer + margin; without a hook, connections come for as long as the nodes need."""
    needed = grace_needed(longest_s, pre_stop_s, KUBERNETES)
    assert needed.total_s == pytest.approx(needed_s)
    assert needed.words == words
    assert all(part.source for part in needed.parts)
