"""Eventually: a replica that is well by its probes and its endpoint, and gives no token, is found by its probes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from chaos.checks.base import (
    Summary,
    finding,
    judged_since_ns,
    judged_until_ns,
    timings_of,
    undecided,
    unknown,
    watched,
)
from chaos.checks.probes.silences import (
    Ended,
    Silence,
    asked_in,
    broken_by_nameless,
    held_up,
    serving_spans,
    silences,
    untroubled,
)
from chaos.checks.recovery.client_impact import (
    MISSED_MAX,
    baseline_band,
    fresh_connections,
    names_replicas,
    uneven,
    why_unnamed,
)
from chaos.checks.recovery.timeline import HANGS
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.canary import asked_directly, canary_slowest_s, tokens_of, why_no_canary
from chaos.history.facts.offered_load import flowed_s
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives, struck_container
from chaos.semantics import stage_rules

__all__ = ["ReplicaHealthDetail", "ZombieDetail", "ZombieFound", "ZombieFoundDetail"]

FOUND = ("not Ready",)
SETTLE = "a ProcessHang that lands under traffic that names its replica"


@dataclass(frozen=True, slots=True)
class ReplicaHealthDetail:
    """How long a replica served by probe and endpoint, its answers to users, and those to the canary."""

    replica: str
    serving_s: float
    answers: int
    canary_answers: int = 0


@dataclass(frozen=True, slots=True)
class ZombieDetail:
    """A silence that is judged.

    Attributes:
        proved_by_fault: a fault made it hang from the silence's begin on, and showed so.
        bound_s: how long its probes may take to find a hang; None where none looks for one.
        requests_expected: how many requests it was to get meanwhile, on average.
        missed_by_chance: how likely all requests of that time missed it.
    """

    replica: str
    uid: str
    proved_by_fault: bool
    since_ns: int
    silent_s: float
    ended: Ended
    bound_s: float | None
    requests_expected: float
    missed_by_chance: float


@dataclass(frozen=True, slots=True)
class ZombieFoundDetail:
    """Three-way health of each replica, and each silence that is judged."""

    replicas: tuple[ReplicaHealthDetail, ...]
    zombies: tuple[ZombieDetail, ...]


@dataclass(frozen=True, slots=True)
class ZombieFound:
    """Three-way health of each replica: by its probes (Ready), by its endpoint, and by tokens that it really gave.

    One that is Ready and among the endpoints, must have been asked, and gives no token is a zombie. Its probes must
    find it within their derived bound, `detection_s` being how long the server itself may take to know that it is
    stuck. It must have been asked when chance would have all requests of the time miss it less often than once in a
    million (`chaos.checks.recovery.client_impact`). Requests too young to have been answered, by the slowest of the
    baseline, do not count.

    Where no answer names its replica, the canary asks each directly.

    FAIL: a replica that a fault made hang, or that must have been asked for longer than the bound, was not found within
    it. UNKNOWN: traffic too thin to tell, answers that name no replica and no canary, kept connections, a gap; and if
    nothing hung, because then nothing had to be found.
    """

    name: ClassVar[str] = "zombie-found"
    Detail: ClassVar[type] = ZombieFoundDetail

    detection_s: float = 0.0

    def __call__(self, history: History) -> Finding:
        lives = pod_lives(history)
        judged = [one for life in lives for one in self._judged(history, life)]
        owed, zombies = [one for one, _ in judged], tuple(zombie for _, zombie in judged)
        blind = tuple(watched(history, ("Pod", "EndpointSlice"), judged_since_ns(history), judged_until_ns(history)))
        worst = max(judged, key=lambda one: (one[0].answer, one[1].silent_s), default=None)
        measured, limit, margin = "no zombie seen", "within the derived bound", ""
        if worst is not None:
            one, zombie = worst
            measured = f"{sum(zombie.ended in FOUND for zombie in zombies)} of {plural(len(zombies), 'silent replica')}"
            measured += f" found, the longest silent for {zombie.silent_s:.1f} s"
            limit = limit if zombie.bound_s is None else f"bound {zombie.bound_s:g} s"
            margin = f"{one.subject}, {zombie.ended} after {zombie.silent_s:.1f} s"
        health = tuple(_health(history, life) for life in lives)
        return finding(
            self.name,
            "A replica that is Ready and among the endpoints, and gives no token, is found by its probes in time.",
            [*(undecided(owed) if blind else owed), *_doubts(history, zombies), *blind],
            Summary(measured, limit, margin, detail=ZombieFoundDetail(health, zombies)),
            nothing=unknown("the replicas", "no replica was seen", SETTLE),
        )

    def _judged(self, history: History, life: PodLife) -> Iterator[tuple[Obligation, ZombieDetail]]:
        """The silences that matter: those of a hang that landed, and those that are longer than the probes may need."""
        quiet = list(silences(history, life))
        proved: list[int] = []
        for landed_ns, healed_ns, container in _hangs(history, life):
            during = (one for one in quiet if one.end_ns > landed_ns and one.begin_ns < healed_ns)
            after = [replace(one, begin_ns=max(one.begin_ns, landed_ns)) for one in during]
            if after and any(begin <= landed_ns < end for begin, end, _ in serving_spans(history, life)):
                longest = max(after, key=lambda one: one.end_ns - one.begin_ns)
                proved.append(longest.end_ns)
                bound_s = self._bound_s(history, life, container)
                hung_s = seconds(min(longest.end_ns, healed_ns) - longest.begin_ns)
                held = bound_s is None or hung_s > bound_s
                yield _judge(history, longest, bound_s, proved=True, held=held)
        bound_s = self._bound_s(history, life, "")
        for silence in quiet:
            long = bound_s is not None and flowed_s(history, silence.begin_ns, silence.end_ns) > bound_s
            if not long or silence.end_ns in proved:
                continue
            # Who is asked directly owes a token only to that; without a canary nobody can tell.
            heard = not names_replicas(history) and asked_directly(history)
            if not (heard and untroubled(history, silence, bound_s or 0.0)):
                yield _judge(history, silence, bound_s, proved=False, held=False)

    def _bound_s(self, history: History, life: PodLife, container: str) -> float | None:
        """How long its probes may take to find a hang: until it is not Ready, or its container is restarted for it."""
        rules = stage_rules(
            "restarted", life.spec, timings_of(history), container=container, detection_s=self.detection_s
        )
        bounds = {rule.name: rule.bound for rule in rules}
        bound = bounds["unready"] or bounds["container restarted"]
        return None if bound is None else bound.total_s


def _hangs(history: History, life: PodLife) -> Iterator[tuple[int, int, str]]:
    """From when until when a fault held it hanging, at most until it was restarted, and which of its containers."""
    for fault in history.faults:
        if fault.name == HANGS and fault.landed_ns is not None and any(ref.uid == life.uid for ref in fault.victims):
            container = struck_container(fault, life)
            ends = [history.ended_ns if fault.healed_ns is None else fault.healed_ns]
            ends += [at_ns for at_ns in life.restarts_ns.get(container, ()) if at_ns > fault.landed_ns]
            yield fault.landed_ns, min(ends), container


def _judge(
    history: History, silence: Silence, bound_s: float | None, *, proved: bool, held: bool
) -> tuple[Obligation, ZombieDetail]:
    """A silence, with what the replica was to get meanwhile, and whether it was found in time."""
    life, share = silence.life, asked_in(history, silence)
    silent_s = seconds(silence.end_ns - silence.begin_ns)
    zombie = ZombieDetail(
        replica=life.name,
        uid=life.uid,
        proved_by_fault=proved,
        since_ns=silence.begin_ns,
        silent_s=silent_s,
        ended=silence.ended,
        bound_s=bound_s,
        requests_expected=round(share.expected, 1),
        missed_by_chance=share.missed,
    )
    # Not knowing when it went silent for good, it did at the latest when it must have been asked.
    sure_ns = silence.begin_ns if proved else share.sure_ns or silence.end_ns
    known_ns = min(earliest_ns(history, kind, silence.end_ns) for kind in ("Pod", "EndpointSlice"))
    one = _found(history, silence, zombie, seconds(known_ns - sure_ns), held=held)
    how = f"{'was made to hang' if proved else 'gave its last token'} while Ready and among the endpoints"
    evidence = (
        Evidence(silence.begin_ns, f"{life.who} {how}"),
        Evidence(silence.end_ns, f"{life.who}: {silence.ended}, {silent_s:.1f} s later"),
    )
    bound = "no probe looks for a hang" if bound_s is None else f"{bound_s:g} s"
    return replace(one, measured=f"{silence.ended} after {silent_s:.1f} s", bound=bound, evidence=evidence), zombie


def _found(history: History, silence: Silence, zombie: ZombieDetail, sure_s: float, *, held: bool) -> Obligation:
    """Whether the replica was found in time; it must have been asked for `sure_s` before the silence's end.

    `held`: a fault held it hanging beyond its bound, so that it gave nothing whether or not it was asked.
    """
    bound_s, who = zombie.bound_s, silence.life.who
    words = f"{who} was Ready and among the endpoints, and gave no token for {zombie.silent_s:.1f} s"
    if bound_s is not None and zombie.silent_s <= bound_s:
        early = f"{who}: {zombie.ended} {zombie.silent_s:.1f} s into the bound of {bound_s:g} s"
        return Obligation(who) if zombie.ended in FOUND else unknown(who, early, SETTLE)
    named = names_replicas(history)
    why = "; ".join(reason for _, reason in _untold(history))
    if not why and named and not held:
        why = _need_not_show(history, silence, bound_s)
    if not why and not named and not zombie.proved_by_fault and (late := held_up(history, silence, bound_s)):
        words, why = f"{words} to the canary", late
    if why:
        return unknown(who, f"{words}, but {why}", SETTLE)
    if zombie.missed_by_chance >= MISSED_MAX:
        chance = f"the {zombie.requests_expected:.1f} requests that it was to get all miss it with chance"
        reason = f"{words}, but the traffic is too thin to tell: {chance} {zombie.missed_by_chance:.1g}"
        return unknown(who, reason, "more requests: a higher rate")
    if bound_s is None:
        reason = f"{words}; no probe of its looks for a hang ({zombie.ended})"
        return Obligation(who) if zombie.ended in FOUND else Obligation(who, Answer.FAIL, reason)
    late = f"{words}, bound {bound_s:g} s ({zombie.ended})"
    return Obligation(who, Answer.FAIL, late) if sure_s > bound_s else unknown(who, late, SETTLE)


def _need_not_show(history: History, silence: Silence, bound_s: float | None) -> str:
    """Why one that gives tokens may not be named for so long, in words; empty if it is."""
    if reasons := uneven(history):
        return f"it need not have been asked: {'; '.join(reasons)}"
    broken = broken_by_nameless(history, silence, bound_s)
    return "full answers came without a name, and may be its" if broken else ""


def _untold(history: History) -> list[tuple[str, str]]:
    """What keeps the traffic, or the canary in its stead, from telling who gives tokens: subject and reason."""
    if not names_replicas(history):
        if why := why_no_canary(history):
            return [("the traffic", f"{why_unnamed(history)}, and {why}")]
        few = "the canary had too few answers before the first fault to say how long one takes"
        return [("the canary", few)] if canary_slowest_s(history) is None else []
    said = []
    if baseline_band(history) is None:
        reason = "too few requests were answered before the first fault to say how long an answer takes"
        said.append(("the traffic", reason))
    if not fresh_connections(history):
        said.append(("the traffic", "connections were kept, which go on to the pod that they were opened to"))
    return said


def _doubts(history: History, zombies: tuple[ZombieDetail, ...]) -> Iterator[Obligation]:
    """What else the claim needs: traffic that tells who answers, and a replica that hung."""
    if not history.streams:
        yield unknown("the traffic", "no traffic flowed", SETTLE)
    else:
        yield from (unknown(subject, reason, SETTLE) for subject, reason in _untold(history))
    if not any(zombie.proved_by_fault for zombie in zombies):
        yield unknown("a hang", "no replica that was Ready and among the endpoints was made to hang", SETTLE)


def _health(history: History, life: PodLife) -> ReplicaHealthDetail:
    return ReplicaHealthDetail(
        replica=life.name,
        serving_s=round(sum(seconds(end - begin) for begin, end, _ in serving_spans(history, life)), 3),
        answers=history.requests.filter(history.requests["replica"] == life.name).height,
        canary_answers=len(tokens_of(history, life)),
    )
