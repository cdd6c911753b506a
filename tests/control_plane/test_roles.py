"""A system of two workloads, as a router before an engine: each is picked from, recorded and judged by itself."""

import pytest
from plain_service import shared_namespace, snapshot
from trial_room import Room

from chaos import faults
from chaos.checks import InRole, Recovered, Witnessed
from chaos.checks.verdict import Answer
from chaos.errors import UsageError
from chaos.faults import targets
from chaos.history import load_history
from chaos.system.adopt.find import SystemQuery, adopt

pytestmark = pytest.mark.timed


def test_a_killed_router_is_judged_as_the_router(room: Room) -> None:
    """Its pod is hit and comes back by its own record; the engine's record has no pod of it, and all is as it was."""
    with shared_namespace(room.cluster) as namespace:
        before = snapshot(room.cluster, namespace)
        engine, router = (
            adopt(room.cluster, SystemQuery(namespace=namespace, kind="Deployment", name=name))
            for name in ("chat", "other")
        )
        with room.trial("roles", engine, roles={"router": router}) as ready:
            with pytest.raises(UsageError, match="no workload of the system has the role prefill"):
                targets.one(ready.system, role="prefill")
            with ready.traffic.steady(rate_rps=10):
                ready.trial.baseline(duration_s=2)
                picked = targets.one(ready.system, role="router")
                assert picked.words == "one replica of the router (1 of 2)"
                with ready.trial.fault(faults.PodKill(picked, grace_s=0)):
                    ready.trial.hold(duration_s=1)
                ready.trial.recovery()
            ready.trial.judge(InRole("router", Recovered()), Witnessed("delete-pod", outcome="ok"))
        verdict = room.judged[-1].verdict
        assert verdict.answer is Answer.PASS, verdict.lines()
        assert {"end-state", "end-state-router", "steady-state-router", "recovered-router"} <= {
            one.check for one in verdict.findings
        }
        history = load_history(room.runs / "roles")
        seen = {
            name: {event.object["metadata"]["labels"]["app"] for event in one.watch if event.kind == "Pod"}
            for name, one in {"engine": history, **history.roles}.items()
        }
        assert seen == {"engine": {"chat"}, "router": {"other"}}
        assert snapshot(room.cluster, namespace) == before
