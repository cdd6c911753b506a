"""Eventually: a replica that is well by its probes and its endpoint, and gives no token, is found by its probes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from chaos.checks.formatting import plural
from chaos.checks.probes.stalls import Silence, serving_spans, silences
from chaos.checks.recovery.client_impact import (
    MISSED_MAX,
    Asked,
    asked,
    baseline_band,
    fresh_connections,
    names_replicas,
)
from chaos.checks.recovery.timeline import HANGS
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.checks.watch_coverage import blind_spots, judged_until_ns
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.semantics import Timings, stage_rules

__all__ = ["ZombieFound"]

FOUND = ("not Ready", "left the endpoints")


@dataclass(frozen=True, slots=True)
class _Case:
    """A silence that is judged. `proved`: a fault made it hang from the silence's begin on, and showed so.

    `asked` is what it was to get while it was silent. `bound_s` is None where no probe of its looks for a hang.
    """

    silence: Silence
    proved: bool
    bound_s: float | None
    asked: Asked
    answer: Answer = Answer.PASS
    reason: str = ""

    @property
    def who(self) -> str:
        """The replica, for people."""
        return f"{self.silence.life.name} ({self.silence.life.uid[:8]})"

    @property
    def silent_s(self) -> float:
        """How long it gave no token while it was Ready and among the endpoints."""
        return seconds(self.silence.end_ns - self.silence.begin_ns)

    @property
    def values(self) -> dict[str, Any]:
        """The case in numbers."""
        return {
            "replica": self.silence.life.name,
            "uid": self.silence.life.uid,
            "proved_by_fault": self.proved,
            "since_ns": self.silence.begin_ns,
            "silent_s": round(self.silent_s, 3),
            "ended": self.silence.ended,
            "bound_s": self.bound_s,
            "requests_expected": round(self.asked.expected, 1),
            "missed_by_chance": self.asked.missed,
            "answer": self.answer.name,
        }


@dataclass(frozen=True, slots=True)
class ZombieFound:
    """Three-way health of each replica: by its probes (Ready), by its endpoint, and by tokens that it really gave.

    One that is Ready and among the endpoints, must have been asked, and gives no token is a zombie. Its probes must
    find it within their derived bound, `detection_s` being how long the server itself may take to know that it is
    stuck. It must have been asked when chance would have all requests of the time miss it less often than once in a
    million (`chaos.checks.recovery.client_impact`). Requests too young to have been answered, by the slowest of the
    baseline, do not count.

    FAIL: a replica that a fault made hang, or that must have been asked for longer than the bound, was not found within
    it. UNKNOWN: traffic too thin to tell, answers that name no replica, kept connections, a gap; and if nothing hung,
    because then nothing had to be found.
    """

    detection_s: float = 0.0

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "zombie-found"

    def __call__(self, history: History) -> Finding:
        """Judge every replica's silences."""
        lives = pod_lives(history)
        cases = [case for life in lives for case in _cases(history, life, self.detection_s)]
        failures = [case.reason for case in cases if case.answer is Answer.FAIL]
        doubts = [case.reason for case in cases if case.answer is Answer.UNKNOWN]
        doubts += _doubts(history)
        if not any(case.proved for case in cases):
            doubts.append("no replica that was Ready and among the endpoints was made to hang")
        if _blind(history):
            doubts, failures = [*doubts, *failures], []
        answer = Answer.FAIL if failures else Answer.UNKNOWN if doubts else Answer.PASS
        worst = max(cases, key=lambda case: (case.answer, case.silent_s), default=None)
        return Finding(
            check=self.name,
            answer=answer,
            rule="A replica that is Ready and among the endpoints, and gives no token, is found by its probes in time.",
            limit=_limit(worst),
            measured=_measured(cases, worst),
            margin="" if worst is None else f"{worst.who}, {worst.silence.ended} after {worst.silent_s:.1f} s",
            reason="; ".join(failures or doubts),
            settle=_settle(doubts) if answer is Answer.UNKNOWN else "",
            detail={
                "replicas": [_health(history, life) for life in lives],
                "zombies": [case.values for case in cases],
            },
            evidence=tuple(sorted(_evidence(cases), key=lambda one: one.at_ns)),
        )


def _cases(history: History, life: PodLife, detection_s: float) -> Iterator[_Case]:
    """The silences that matter: those of a hang that landed, and those that are longer than the probes may need."""
    bound_s = _bound_s(history, life, detection_s)
    quiet = list(silences(history, life))
    proved: list[Silence] = []
    for landed_ns in _hangs(history, life):
        after = [replace(one, begin_ns=max(one.begin_ns, landed_ns)) for one in quiet if one.end_ns > landed_ns]
        if after and any(begin <= landed_ns < end for begin, end, _ in serving_spans(history, life)):
            proved.append(max(after, key=lambda one: one.end_ns - one.begin_ns))
    for silence in proved:
        yield _judged(history, _case(history, silence, bound_s, proved=True))
    for silence in quiet:
        long = bound_s is not None and seconds(silence.end_ns - silence.begin_ns) > bound_s
        if long and not any(one.end_ns == silence.end_ns for one in proved):
            yield _judged(history, _case(history, silence, bound_s, proved=False))


def _hangs(history: History, life: PodLife) -> Iterator[int]:
    for fault in history.faults:
        if fault.name == HANGS and fault.landed_ns is not None and any(ref.uid == life.uid for ref in fault.victims):
            yield fault.landed_ns


def _case(history: History, silence: Silence, bound_s: float | None, *, proved: bool) -> _Case:
    band = baseline_band(history)
    young_ns = round(band.slowest_s * NS) if band else 0
    return _Case(silence, proved, bound_s, asked(history, silence.begin_ns, silence.end_ns - young_ns))


def _judged(history: History, case: _Case) -> _Case:
    silence, bound_s = case.silence, case.bound_s
    told = f"{case.who} was Ready and among the endpoints, and gave no token for {case.silent_s:.1f} s"
    if bound_s is not None and case.silent_s <= bound_s:
        if silence.ended in FOUND:
            return case
        reason = f"{case.who}: {silence.ended} {case.silent_s:.1f} s into the bound of {bound_s:g} s"
        return replace(case, answer=Answer.UNKNOWN, reason=reason)
    if case.asked.missed >= MISSED_MAX or not _telling(history):
        thin = (
            f"the {case.asked.expected:.1f} requests that it was to get all miss it with chance {case.asked.missed:.1g}"
        )
        return replace(case, answer=Answer.UNKNOWN, reason=f"{told}, but the traffic is too thin to tell: {thin}")
    if bound_s is None:
        if silence.ended in FOUND:
            return case
        return replace(case, answer=Answer.FAIL, reason=f"{told}; no probe of its looks for a hang ({silence.ended})")
    # Not knowing when it went silent for good, it did at the latest when it must have been asked.
    sure_ns = silence.begin_ns if case.proved else case.asked.sure_ns or silence.end_ns
    words = f"{told}, bound {bound_s:g} s ({silence.ended})"
    sure = seconds(silence.end_ns - sure_ns) > bound_s
    return replace(case, answer=Answer.FAIL if sure else Answer.UNKNOWN, reason=words)


def _bound_s(history: History, life: PodLife, detection_s: float) -> float | None:
    """How long its probes may take to find a hang: until it is not Ready, or its container is restarted for it."""
    timings = Timings.of(history.facts.raw.get("timings") or {})
    rules = {rule.name: rule.bound for rule in stage_rules("restarted", life.spec, timings, detection_s=detection_s)}
    bound = rules["unready"] or rules["container restarted"]
    return None if bound is None else bound.total_s


def _telling(history: History) -> bool:
    return names_replicas(history) and fresh_connections(history) and baseline_band(history) is not None


def _doubts(history: History) -> Iterator[str]:
    if not history.streams:
        yield "no traffic flowed"
    elif not names_replicas(history):
        yield "no answer names the replica that gave it"
    elif baseline_band(history) is None:
        yield "too few requests were answered before the first fault to say how long an answer takes"
    if not fresh_connections(history):
        yield "connections were kept, which go on to the pod that they were opened to"
    yield from _blind(history)


def _blind(history: History) -> tuple[str, ...]:
    since_ns = min((phase.begin_ns for phase in history.phases), default=history.began_ns)
    return tuple(blind_spots(history, ("Pod", "EndpointSlice"), since_ns, judged_until_ns(history)))


def _health(history: History, life: PodLife) -> dict[str, Any]:
    """Three-way health: how long it served by probe and endpoint, and the longest stretch of that without a token."""
    quiet = list(silences(history, life))
    return {
        "replica": life.name,
        "serving_s": round(sum(seconds(end - begin) for begin, end, _ in serving_spans(history, life)), 3),
        "answers": history.requests.filter(history.requests["replica"] == life.name).height,
        "longest_silence_s": round(max((seconds(one.end_ns - one.begin_ns) for one in quiet), default=0.0), 3),
    }


def _limit(worst: _Case | None) -> str:
    return "within the derived bound" if worst is None or worst.bound_s is None else f"bound {worst.bound_s:g} s"


def _measured(cases: list[_Case], worst: _Case | None) -> str:
    if worst is None:
        return "no zombie seen"
    found = sum(case.silence.ended in FOUND for case in cases)
    return f"{found} of {plural(len(cases), 'silent replica')} found, the longest silent for {worst.silent_s:.1f} s"


def _settle(doubts: list[str]) -> str:
    thin = any("too thin" in doubt for doubt in doubts)
    return "more requests: a higher rate" if thin else "a ProcessHang that lands under traffic that names its replica"


def _evidence(cases: list[_Case]) -> Iterator[Evidence]:
    for case in cases:
        how = "was made to hang" if case.proved else "gave its last token"
        yield Evidence(case.silence.begin_ns, f"{case.who} {how} while Ready and among the endpoints")
        yield Evidence(case.silence.end_ns, f"{case.who}: {case.silence.ended}, {case.silent_s:.1f} s later")
