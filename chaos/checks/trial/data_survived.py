"""Always: what replicas hold on their claim is the same before and after a fault, for whoever came since."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import Summary, finding, judged, judged_until_ns, unknown, watched
from chaos.checks.recovery.delay_reasons import held_up_by
from chaos.checks.recovery.losses import victims_of
from chaos.checks.recovery.node_losses import is_member, node_losses
from chaos.checks.trial.data_places import ends_with_pod, lasting_places, volume_of
from chaos.checks.trial.same_answers import hardware, unlike
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.errors import plural
from chaos.history import Action, History, Outcome
from chaos.history.coverage import earliest_ns
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.objects.pod import PodView

__all__ = ["DataReadingDetail", "DataSurvived", "DataSurvivedDetail"]

SETTLE = "a trial that reads the data in its baseline, and again from replicas that came after the fault"

Item = tuple[str, ...]
"""What is compared: the path of a file and where it lies, or the answer and all places that it comes from."""

ANSWER = "the answer"


@dataclass(frozen=True, slots=True)
class DataReadingDetail:
    """What one replica was found to hold: checksums by path, its answer, and all that it gave to the same question.

    `after`: the first fault had begun; `since`: it was made, or a container that holds what was read restarted, after.
    """

    pod: str
    after: bool
    since: bool
    outcome: Outcome
    files: Mapping[str, str]
    answer: str | None
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataSurvivedDetail:
    """Every reading of the trial, in order."""

    readings: tuple[DataReadingDetail, ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A reading with its action, and the pod that was read, None if the watch log does not know it.

    `places`: by path where a file lies, for what may outlive its pod: its claim, or another volume from outside.
    `starts`: when it was made, and each restart of what was read. `lost`: it was lost, ended or restarted after the
    first fault began.
    """

    action: Action
    life: PodLife | None
    detail: DataReadingDetail
    places: Mapping[str, str]
    missing: tuple[str, ...]
    starts: tuple[int, ...]
    lost: bool

    @property
    def starts_before(self) -> tuple[int, ...]:
        return tuple(at_ns for at_ns in self.starts if at_ns < self.action.begin_ns)

    @property
    def why(self) -> str:
        return str(self.action.detail.get("reason") or "no reason given")

    def items(self) -> Iterator[tuple[Item, str]]:
        """What it shows of what: each file in its place, and the answer from all of its places."""
        yield from (((path, self.places.get(path, "")), digest) for path, digest in self.detail.files.items())
        if self.detail.answer is not None:
            yield (ANSWER, *sorted(set(self.places.values()))), self.detail.answer


@dataclass(frozen=True, slots=True)
class DataSurvived:
    """Files and answers read before the first fault are found again afterwards, in replicas that came since.

    Readings are `trial.read_data()`. FAIL: a checksum or an answer differs, between replicas too, but where each has a
    volume of its own that outlives it (a StatefulSet's claims); a file is gone; it lies in the container or in an
    emptyDir, so that it goes with its pod; or a replica waited for a claim that is stuck to a lost node.
    UNKNOWN: nothing was read before, what a replica held that was lost was not read again in one that came since, nor
    what a later fault took in one that came since that, or a reading failed; or all answers of a replica differ
    from those before, which were too few, or too unlike each other, to say that this is no chance, or were given on
    other kinds of machines (labels of their nodes).
    `answers` False compares files alone, for a service whose answers differ each time.
    """

    name: ClassVar[str] = "data-survived"
    Detail: ClassVar[type] = DataSurvivedDetail

    answers: bool = True

    def __call__(self, history: History) -> Finding:
        readings = tuple(_readings(history))
        details = tuple(one.detail for one in readings)
        before, after = sum(not one.after for one in details), sum(one.after for one in details)
        sums = sorted({f"{path} {digest[:12]}" for one in details for path, digest in one.files.items()})
        return finding(
            self.name,
            "What replicas hold on their claim is the same before and after the fault.",
            [
                *(owed for one in readings for owed in _of_reading(one)),
                *self._items(history, readings),
                *_stuck(history),
                *_proved(readings),
                *_later(history, readings),
                *_watched(history, readings),
            ],
            Summary(
                f"{plural(before, 'replica')} read before, {after} after, {sum(one.since for one in details)} of them"
                f" made or restarted since; {', '.join(sums) or 'no checksum'}",
                "the same in every replica",
                detail=DataSurvivedDetail(details),
                evidence=tuple(map(_moment, readings)),
            ),
            nothing=unknown("the data", "nothing was read", SETTLE),
        )

    def _items(self, history: History, readings: Sequence[_Reading]) -> Iterator[Obligation]:
        """That each file and each answer that was read before is the same in whoever came since."""
        shown: dict[Item, list[tuple[_Reading, str]]] = {}
        for one in readings:
            for item, value in one.items():
                if self.answers or item[0] != ANSWER:
                    shown.setdefault(item, []).append((one, value))
        for item, found in shown.items():
            what = " on ".join(part for part in item[:2] if part)
            first, whose = found[0][1], found[0][0].detail.pod
            before = [one.detail.answers for one, _ in found if not one.detail.after]
            known = {_machine(history, one) for one, _ in found if not one.detail.after}
            for one, value in found:
                machine = _machine(history, one)
                elsewhere = "" if machine in known else " ".join(machine)
                why, settle = unlike(one.detail.answers, before, elsewhere) if item[0] == ANSWER else ("", "")
                if why or (value != first and item[0] != ANSWER):
                    reason = f"{item[0]} of {one.detail.pod} is {value[:24]!r}, of {whose} it was {first[:24]!r}"
                    reason += f"{', but ' if settle else ', '}{why}" if why else ""
                    yield judged(what, reason, settle, measured=value[:24], bound=first[:24])
            again = any(one.detail.since for one, _ in found)
            lost = [one.detail.pod for one, _ in found if one.lost and not one.detail.after]
            if lost and not again:
                reason = f"{what}, which {lost[0]} held, was not read again in a replica made or restarted since"
                yield unknown(what, reason, SETTLE)
            elif again and not found[0][0].detail.after:
                yield Obligation(what, measured=f"the same in {plural(len(found), 'reading')}", bound=first[:24])


def _machine(history: History, one: _Reading) -> tuple[str, ...]:
    return hardware(history, one.life.node) if one.life is not None and one.life.node else ()


def _of_reading(one: _Reading) -> Iterator[Obligation]:
    """That a reading went well, and that what was read lies on a claim."""
    who = one.detail.pod
    for path in one.action.detail.get("wanted") or ():
        if one.life is not None and (where := ends_with_pod(one.life.spec, str(path), _container(one.action))):
            reason = f"{path} of {one.life.name} lies in {where}, not on a claim: it goes with it"
            yield Obligation(who, Answer.FAIL, reason)
    if one.missing:
        yield Obligation(who, Answer.FAIL, f"{who} has not {', '.join(one.missing)}: {one.why}")
    elif one.detail.outcome == "info":
        yield unknown(who, f"{who} could not be read: {one.why}", SETTLE)
    elif one.detail.outcome == "fail":
        yield unknown(who, f"{who} was not read: {one.why}", SETTLE)


def _proved(readings: Sequence[_Reading]) -> Iterator[Obligation]:
    """What the readings as a whole lack to prove anything."""
    before = {item for one in readings for item, _ in one.items() if not one.detail.after and item[0] != ANSWER}
    came = {item for one in readings for item, _ in one.items() if one.detail.since and item[0] != ANSWER}
    if not before:
        yield unknown("the data", "no file was read before the first fault", SETTLE)
    if not came:
        reason = "no file was read in a replica that was made or restarted after the fault began"
        yield unknown("the data", reason, SETTLE)
    elif before and not before & came:
        reason = "no file on a claim that was read before was read again in a replica made or restarted since"
        yield unknown("the data", reason, SETTLE)


def _later(history: History, readings: Sequence[_Reading]) -> Iterator[Obligation]:
    """That what the victims of a further fault held was read again in a replica that came since that one, too."""
    until_ns = judged_until_ns(history)
    for fault in sorted(history.faults, key=lambda one: one.begin_ns)[1:]:
        hit = {life.uid for life in victims_of(history, fault, pod_lives(history)) if not fault.missed}
        held: dict[Item, str] = {}
        again: set[Item] = set()
        for one in readings:
            files = [item for item, _ in one.items() if item[0] != ANSWER]
            if one.action.begin_ns < fault.begin_ns:
                ends = () if one.life is None or one.life.uid not in hit else (one.life.left_ns or 0, *one.starts[1:])
                if any(fault.begin_ns < at_ns <= until_ns for at_ns in ends):
                    held |= dict.fromkeys(files, one.detail.pod)
            elif any(fault.begin_ns < earliest_ns(history, "Pod", at_ns) for at_ns in one.starts_before):
                again |= {*files}
        for item, pod in held.items():
            if item not in again:
                what = " on ".join(item)
                reason = f"{what}, which {pod} held, was not read again in a replica that came since {fault.id}"
                yield unknown(what, reason, SETTLE)


def _watched(history: History, readings: Sequence[_Reading]) -> Iterator[Obligation]:
    """That the watch shows where what was read lies, and who was made since."""
    for one in readings:
        if one.life is None:
            yield unknown(one.detail.pod, f"the watch log knows no pod {one.detail.pod}", SETTLE)
    if readings:
        moments = [one.action.begin_ns for one in readings]
        yield from watched(history, ("Pod",), min(moments), max(moments))


def _readings(history: History) -> Iterator[_Reading]:
    lives = {life.uid: life for life in pod_lives(history)}
    begun_ns = min((fault.begin_ns for fault in history.faults), default=history.ended_ns)
    for action in history.actions:
        if action.name != "read-data":
            continue
        after, life = action.begin_ns > begun_ns, lives.get(action.target.uid)
        files = {str(path): str(digest) for path, digest in (action.detail.get("files") or {}).items()}
        starts: tuple[int, ...] = () if life is None else (life.created_ns, *_restarts(life, action))
        came = [earliest_ns(history, "Pod", at_ns) for at_ns in starts if at_ns < action.begin_ns]
        gone = [str(path) for path in action.detail.get("wanted") or () if path not in files]
        answer = action.detail.get("answer")
        yield _Reading(
            action=action,
            life=life,
            detail=DataReadingDetail(
                pod=f"{action.target.name} ({action.target.uid[:8]})",
                after=after,
                since=after and any(at_ns > begun_ns for at_ns in came),
                outcome=action.outcome,
                files=files,
                answer=None if answer is None else str(answer),
                answers=tuple(map(str, action.detail.get("answers") or (() if answer is None else (answer,)))),
            ),
            places={} if life is None else dict(lasting_places(life, files, _container(action))),
            missing=tuple(gone) if action.outcome == "fail" else (),
            starts=starts,
            lost=life is not None and any(at_ns > begun_ns for at_ns in (life.left_ns or 0, *starts[1:])),
        )


def _container(action: Action) -> str:
    """The container that was read; empty in records that do not say."""
    return str(action.detail.get("container") or "")


def _restarts(life: PodLife, action: Action) -> Iterator[int]:
    """When the container that was read was restarted, or another that mounts the same volume."""
    container, paths = _container(action), [str(path) for path in action.detail.get("wanted") or ()]
    volumes = {volume.get("name") for path in paths if (volume := volume_of(life.spec, path, container)) is not None}
    for one in PodView({"spec": life.spec}).runs:
        mounts = {mount.get("name") for mount in one.get("volumeMounts") or ()}
        if container in ("", one.get("name")) or mounts & volumes:
            yield from life.restarts_of(str(one.get("name") or ""))


def _stuck(history: History) -> Iterator[Obligation]:
    """Replicas that waited for a claim that only a lost node could serve, though they were due to run."""
    losses = node_losses(history)
    for loss in losses:
        until_ns = history.ended_ns if loss.on_ns is None else loss.on_ns
        lost = {one.node for one in losses if is_member(one, until_ns - 1)}
        for life in pod_lives(history):
            waited = life.scheduled_ns is None or life.scheduled_ns > until_ns
            if loss.begin_ns < life.created_ns < until_ns and waited:
                words = held_up_by(history, life, lost, until_ns)
                if words.startswith("claim "):
                    yield Obligation(life.who, Answer.FAIL, f"{life.name} could not be scheduled: {words}")


def _moment(one: _Reading) -> Evidence:
    sums = ", ".join(f"{path} {digest[:12]}" for path, digest in one.detail.files.items()) or "nothing"
    words = "" if one.detail.answer is None else f", answers {one.detail.answer!r}"
    return Evidence(one.action.end_ns or one.action.begin_ns, f"{one.detail.pod} holds {sums}{words}")
