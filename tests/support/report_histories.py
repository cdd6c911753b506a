"""Histories made by hand for the reports: a small cluster whose pods live and die, and users who ask."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from chaos.checks import Recovered
from chaos.checks.verdict import Answer, Evidence, Finding, Verdict
from chaos.clock import NS
from chaos.history import (
    REQUEST_SCHEMA,
    Action,
    Fault,
    Gap,
    GeneratorSample,
    History,
    Note,
    Phase,
    Stream,
    TrialFacts,
    WatchEvent,
)
from chaos.objects.base import Ref

ZERO_NS = 1_767_268_803 * NS
"""2026-01-01T12:00:03Z: when these trials begin."""
NAMESPACE = "gameday-8877"
REPLICA_SET = "rs-1"


def at(seconds: float) -> int:
    """A moment of the trial, from seconds since it began."""
    return ZERO_NS + round(seconds * NS)


def facts(scenario: str = "test_killed_pods_are_replaced_within_the_slo[one]", **other: Any) -> TrialFacts:
    """What was known before the trial."""
    raw: dict[str, Any] = {
        "schema": 2,
        "run": "20260101T120003Z-pod-kill-8877",
        "scenario": scenario,
        "seed": 8877,
        "cluster": {
            "kind": "lab",
            "context": "gameday-lab",
            "version": "v1.36.3",
            "uid": "5f0c6a4e-0001",
            "nodes": [{"name": f"n{k}", "labels": {}} for k in (1, 2, 3)],
        },
        "timings": {"name": "lab", "node_monitor_grace_s": 16, "hpa_sync_s": 5},
        "system": {"namespace": NAMESPACE, "service": "model", "port": 80, "selector": {"app": "model"}},
        "versions": {"gameday": "0.1.0", "python": "3.11.7", "kubernetes": "37.0.2", "git": "25bdd8a"},
    }
    given: dict[str, Any] = {
        "scenario": scenario,
        "claim": "Up to half the replicas may die at once; the rest carry the traffic until they return.",
        "seed": 8877,
        "dry_run": False,
        "namespace": NAMESPACE,
        "workload_kind": "Deployment",
        "workload_name": "model",
        "service": "model",
        "raw": raw,
    }
    return TrialFacts(**(given | other))


@dataclass(frozen=True, slots=True)
class PodPlan:
    """How one pod lives, in seconds of the trial; `born_s` below zero means that the first list had it."""

    name: str
    node: str
    born_s: float
    ready_s: float | None
    terminating_s: float | None = None
    gone_s: float | None = None
    unready: tuple[tuple[float, float], ...] = ()

    def events(self) -> Iterator[WatchEvent]:
        """The watch events of this life."""
        if self.born_s < 0:
            yield self._event(0.05, "LISTED", node=True, running=True, ready=True)
        else:
            yield self._event(self.born_s, "ADDED")
            yield self._event(self.born_s + 0.02, "MODIFIED", node=True)
            if self.ready_s is not None:
                yield self._event((self.born_s + self.ready_s) / 2, "MODIFIED", node=True, running=True)
                yield self._event(self.ready_s, "MODIFIED", node=True, running=True, ready=True)
        for lost_s, again_s in self.unready:
            yield self._event(lost_s, "MODIFIED", node=True, running=True)
            if again_s < math.inf:
                yield self._event(again_s, "MODIFIED", node=True, running=True, ready=True)
        if self.terminating_s is not None:
            yield self._event(self.terminating_s, "MODIFIED", node=True, running=True, deleting=True)
        if self.gone_s is not None:
            yield self._event(self.gone_s, "DELETED", node=True, deleting=self.terminating_s is not None)

    def _event(
        self,
        when_s: float,
        kind: Any,
        *,
        node: bool = False,
        running: bool = False,
        ready: bool = False,
        deleting: bool = False,
    ) -> WatchEvent:
        owner = {"kind": "ReplicaSet", "name": "model-6f7d9c", "uid": REPLICA_SET, "controller": True}
        metadata: dict[str, Any] = {
            "name": self.name,
            "namespace": NAMESPACE,
            "uid": f"uid-{self.name}",
            "labels": {"app": "model"},
            "ownerReferences": [owner],
        }
        if deleting:
            metadata |= {"deletionTimestamp": "2026-01-01T12:00:00Z", "deletionGracePeriodSeconds": 5}
        state = (
            {"running": {"startedAt": "2026-01-01T12:00:00Z"}}
            if running
            else {"waiting": {"reason": "ContainerCreating"}}
        )
        return WatchEvent(
            at(when_s),
            "Pod",
            kind,
            {
                "metadata": metadata,
                "spec": {"nodeName": self.node if node else "", "containers": [{"name": "model"}]},
                "status": {
                    "phase": "Running" if running else "Pending",
                    "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                    "containerStatuses": [{"name": "model", "ready": ready, "restartCount": 0, "state": state}],
                },
            },
        )


def workload(when_s: float, replicas: int, kind: Any = "LISTED") -> WatchEvent:
    """The Deployment, asking for so many replicas."""
    metadata = {"name": "model", "namespace": NAMESPACE, "uid": "dep-1"}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "model"}}}
    return WatchEvent(at(when_s), "Deployment", kind, {"metadata": metadata, "spec": spec})


@dataclass(slots=True)
class Asked:
    """A table of requests under construction, deterministic by its seed."""

    seed: int = 1
    rows: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, begin_s: float, end_s: float, rate_rps: float, *, base_s: float = 0.12, **fate: Any) -> Asked:
        """Requests at a steady rate; `outcome`, `share` of them, `error`, `status` say what became of them."""
        chance = random.Random(self.seed * 1_000_003 + len(self.rows))  # noqa: S311  # made to repeat, not to be secret
        outcome, share = fate.get("outcome", "ok"), fate.get("share", 1.0)
        for k in range(round((end_s - begin_s) * rate_rps)):
            intended_ns = at(begin_s) + round(k * NS / rate_rps)
            took_s = base_s * math.exp(chance.gauss(0, 0.35)) * (4 if chance.random() < 0.02 else 1)
            mine = outcome if chance.random() < share else "ok"
            good = mine in ("ok", "late")
            self.rows.append(
                {
                    "id": len(self.rows),
                    "stream": "steady-1",
                    "intended_ns": intended_ns,
                    "sent_ns": None if mine == "unsent" else intended_ns + 400_000,
                    "first_byte_ns": intended_ns + round(took_s * 0.4 * NS) if good else None,
                    "first_token_ns": intended_ns + round(took_s * 0.4 * NS) if good and fate.get("tokens") else None,
                    "end_ns": intended_ns + round((took_s if good else fate.get("fails_after_s", 0.01)) * NS),
                    "outcome": mine,
                    "status": 200 if good else fate.get("status"),
                    "error": None if good else fate.get("error", "connection refused"),
                    "replica": None,
                    "tokens_in": None,
                    "tokens_out": 3 if good and fate.get("tokens") else None,
                    "token_gaps_ns": [round(took_s * 0.02 * NS)] * 2 if good and fate.get("tokens") else None,
                }
            )
        return self

    def table(self) -> pl.DataFrame:
        """The table, as a history holds it."""
        return pl.DataFrame(self.rows, schema=dict(REQUEST_SCHEMA), orient="row")


def samples(
    begin_s: int, end_s: int, rate_rps: float, *, lag_ms: float = 0.6, cpu: float = 0.18
) -> tuple[GeneratorSample, ...]:
    """A generator's own lines, one a second."""
    chance = random.Random(7)  # noqa: S311  # made to repeat, not to be secret
    return tuple(
        GeneratorSample(
            at_ns=at(s + 1),
            due=round((s + 1 - begin_s) * rate_rps),
            sent=round((s + 1 - begin_s) * rate_rps),
            done=round((s + 1 - begin_s) * rate_rps),
            in_flight=3,
            lag_p50_ns=round(lag_ms * 3e5),
            lag_p99_ns=round(lag_ms * 8e5 * (1 + chance.random() / 4)),
            lag_max_ns=round(lag_ms * 1e6 * (1 + chance.random())),
            cpu_share=cpu * (0.85 + chance.random() * 0.3),
        )
        for s in range(begin_s, end_s)
    )


INITIAL = tuple(
    PodPlan(f"model-6f7d9c-{tail}", node, -1, None)
    for tail, node in (("4xk2p", "n1"), ("9wq7d", "n2"), ("bb61z", "n3"), ("hm3tv", "n1"))
)
VICTIM = INITIAL[1]


def pod_ref(plan: PodPlan) -> Ref:
    """A reference to a planned pod."""
    return Ref("Pod", NAMESPACE, plan.name, f"uid-{plan.name}")


def fault(
    begin_s: float, healed_s: float | None, *victims: PodPlan, number: int = 1, landed_s: float | None = None
) -> Fault:
    """A pod kill."""
    landed_ns = at(begin_s + 0.15 if landed_s is None else landed_s)
    words = f"delete {len(victims)} of 4 replicas with a grace of 0 s"
    healed_ns = None if healed_s is None else at(healed_s)
    proof = "gone by UID: " + ", ".join(plan.name for plan in victims)
    return Fault(
        f"pod-kill-{number}", "pod-kill", words, tuple(map(pod_ref, victims)), at(begin_s), landed_ns, healed_ns, proof
    )


def history(
    end_s: float,
    pods: tuple[PodPlan, ...],
    asked: Asked,
    rate_rps: float,
    *,
    traffic_s: tuple[float, float | None] = (2, None),
    **other: Any,
) -> History:
    """A history of these pods and these requests, watched from begin to end."""
    events = sorted((event for plan in pods for event in plan.events()), key=lambda event: event.at_ns)
    stream = Stream(
        "steady-1",
        "steady",
        rate_rps,
        at(traffic_s[0]),
        None if traffic_s[1] is None else at(traffic_s[1]),
        "http",
        "lab client",
    )
    covered = {
        kind: (at(0.1), at(end_s)) for kind in ("Pod", "Deployment", "ReplicaSet", "EndpointSlice", "Node", "Event")
    }
    given: dict[str, Any] = {
        "facts": facts(),
        "began_ns": at(0),
        "ended_ns": at(end_s),
        "watch": (workload(0.04, 4), *events),
        "covered_ns": covered,
        "streams": (stream,) if rate_rps else (),
        "requests": asked.table(),
    }
    return History(**(given | other))


def replaced(plan: PodPlan, lost_s: float, ready_s: float, name: str, node: str) -> tuple[PodPlan, PodPlan]:
    """The same pod, deleted at a moment, and its successor."""
    over_s = lost_s + 0.2
    return replace(plan, terminating_s=lost_s, gone_s=over_s), PodPlan(name, node, lost_s + 0.15, ready_s)


def good_run() -> tuple[History, Verdict]:
    """One pod is killed, the rest carry the traffic, a successor is Ready 8 s later: PASS."""
    victim, replacement = replaced(VICTIM, 25.1, 33.2, "model-6f7d9c-zr8c5", "n2")
    asked = Asked(1).ask(2, 25, 20).ask(25, 25.6, 20, base_s=0.35).ask(25.6, 33.5, 20, base_s=0.17).ask(33.5, 58, 20)
    made = history(
        60,
        (*(plan for plan in INITIAL if plan is not VICTIM), victim, replacement),
        asked,
        20,
        traffic_s=(2, 58),
        faults=(fault(25, 35, VICTIM),),
        phases=(Phase("baseline", at(2), at(25)), Phase("fault", at(25), at(35)), Phase("recovery", at(35), at(58))),
        actions=(Action("a1", "delete-pod", pod_ref(VICTIM), at(25.0), at(25.1), "ok", "pod-kill-1"),),
        generator=samples(2, 58, 20),
        notes=(Note(at(36), "all replicas Ready again"),),
    )
    return made, Verdict.of(
        (
            Finding(
                "slo-met",
                Answer.PASS,
                "users are served within the SLO",
                "objective 0.99",
                "availability 1.0000",
                "11 bad requests left",
            ),
            Finding(
                "recovered",
                Answer.PASS,
                "ready replicas return to the desired number",
                "bound 14.0 s",
                "8.1 s",
                "5.9 s left",
                detail=Recovered()(made).detail,
            ),
            Finding(
                "witnessed",
                Answer.PASS,
                "somebody did die",
                "at least once",
                "delete-pod ok seen once",
                evidence=(Evidence(at(25.1), f"delete-pod {VICTIM.name} ok"),),
            ),
        )
    )


def bad_run() -> tuple[History, Verdict]:
    """Half the replicas are killed and the rest fall over: users are refused for 11 s. FAIL."""
    first, heir_1 = replaced(INITIAL[0], 30.1, 41.5, "model-6f7d9c-k2m9s", "n1")
    second, heir_2 = replaced(INITIAL[1], 30.12, 52.0, "model-6f7d9c-w7f4x", "n3")
    third = replace(INITIAL[2], unready=((34.0, 46.0),))
    fourth = replace(INITIAL[3], unready=((34.5, 45.2),))
    asked = (
        Asked(2)
        .ask(2, 30, 40)
        .ask(30, 34.5, 40, base_s=0.5, outcome="failed", share=0.12, status=502, error="bad gateway")
    )
    asked.ask(34.5, 41.6, 40, outcome="refused").ask(
        41.6, 46, 40, base_s=1.4, outcome="unanswered", share=0.4, fails_after_s=10, error="no answer within 10 s"
    )
    asked.ask(46, 50, 40, base_s=0.5, outcome="late", share=0.2).ask(50, 88, 40)
    made = history(
        90,
        (first, second, third, fourth, heir_1, heir_2),
        asked,
        40,
        traffic_s=(2, 88),
        faults=(fault(30, 45, INITIAL[0], INITIAL[1]),),
        phases=(Phase("baseline", at(2), at(30)), Phase("fault", at(30), at(45)), Phase("recovery", at(45), at(88))),
        generator=samples(2, 88, 40, lag_ms=1.1, cpu=0.3),
    )
    findings = (
        Finding(
            "slo-met",
            Answer.FAIL,
            "users are served within the SLO",
            "objective 0.99; error budget 34 bad requests",
            "availability 0.8870",
            "354 bad requests too many",
            "388 of 3,440 requests were not answered, 284 of them refused",
            evidence=(Evidence(at(34.5), "first request refused"), Evidence(at(45.8), "last request unanswered")),
        ),
        Finding(
            "budget-held",
            Answer.FAIL,
            "ready replicas never fall below the disruption budget by evictions",
            "disruption budget 3",
            "lowest ready 0 at 34.5 s",
            "3 short",
            "dip explained by: nothing",
        ),
        Finding(
            "recovered",
            Answer.PASS,
            "ready replicas return to the desired number",
            "bound 26.0 s",
            "21.9 s",
            "4.1 s left",
            detail=Recovered()(made).detail,
        ),
        Finding("witnessed", Answer.PASS, "somebody did die", "at least once", "delete-pod ok seen twice"),
    )
    return made, Verdict.of(findings)


def unknown_run() -> tuple[History, Verdict]:
    """The watch lost the moment of the fault, and the generator fell behind: UNKNOWN."""
    victim, replacement = replaced(VICTIM, 26.2, 38.0, "model-6f7d9c-zr8c5", "n2")
    asked = Asked(3).ask(2, 20, 60).ask(20, 40, 60, base_s=0.3, outcome="unsent", share=0.25).ask(40, 58, 60)
    gap = tuple(Gap(kind, at(24), at(31), "410 Gone: too old resource version") for kind in ("Pod", "EndpointSlice"))
    busy = (
        samples(2, 20, 60)
        + samples(20, 28, 60, lag_ms=900, cpu=0.98)
        + samples(33, 40, 60, lag_ms=1500, cpu=0.99)
        + samples(40, 58, 60)
    )
    made = history(
        60,
        (*(plan for plan in INITIAL if plan is not VICTIM), victim, replacement),
        asked,
        60,
        traffic_s=(2, 58),
        faults=(fault(26, 36, VICTIM),),
        gaps=gap,
        phases=(Phase("baseline", at(2), at(26)), Phase("fault", at(26), at(36)), Phase("recovery", at(36), at(58))),
        generator=busy,
    )
    findings = (
        Finding(
            "recovered",
            Answer.UNKNOWN,
            "ready replicas return to the desired number",
            "bound 14.0 s",
            "not known",
            "",
            "the watch of pods has a gap of 7.0 s over the fault",
            "run it again with a watch that does not break; the API server compacted within the trial",
        ),
        Finding(
            "rate-offered",
            Answer.UNKNOWN,
            "the generator offers what the shape says",
            "within 0.05",
            "0.75 of the rate for 20 s",
            "",
            "the generator fell behind: start lag up to 2.9 s",
            "give the generator a core of its own, or offer less than 60/s",
        ),
        Finding(
            "slo-met",
            Answer.PASS,
            "users are served within the SLO",
            "objective 0.99",
            "availability 1.0000",
            "33 bad requests left",
        ),
    )
    return made, Verdict.of(findings)


def killed_run() -> tuple[History, Verdict]:
    """The run was killed in the middle of its second fault, and the generator's records stop before that."""
    victim, replacement = replaced(VICTIM, 25.1, 33.2, "model-6f7d9c-zr8c5", "n2")
    second = replace(INITIAL[2], terminating_s=50.1)
    asked = Asked(4).ask(2, 25, 20).ask(25, 34, 20, base_s=0.2).ask(34, 40, 20)
    end_s = 53.4
    made = history(
        end_s,
        (INITIAL[0], victim, second, INITIAL[3], replacement),
        asked,
        20,
        faults=(fault(25, 35, VICTIM), replace(fault(50, None, INITIAL[2], number=2), landed_ns=None, proof="")),
        phases=(
            Phase("baseline", at(2), at(25)),
            Phase("fault", at(25), at(35)),
            Phase("recovery", at(35), at(50)),
            Phase("fault", at(50), None),
        ),
        generator=samples(2, 41, 20),
        finished=False,
        stopped="interrupted from the keyboard",
        covered_ns={"Pod": (at(0.1), at(end_s)), "ReplicaSet": (at(0.1), at(end_s)), "Deployment": (at(0.1), at(30))},
    )
    reason = "the run died in the fault"
    finding = Finding(
        "recovered",
        Answer.UNKNOWN,
        "ready replicas return to the desired number",
        "bound 14.0 s",
        "not known",
        "",
        reason,
        "run it again to its end",
    )
    return made, Verdict.of(
        (
            finding,
            Finding(
                "completed",
                Answer.UNKNOWN,
                "the trial ran to its end",
                "the end",
                "53.4 s",
                "",
                "interrupted from the keyboard",
                "run it again",
            ),
        )
    )


def silent_run() -> tuple[History, Verdict]:
    """A trial without any traffic: nothing was asked."""
    made = history(20, INITIAL, Asked(), 0, phases=(Phase("baseline", at(2), at(20)),))
    finding = Finding(
        "slo-met",
        Answer.UNKNOWN,
        "users are served within the SLO",
        "objective 0.99",
        "no requests",
        "",
        "no request is on record",
        "let a stream of traffic flow through the trial",
    )
    return made, Verdict.of((finding,))


def table_of(rows: Mapping[str, Any]) -> pl.DataFrame:
    """A table of requests from whole columns; columns that are left out are null."""
    height = len(next(iter(rows.values())))
    columns = {
        name: pl.Series(name, rows.get(name, [None] * height), dtype=kind) for name, kind in REQUEST_SCHEMA.items()
    }
    return pl.DataFrame(columns)
