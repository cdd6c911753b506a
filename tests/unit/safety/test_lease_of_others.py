"""A lease that others hold, as far as no cluster is needed to see it."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.clock import boot_s
from chaos.cluster import Done
from chaos.errors import ClusterRefused
from chaos.safety import lease as leases
from chaos.safety.lease import RunLease
from chaos.safety.owner import Owner


def lease(duration_s: int) -> RunLease:
    """One that somebody else has for so long, and does not renew."""
    spec = {"holderIdentity": "somebody", "leaseDurationSeconds": duration_s, "renewTime": "2026-01-01T00:00:00Z"}
    found = {"metadata": {"name": "gameday", "namespace": "llm", "resourceVersion": "1"}, "spec": spec}
    cluster: Any = SimpleNamespace(get=lambda *_: found)
    failed = SimpleNamespace(outcome="fail", status=403, body="", reason="taken over")
    executor: Any = SimpleNamespace(do=lambda _: failed)
    return RunLease(cluster, executor, "llm", "me")


@pytest.mark.parametrize("duration_s", [2**31 - 1, 3600, 61])
def test_a_lease_that_no_run_of_ours_wrote_is_not_waited_for(duration_s: int) -> None:
    """It is nobody's to take over, and waiting might never end: the error names the holder, and what ends it."""
    began_s = time.monotonic()
    with pytest.raises(ClusterRefused, match=f"held for {duration_s} s.*somebody") as refused:
        lease(duration_s).__enter__()
    assert time.monotonic() - began_s < 1
    assert refused.value.fix.endswith("kubectl delete lease -n llm gameday")


def test_one_of_ours_is_waited_for_and_taken_over() -> None:
    """As long as it lasts by itself."""
    with pytest.raises(ClusterRefused, match="taken over"):
        lease(1).__enter__()


@pytest.mark.parametrize(
    ("holder", "renewed", "words"),
    [
        pytest.param("somebody", "10:00:15", "another run is at work in namespace llm: somebody", id="renewed"),
        pytest.param("a third", "10:00:00", "another run is at work in namespace llm: a third", id="taken"),
        pytest.param("somebody", "10:00:00", "cannot be taken: taken over", id="expired"),
        pytest.param("", "10:00:00", "cannot be taken: taken over", id="given back"),
    ],
)
def test_what_is_renewed_at_the_last_moment_is_not_taken_over(
    holder: str, renewed: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look of the wait and the take: a run that comes back then keeps its lease."""
    seen = iter([("somebody", "10:00:00"), (holder, renewed)])

    def found(*_: object) -> dict[str, Any]:
        by, at = next(seen)
        spec = {"holderIdentity": by, "leaseDurationSeconds": 15, "renewTime": f"2026-01-01T{at}.000000Z"}
        return {"metadata": {"name": "gameday", "namespace": "llm", "resourceVersion": "1"}, "spec": spec}

    cluster: Any = SimpleNamespace(get=found)
    failed = SimpleNamespace(outcome="fail", status=403, body="", reason="taken over")
    executor: Any = SimpleNamespace(do=lambda _: failed)
    monkeypatch.setattr(RunLease, "_await_expiry", lambda *_: None)
    with pytest.raises(ClusterRefused) as refused:
        RunLease(cluster, executor, "llm", "me").__enter__()
    assert words in refused.value.what


def test_a_lease_is_lost_as_soon_as_a_host_that_slept_is_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run may have taken it over meanwhile: nothing is done until the next renewal finds that out."""
    taken = Done("ok", 200, {"metadata": {"resourceVersion": "2"}})
    cluster: Any = SimpleNamespace(get=lambda *_: None)
    executor: Any = SimpleNamespace(do=lambda _: taken)
    with RunLease(cluster, executor, "llm", "me") as held:
        awake_s = boot_s()
        for slept_s, lost in ((5, ""), (12, "the lease llm/gameday was not renewed for 11 s")):
            monkeypatch.setattr(leases, "boot_s", lambda slept_s=slept_s: awake_s + slept_s)
            assert held.lost == lost


def test_a_megabyte_for_a_holder_is_cut_and_a_run_s_own_name_is_not() -> None:
    """It stands on the terminal and in the log of a CronJob; the longest name of a run is known again."""
    assert len(leases.holder_of({"spec": {"holderIdentity": "x" * 1_000_000}})) == leases.HOLDER_MAX
    longest = Owner("h" * 64, "boot/pid:[4026531836]", 2**22, 2**63)
    holder = longest.holder(time.time_ns(), "undoing since")
    assert leases.holder_of({"spec": {"holderIdentity": holder}}) == holder
    assert longest.holds(holder)
