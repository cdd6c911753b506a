"""Whether the pods of a rise are made, and Ready in time, and those of a fall taken."""

from collections.abc import Iterator

from chaos.checks.autoscaling.room import lacks_room, without_room
from chaos.checks.autoscaling.scaling import Rescale
from chaos.checks.base import NEWS, UNCUT, lasted_ns, timings_of, unknown
from chaos.checks.recovery.delay_reasons import lateness, slow_start
from chaos.checks.recovery.missing_replicas import member_name, turn_ns
from chaos.checks.verdict import Answer, Obligation
from chaos.clock import NS, seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import active_replicas, desired_replicas, owner_replicas
from chaos.history.facts.reported_reasons import refusal_at
from chaos.history.facts.templates import template_at
from chaos.history.step_function import Steps
from chaos.semantics import recovery_bound, removal_bound

__all__ = ["ready_in_time", "replicas_made", "replicas_taken"]

LONGER = "a load spike that lasts longer"
SPEC = "a startup probe, or a present image"


def replicas_made(history: History, rise: Rescale, until_ns: int) -> Iterator[Obligation]:
    """Of each replica that a rise asked for: its pod is made in time, if it is desired for as long.

    The workload's controller owes the pods; a quota or a webhook that refuses them leaves the rise without effect.
    """
    spec = template_at(history, rise.at_ns) or next((life.spec for life in pod_lives(history)), {})
    bound = recovery_bound(spec, timings_of(history), workload_kind=history.facts.workload.pods_by)
    bound_ns, desired = round(bound.total_s * NS), desired_replicas(history)
    for number in range(rise.before + 1, rise.after + 1):
        subject, limit = f"replica {number} of {rise.after}", f"made within {bound.total_s:g} s"
        text = f"no pod was made for {subject}"
        taken_ns = next((at_ns for at_ns, count in desired.points if at_ns > rise.at_ns and count < number), until_ns)
        end_ns = min(taken_ns, until_ns)
        spans = list(_without(active_replicas(history), number, rise.at_ns, end_ns))
        turn = turn_ns(history, member_name(history, number - 1, rise.at_ns), rise.at_ns) if spans else None
        if turn is not None:
            text = f"{text}, counted from when those of lower ordinals were available,"
            spans = [(max(begin, min(turn, end_ns)), end) for begin, end in spans if end > turn or end == end_ns]
        lasted = [lasted_ns(history, ("Pod", history.facts.workload_kind), begin, end) for begin, end in spans]
        if any(least > bound_ns for least, _ in lasted):
            if excuses := bound.excuses("created"):
                yield unknown(subject, f"{text}, but no promise was broken: {'; '.join(excuses)}", "a whole record")
            else:
                said = refusal_at(history, spans[-1][1])
                why = f": {said.words}" if said else ""
                yield Obligation(subject, Answer.FAIL, f"{text} within {bound.total_s:g} s{why}", bound=limit)
        elif any(most > bound_ns for _, most in lasted):
            yield unknown(subject, f"{text} within {bound.total_s:g} s, or {NEWS}", UNCUT)
        elif not spans or spans[-1][1] < end_ns:
            yield Obligation(subject, measured="made", bound=limit)
        elif end_ns == until_ns:  # else taken back before it was due
            waited_s = seconds(until_ns - spans[-1][0])
            yield unknown(subject, f"{text} in {waited_s:.1f} s, bound {bound.total_s:g} s", "a longer load spike")


def _without(active: Steps, number: int, begin_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """The spans in which there were fewer pods than that; news of a pod may come before that of the rise."""
    for since_ns, until_ns in active.spans_below(number):
        last_ns = end_ns if until_ns is None else min(until_ns, end_ns)
        if last_ns > begin_ns and since_ns < end_ns:
            yield max(since_ns, begin_ns), last_ns


def replicas_taken(history: History, fall: Rescale, until_ns: int) -> Iterator[Obligation]:
    """That after a fall no more pods stay than are desired, if so few are desired for as long.

    The workload's controller owes their deletion; a webhook that refuses it leaves the fall without effect.
    """
    spec = next((life.spec for life in pod_lives(history)), {})
    kind, count = history.facts.workload_kind, fall.before - fall.after
    bound = removal_bound(spec, timings_of(history), workload_kind=kind, pods=count)
    changes = (at_ns for at_ns, number in desired_replicas(history).points if at_ns > fall.at_ns)
    end_ns = min(next(changes, until_ns), until_ns)
    spans = list(_with_more(history, fall.after, fall.at_ns, end_ns))
    subject, limit = f"pods of {fall.words}", f"taken within {bound.total_s:g} s"
    if longest := max(spans, key=lambda span: span[1] - span[0], default=None):
        stayed = (active_replicas(history).value_at(longest[0]) or 0) - fall.after
        text = f"{fall.words}, and {plural(stayed, 'pod')} too many stayed for {seconds(longest[1] - longest[0]):.1f} s"
    least, most = lasted_ns(history, ("Pod", history.facts.workload_kind), *longest) if longest else (0, 0)
    if least > bound.total_s * NS:
        if excuses := bound.excuses("created"):
            yield unknown(subject, f"{text}: {'; '.join(excuses)}", "a Deployment, whose controllers take pods at once")
        else:
            yield Obligation(subject, Answer.FAIL, f"{text}, bound {bound.total_s:g} s", bound=limit)
    elif most > bound.total_s * NS:
        yield unknown(subject, f"{text}, bound {bound.total_s:g} s, or {NEWS}", UNCUT)
    elif not spans or spans[-1][1] < end_ns:
        yield Obligation(subject, measured="taken", bound=limit)
    elif end_ns == until_ns:  # else others were desired before they were due
        yield unknown(subject, f"{text} when the trial ended, bound {bound.total_s:g} s", "a trial that lasts longer")


def _with_more(history: History, desired: int, begin_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """The spans in which there were more pods than are desired, or than two releases ask for while both are there."""
    active = active_replicas(history)
    owners = [owner_replicas(history, uid) for uid in dict.fromkeys(life.owner_uid for life in pod_lives(history))]
    moments = {at_ns for steps in (active, *owners) for at_ns, _ in steps.points if begin_ns < at_ns < end_ns}
    since_ns: int | None = None
    for at_ns in sorted({begin_ns, end_ns, *moments}):
        asked = [wanted for steps in owners if (wanted := steps.value_at(at_ns))]
        most = max(desired, sum(asked)) if len(asked) > 1 else desired
        over = (active.value_at(at_ns) or 0) > most and at_ns < end_ns
        if since_ns is not None and not over:
            yield since_ns, at_ns
        since_ns = (at_ns if since_ns is None else since_ns) if over else None


def ready_in_time(history: History, pod: PodLife, until_ns: int) -> Iterator[Obligation]:
    """That a new pod is Ready in the time that its spec promises, and at the end of the load spike (`until_ns`).

    Unless it was taken away before, or its kubelet failed it: another is made in its place.
    """
    bound = recovery_bound(pod.spec, timings_of(history), workload_kind=history.facts.workload.pods_by)
    deadline_ns, limit = pod.created_ns + round(bound.total_s * NS), f"Ready within {bound.total_s:g} s"
    if pod.ready_ns is not None and earliest_ns(history, "Pod", pod.ready_ns) <= deadline_ns:
        measured = f"Ready after {seconds(pod.ready_ns - pod.created_ns):.1f} s"
        over = until_ns < pod.ready_ns or (pod.left_ns is not None and pod.left_ns <= until_ns)
        if seconds(pod.ready_ns - earliest_ns(history, "Pod", pod.created_ns)) > bound.total_s:
            yield unknown(pod.name, f"{pod.name} was {measured}, but {NEWS}", UNCUT)
        elif over or pod.ready_at(until_ns):
            yield Obligation(pod.name, measured=measured, bound=limit)
        else:
            text = f"{pod.name} was {measured}, and not Ready when the spike ended"
            yield unknown(pod.name, text, "new replicas that stay Ready")
        return
    if pod.left_ns is not None and pod.left_ns <= deadline_ns:
        return
    if pod.ready_ns is None and until_ns < deadline_ns:
        text = f"{pod.name} was not Ready when the spike ended, within its bound of {bound.total_s:g} s"
        yield unknown(pod.name, text, LONGER)
        return
    if lacks_room(history, pod):
        yield without_room(history, pod, until_ns)
        return
    slow = slow_start(history, pod, bound, pod.created_ns)
    last_ns = min(until_ns, pod.left_ns or history.covered_ns.get("Pod", (0, history.ended_ns))[1])
    late = lateness(history, pod, bound, slow, due_ns=deadline_ns, known_ns=pod.ready_ns or last_ns)
    after_s = seconds(late.due_ns - pod.created_ns)
    text = (
        f"late: {pod.name} was not {'Ready' if late.stage == 'ready' else late.stage} {after_s:g} s after it was made"
    )
    if late.excuses:
        yield unknown(pod.name, f"{text}, but no promise was broken: {'; '.join(late.excuses)}", SPEC)
    else:
        yield Obligation(pod.name, Answer.FAIL, text, bound=limit)
