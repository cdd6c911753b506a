"""Eventually: a request that comes while there is no replica is answered after a cold start, within its budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import polars as pl

from chaos.checks.autoscaling.quiet_times import asked_between, keda_says, quiet_times
from chaos.checks.autoscaling.scaling import unless_unseen, unwatched, watched_until_ns
from chaos.checks.base import Summary, after_s, finding, timings_of, unknown
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import desired_replicas
from chaos.history.facts.reported_reasons import pod_reports
from chaos.history.facts.routing import publishes_unready
from chaos.history.facts.scaled_object import scaled_object_at
from chaos.history.sli import BEGUN, GOOD, VALID
from chaos.semantics.hpa.bounds import metric_bound

__all__ = ["HUNG", "ColdStart", "ColdStartDetail"]

AtZero = Literal["refused", "held"]

STAGES = ("decided", "made", "scheduled", "pulled", "started", "ready", "first_token")
"""In order: a replica is desired; its pod is there, has a node, its images, its containers; it is Ready; it answers."""

CAME = pl.coalesce("first_token_ns", "first_byte_ns", "end_ns")
"""When an answer began to come."""

NEWS_NS = 2 * NS
"""Word that a replica is Ready may come so much later than its first token."""

HUNG = frozenset({"unanswered", "truncated"})
"""What is no refusal: the user waited for an answer that did not come, or not whole."""

DECLARE = 'at_zero = "refused" or "held" under [autoscaling] of gameday.toml'


@dataclass(frozen=True, slots=True)
class WakeDetail:
    """One cold start: when the first request came, and seconds from it to the end of each stage, None if never seen.

    `meanwhile` is what became of the requests that came before the first replica was Ready, but for those of clients
    that were to leave.
    """

    asked_ns: int
    stages: Mapping[str, float | None]
    meanwhile: Mapping[str, int]

    @property
    def parts(self) -> tuple[tuple[float, str], ...]:
        """What each stage took itself, in seconds, with its name."""
        known = [(name, at_s) for name in STAGES if (at_s := self.stages[name]) is not None]
        before = [0.0, *(at_s for _, at_s in known)]
        return tuple((at_s - since, name.replace("_", " ")) for (name, at_s), since in zip(known, before, strict=False))

    @property
    def words(self) -> str:
        return ", ".join(f"{name} {took_s:.1f} s" for took_s, name in self.parts)


@dataclass(frozen=True, slots=True)
class ColdStartDetail:
    """Each cold start."""

    wakes: tuple[WakeDetail, ...]


@dataclass(frozen=True, slots=True)
class ColdStart:
    """After the first request at zero replicas one is made, Ready, and gives its first token, within `within_s`.

    Where KEDA decides, it does at its next look (`pollingInterval`) after the metric shows the request
    (`metric_delay_s`). Requests that come meanwhile are what the owner declared (`at_zero`, by default that of
    gameday.toml): `refused`, so that no one hangs, or `held`, so that each is answered. What a pod of before answers on
    its way out, and others before a replica is Ready, ends no cold start. UNKNOWN where a request was not answered and
    nobody declared that, where nobody says how long it may take, and where the trial ended before.
    """

    name: ClassVar[str] = "cold-start"
    Detail: ClassVar[type] = ColdStartDetail

    within_s: float | None = None
    at_zero: AtZero | None = None

    def __call__(self, history: History) -> Finding:
        declared = self.at_zero or (history.facts.raw.get("autoscaling") or {}).get("at_zero")
        owed: list[Obligation] = []
        wakes: list[WakeDetail] = []
        for asked_ns, until_ns in _wakes(history):
            wake = _wake(history, asked_ns, until_ns)
            wakes.append(wake)
            judged = [self._in_time(wake, until_ns), *_decided(history, wake, until_ns), *_meanwhile(wake, declared)]
            owed += unless_unseen(unwatched(history, asked_ns, until_ns), judged)
        limit = "a first token" if self.within_s is None else f"a first token within {self.within_s:g} s"
        return finding(
            self.name,
            "A request at zero replicas brings one up that answers, within the budget.",
            owed,
            Summary(
                measured="; ".join(wake.words for wake in wakes) or "no cold start",
                limit=limit,
                detail=ColdStartDetail(tuple(wakes)),
            ),
            nothing=unknown("the replicas", "no request came while no replica was desired", "a trial from zero"),
        )

    def _in_time(self, wake: WakeDetail, until_ns: int) -> Obligation:
        subject, took_s = "cold start", wake.stages["first_token"]
        evidence = (Evidence(wake.asked_ns, "the first request came while there was no replica"),)
        lasted_s = seconds(until_ns - wake.asked_ns)
        limit = "" if self.within_s is None else f"{self.within_s:g} s"
        if took_s is None:
            at_stage = next((name for name in STAGES if wake.stages[name] is None), "first_token")
            text = f"no answer {lasted_s:.1f} s after the first request: not {at_stage.replace('_', ' ')}"
            if self.within_s is None or lasted_s < self.within_s:
                settle = "a trial that lasts longer" if self.within_s else "within_s: a budget for the cold start"
                return unknown(subject, text, settle)
            return Obligation(subject, Answer.FAIL, f"{text}, budget {limit}", bound=limit, evidence=evidence)
        if self.within_s is not None and took_s > self.within_s:
            text = f"first token after {took_s:.1f} s, budget {limit}; longest: {max(wake.parts)[1]}"
            return Obligation(subject, Answer.FAIL, text, "", f"{took_s:.1f} s", limit, evidence)
        if (unseen := next((name for name in STAGES if wake.stages[name] is None), "")) and unseen != "pulled":
            text = f"an answer came after {took_s:.1f} s, and no replica was seen to be {unseen}"
            return unknown(subject, text, "a record that holds the whole cold start")
        return Obligation(subject, measured=f"{took_s:.1f} s", bound=limit, evidence=evidence)


def _wakes(history: History) -> Iterator[tuple[int, int]]:
    """Each first request after a quiet time that came while no replica was desired, and how long that may be judged.

    Also the first of the trial, if the workload was at zero when it came.
    """
    desired = desired_replicas(history)
    first = asked_between(history, history.began_ns, history.ended_ns + 1)["intended_ns"].min()
    asked = [first] if isinstance(first, int) else []
    asked += [quiet.asked_ns for quiet in quiet_times(history) if quiet.asked_ns is not None]
    begins = [begin_ns for at_ns in asked if desired.value_at(at_ns) == 0 for begin_ns in _unserved(history, at_ns)]
    # One that is refused at once leaves a quiet time behind it, and the next is of the same cold start.
    woken: list[int] = []
    for at_ns in begins:
        rose = [one for one, count in desired.points if count and woken and woken[-1] < one <= at_ns]
        if not woken or rose:
            woken.append(at_ns)
    until_ns = max(watched_until_ns(history), *begins, 0) if begins else 0
    yield from zip(woken, [*woken[1:], until_ns], strict=False)


def _unserved(history: History, at_ns: int) -> Iterator[int]:
    """The first request since a moment at zero replicas, until more are desired, that no pod of before answered."""
    rises = (rise_ns for rise_ns, count in desired_replicas(history).points if rise_ns > at_ns and count)
    until_ns = next(rises, history.ended_ns + 1)
    first = asked_between(history, at_ns, until_ns).filter(~_of_before(history, at_ns, history.ended_ns))
    if isinstance(begin_ns := first["intended_ns"].min(), int):
        yield begin_ns


def _of_before(history: History, asked_ns: int, until_ns: int) -> pl.Expr:
    """Which requests a pod that was there before may have answered: such pods go on until they are gone.

    An answer without a name that came when a new pod was Ready is that one's.
    """
    lives = pod_lives(history)
    made = [life for life in lives if asked_ns <= life.created_ns <= until_ns]
    ends = [life.gone_ns or life.finished_ns for life in lives if life.created_ns < asked_ns]
    last_ns = max((history.ended_ns if end_ns is None else end_ns for end_ns in ends), default=0)
    ready_ns = min((life.ready_ns for life in made if life.ready_ns is not None), default=last_ns + NEWS_NS)
    new = {life.name for life in made}
    own, theirs = (
        pl.col("replica").is_in(list(names)).fill_null(value=False)
        for names in (new, {life.name for life in lives if life.created_ns < asked_ns} - new)
    )
    return pl.col("outcome").is_in(BEGUN) & (CAME.le(min(last_ns, ready_ns - NEWS_NS)) & ~own | theirs)


def _of_new(history: History, pod: PodLife | None) -> pl.Expr:
    """Which answers the new replica may have given: none before it was Ready, as others may where it is not yet."""
    since_ns = None if pod is None else pod.started_ns if publishes_unready(history) else pod.ready_ns
    return pl.lit(value=True) if since_ns is None else CAME.gt(since_ns - NEWS_NS)


def _wake(history: History, asked_ns: int, until_ns: int) -> WakeDetail:
    """The stages of one cold start: of the replica that was Ready first, or came furthest."""
    decided_ns = next(
        (at for at, count in desired_replicas(history).points if asked_ns < at <= until_ns and count), None
    )
    made = [life for life in pod_lives(history) if asked_ns <= life.created_ns <= until_ns]
    pod = min(made, key=lambda life: (life.ready_ns or 1 << 62, life.started_ns or 1 << 62), default=None)
    ready_ns = None if pod is None else pod.ready_ns
    good = asked_between(history, asked_ns, until_ns + 1).filter(pl.col("outcome").is_in(BEGUN))
    answered = good.filter(_of_new(history, pod), ~_of_before(history, asked_ns, until_ns)).select(CAME.min()).item()
    moments: dict[str, int | None] = dict.fromkeys(STAGES)
    moments |= {"decided": decided_ns, "first_token": answered}
    if pod is not None:
        moments |= {"made": pod.created_ns, "scheduled": pod.scheduled_ns, "started": pod.started_ns, "ready": ready_ns}
        moments["pulled"] = _pulled_ns(history, pod) or pod.scheduled_ns
    before = asked_between(history, asked_ns, until_ns if ready_ns is None else ready_ns).filter(VALID)
    outcomes = before.group_by("outcome").len().iter_rows()
    return WakeDetail(asked_ns, {name: after_s(moments[name], asked_ns) for name in STAGES}, dict(sorted(outcomes)))


def _pulled_ns(history: History, pod: PodLife) -> int | None:
    """When the kubelet said that it had pulled the last of a pod's images; None where it pulled none."""
    return max((event.at_ns for event, reason, _ in pod_reports(history, pod.uid) if reason == "Pulled"), default=None)


def _decided(history: History, wake: WakeDetail, until_ns: int) -> Iterator[Obligation]:
    """That KEDA asks for a replica at its next look after the metric shows the request, where it is KEDA who does."""
    subject, took_s = "decision", wake.stages["decided"]
    if (scaled := scaled_object_at(history, wake.asked_ns)) is None:
        return
    if scaled.paused:
        yield unknown(subject, f"ScaledObject {scaled.name} is paused ({scaled.paused})", "one that works")
        return
    timings = timings_of(history)
    shown, own_s = metric_bound(timings, ("External",)), scaled.polling_s + timings.allowance_s
    bound_s, waited_s = shown.total_s + own_s, seconds(until_ns - wake.asked_ns) if took_s is None else took_s
    bound = f"{bound_s:g} s: pollingInterval {scaled.polling_s:g} s, the age of the metric, and ours"
    if took_s is not None and took_s <= bound_s:
        yield Obligation(subject, measured=f"{took_s:.1f} s", bound=bound)
        return
    text = f"no replica was asked for {waited_s:.1f} s after the first request"
    if took_s is not None:
        text = f"a replica was asked for only {took_s:.1f} s after the first request"
    if shown.unpromised:
        yield unknown(subject, f"{text}: {shown.unpromised[0].reason}", "cluster.timings with metric_delay_s")
    elif waited_s <= bound_s:
        yield unknown(subject, f"{text}, bound {bound}", "a trial that lasts longer")
    else:
        said = keda_says(history, wake.asked_ns + round(waited_s * NS))
        yield Obligation(subject, Answer.FAIL, f"{text}, bound {bound}{said}", bound=bound)


def _meanwhile(wake: WakeDetail, declared: Any) -> Iterator[Obligation]:
    """What became of the requests that came before there was a replica."""
    subject, outcomes = "requests meanwhile", wake.meanwhile
    bad = {name: count for name, count in outcomes.items() if name not in GOOD}
    hung = {name: count for name, count in bad.items() if name in HUNG}
    told = ", ".join(f"{count} {name}" for name, count in outcomes.items())
    total = plural(sum(outcomes.values()), "request")
    if not outcomes:
        return
    if declared == "held" and bad:
        yield Obligation(subject, Answer.FAIL, f"of {total} that were to be held: {told}", bound="each is answered")
    elif declared == "refused" and hung:
        yield Obligation(subject, Answer.FAIL, f"of {total} that were to be refused: {told}", bound="none hangs")
    elif declared is None and bad:
        yield unknown(subject, f"of {total} while there was no replica: {told}, and nobody declared it", DECLARE)
    else:
        yield Obligation(subject, measured=told, bound=str(declared or "each is answered"))
