"""Always: what replicas hold on their claim is the same before and after the trouble, for whoever came since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.checks.formatting import plural
from chaos.checks.recovery.node_losses import is_member, node_losses
from chaos.checks.recovery.stuck_volumes import held_up_by
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.checks.watch_coverage import blind_spots
from chaos.history import Action, History
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.objects.base import Raw

__all__ = ["DataSurvived"]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one replica was found to hold. `since`: it was made, or its container started anew, after the trouble.

    `claims`: by path the claim on which a file lies, where it is one that outlives its pod.
    """

    action: Action
    who: str
    after: bool
    since: bool
    files: Mapping[str, str]
    claims: Mapping[str, str]
    missing: tuple[str, ...]
    answer: str | None

    def told(self, *, answers: bool) -> Iterator[tuple[tuple[str, ...], str]]:
        """What it says of what: a file of its claim, and the answer from all of its claims."""
        yield from (((path, self.claims.get(path, "")), digest) for path, digest in self.files.items())
        if answers and self.answer is not None:
            yield ("the answer", *sorted(set(self.claims.values()))), self.answer


@dataclass(frozen=True, slots=True)
class DataSurvived:
    """Files and answers read before the first fault are found again afterwards, in replicas that came since.

    Readings are `trial.read_data()`. FAIL: a checksum or an answer differs, between replicas too, but where each has a
    claim of its own that outlives it (a StatefulSet's); a file is gone; it does not lie on a claim, so that it goes
    with its pod; or a replica waited for a claim that is stuck to a lost node.
    UNKNOWN: nothing was read before, or nothing of it afterwards in a replica that came since, or a reading failed.
    `answers` False compares files alone, for a service whose answers differ each time.
    """

    answers: bool = True

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "data-survived"

    def __call__(self, history: History) -> Finding:
        """Compare all readings of the trial."""
        lives = {life.uid: life for life in pod_lives(history)}
        readings = tuple(_readings(history, lives))
        before = [one for one in readings if not one.after]
        after = [one for one in readings if one.after]
        wrong = [
            *_unclaimed(readings, lives),
            *_missing(readings),
            *self._differences(readings),
            *_stuck(history, lives),
        ]
        doubts = [*_doubts(readings, before, after), *_unseen(history, readings, lives)]
        answer = Answer.FAIL if wrong else Answer.UNKNOWN if doubts else Answer.PASS
        sums = sorted({f"{path} {digest[:12]}" for one in readings for path, digest in one.files.items()})
        return Finding(
            check=self.name,
            answer=answer,
            rule="What replicas hold on their claim is the same before and after the trouble.",
            limit="the same in every replica",
            measured=f"{plural(len(before), 'replica')} read before, {len(after)} after, "
            f"{sum(one.since for one in after)} of them made or restarted since; {', '.join(sums) or 'no checksum'}",
            reason="; ".join(dict.fromkeys(wrong or doubts)),
            settle="a trial that reads the data in its baseline, and again from replicas that came after the fault"
            if answer is Answer.UNKNOWN
            else "",
            detail={"readings": [_values(one) for one in readings]},
            evidence=tuple(_evidence(readings)),
        )

    def _differences(self, readings: Sequence[_Reading]) -> Iterator[str]:
        """Where two readings do not say the same: each against the first that tells."""
        known: dict[tuple[str, ...], tuple[str, str]] = {}
        for one in readings:
            for what, value in one.told(answers=self.answers):
                first, who = known.setdefault(what, (value, one.who))
                if value != first:
                    yield f"{what[0]} of {one.who} is {value[:24]!r}, of {who} it was {first[:24]!r}"


def _readings(history: History, lives: Mapping[str, PodLife]) -> Iterator[_Reading]:
    begun_ns = min((fault.begin_ns for fault in history.faults), default=None)
    for action in history.actions:
        if action.name != "read-data":
            continue
        after = begun_ns is not None and action.begin_ns > begun_ns
        life = lives.get(action.target.uid)
        moments = [] if life is None else [life.created_ns, *life.restarted_ns]
        since = begun_ns is not None and any(begun_ns < at_ns < action.begin_ns for at_ns in moments)
        files = {str(path): str(digest) for path, digest in (action.detail.get("files") or {}).items()}
        gone = [str(path) for path in action.detail.get("wanted") or () if path not in files]
        answer = action.detail.get("answer")
        yield _Reading(
            action=action,
            who=f"{action.target.name} ({action.target.uid[:8]})",
            after=after,
            since=after and since,
            files=files,
            claims={} if life is None else dict(_claims(life, files, _container(action))),
            missing=tuple(gone) if action.outcome == "fail" else (),
            answer=None if answer is None else str(answer),
        )


def _container(action: Action) -> str:
    """The container that was read; empty in records that do not say."""
    return str(action.detail.get("container") or "")


def _claims(life: PodLife, paths: Iterable[str], container: str) -> Iterator[tuple[str, str]]:
    for path in paths:
        volume = _volume(life.spec, path, container) or {}
        if name := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            yield path, str(name)


def _unclaimed(readings: Sequence[_Reading], lives: Mapping[str, PodLife]) -> Iterator[str]:
    for one in readings:
        life = lives.get(one.action.target.uid)
        for path in one.action.detail.get("wanted") or ():
            if life is not None and (where := _place(life.spec, str(path), _container(one.action))):
                yield f"{path} of {life.name} lies in {where}, not on a claim: it goes with it"


def _place(spec: Raw, path: str, container: str) -> str:
    """Where a file lies if not on a claim: the volume that is mounted over it, or the container itself."""
    volume = _volume(spec, path, container)
    if volume is None:
        return "the container's own layer"
    # A claim of the pod's own goes with it, but its spec says how the next one is filled.
    return "" if {"persistentVolumeClaim", "ephemeral"} & set(volume) else f"the pod's own volume {volume['name']}"


def _volume(spec: Raw, path: str, container: str) -> Raw | None:
    """The volume that is mounted nearest over a path."""
    containers = [one for one in spec.get("containers") or () if container in ("", one["name"])]
    mounts = [one for each in containers for one in each.get("volumeMounts") or ()]
    over = [one for one in mounts if path.startswith(str(one["mountPath"]).rstrip("/") + "/")]
    if not over:
        return None
    nearest = max(over, key=lambda one: len(str(one["mountPath"])))
    named = {"name": nearest["name"]}
    return next((one for one in spec.get("volumes") or () if one["name"] == nearest["name"]), named)


def _missing(readings: Sequence[_Reading]) -> Iterator[str]:
    for one in readings:
        if one.missing:
            yield f"{one.who} has not {', '.join(one.missing)}: {one.action.detail.get('reason', 'no reason given')}"


def _stuck(history: History, lives: Mapping[str, PodLife]) -> Iterator[str]:
    """Replicas that waited for a claim that only a lost node could serve, though they were due to run."""
    losses = node_losses(history)
    for loss in losses:
        until_ns = history.ended_ns if loss.on_ns is None else loss.on_ns
        lost = {one.node for one in losses if is_member(one, until_ns - 1)}
        for life in lives.values():
            waited = life.scheduled_ns is None or life.scheduled_ns > until_ns
            if loss.begin_ns < life.created_ns < until_ns and waited:
                words = held_up_by(history, life, lost, until_ns)
                if words.startswith("claim "):
                    yield f"{life.name} could not be scheduled: {words}"


def _doubts(readings: Sequence[_Reading], before: Sequence[_Reading], after: Sequence[_Reading]) -> Iterator[str]:
    if not any(one.files for one in before):
        yield "no file was read before the first fault"
    came = [one for one in after if one.files and one.since]
    known = {what for one in before for what, _ in one.told(answers=False)}
    if not came:
        yield "no file was read in a replica that was made or restarted after the fault began"
    elif known and not any(what in known for one in came for what, _ in one.told(answers=False)):
        yield "no file on a claim that was read before was read again in a replica made or restarted since"
    for one in readings:
        if one.action.outcome == "info":
            yield f"{one.who} could not be read: {one.action.detail.get('reason', 'no reason given')}"
        elif one.action.outcome == "fail" and not one.missing:
            yield f"{one.who} was not read: {one.action.detail.get('reason', 'no reason given')}"


def _unseen(history: History, readings: Sequence[_Reading], lives: Mapping[str, PodLife]) -> Iterator[str]:
    """Why the watch does not say where what was read lies, or who was made since."""
    for one in readings:
        if one.action.target.uid not in lives:
            yield f"the watch log knows no pod {one.who}"
    if readings:
        moments = [one.action.begin_ns for one in readings]
        yield from blind_spots(history, ("Pod",), min(moments), max(moments))


def _values(one: _Reading) -> dict[str, Any]:
    told = {"pod": one.who, "after": one.after, "since": one.since, "outcome": one.action.outcome}
    return told | {"files": dict(one.files), "answer": one.answer}


def _evidence(readings: Sequence[_Reading]) -> Iterator[Evidence]:
    for one in readings:
        sums = ", ".join(f"{path} {digest[:12]}" for path, digest in one.files.items()) or "nothing"
        said = f", answers {one.answer!r}" if one.answer is not None else ""
        yield Evidence(one.action.end_ns or one.action.begin_ns, f"{one.who} holds {sums}{said}")
