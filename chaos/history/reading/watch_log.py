"""Reading watch.jsonl: object states in order of receipt, what was covered, and what may have been missed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from chaos.history.model import Gap, WatchEvent
from chaos.history.reading.jsonl import read_lines

__all__ = ["WatchLog", "read_watch"]

STATES = frozenset(("LISTED", "ADDED", "MODIFIED", "DELETED"))


@dataclass(frozen=True, slots=True)
class WatchLog:
    """What watch.jsonl says; `last_ns` is its last moment, `remark` tells of a last line that was cut."""

    events: tuple[WatchEvent, ...]
    gaps: tuple[Gap, ...]
    late: tuple[Gap, ...]
    covered_ns: Mapping[str, tuple[int, int]]
    last_ns: int | None
    remark: str


def read_watch(path: Path, *, alive_ns: int | None = None) -> WatchLog:
    """Read the file. Raises `UsageError` for a whole line that is not as docs/run-folder.md says.

    A kind is covered up to its `END`. One without (the trial still runs, or was killed) is covered up to its last
    line, or up to `alive_ns`, the last sign of life of the process that records.
    """
    reader = _Reader()
    remark = read_lines(path, reader.take)
    return reader.done(remark, alive_ns)


@dataclass(slots=True)
class _Kind:
    """One kind's stream while it is read."""

    objects: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    listed: set[str] | None = None
    synced_ns: int | None = None
    last_ns: int = 0
    ended: bool = False
    gap: tuple[int, str] | None = None


@dataclass(slots=True)
class _Reader:
    kinds: dict[str, _Kind] = field(default_factory=dict)
    events: list[WatchEvent] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    late: list[Gap] = field(default_factory=list)

    def take(self, line: dict[str, Any]) -> None:
        at_ns, name, type_ = line["at_ns"], line["kind"], line["type"]
        kind = self.kinds.get(name)
        if kind is None:
            kind = self.kinds[name] = _Kind()
        if at_ns < kind.last_ns:
            raise ValueError(f"at_ns {at_ns} is earlier than the {name} line before it")
        kind.last_ns = at_ns
        if type_ in STATES:
            self._state(at_ns, name, kind, type_, line["object"])
        elif type_ == "SYNCED":
            self._synced(at_ns, name, kind)
        elif type_ == "GAP":
            self._gap(kind, int(line["since_ns"]), str(line.get("reason", "")))
        elif type_ == "RESUMED":
            self.late.append(Gap(name, int(line["since_ns"]), at_ns, str(line.get("reason", ""))))
        elif type_ == "END":
            kind.ended = True
        elif type_ != "BOOKMARK":
            raise ValueError(f"type {type_!r} is not known")

    def _state(self, at_ns: int, name: str, kind: _Kind, type_: Any, raw: dict[str, Any]) -> None:
        _drop_nulls(raw)
        metadata = raw["metadata"]
        metadata.pop("managedFields", None)  # bulk that nothing reads: a third of an object
        uid = metadata["uid"]
        if type_ == "LISTED":
            kind.listed = kind.listed or set()
            kind.listed.add(uid)
        known = kind.objects.pop(uid, None)
        if known is not None:
            _share(known, raw)
        if type_ != "DELETED":
            kind.objects[uid] = raw
        self.events.append(WatchEvent(at_ns, name, type_, raw))

    def _synced(self, at_ns: int, name: str, kind: _Kind) -> None:
        """Close the gap, if there was one: what the new list lacks vanished in it."""
        listed, kind.listed = kind.listed or set(), None
        for uid in [uid for uid in kind.objects if uid not in listed]:
            self.events.append(WatchEvent(at_ns, name, "VANISHED", kind.objects.pop(uid)))
        if kind.gap is not None:
            since_ns, reason = kind.gap
            self.gaps.append(Gap(name, since_ns, at_ns, reason))
            kind.gap = None
        if kind.synced_ns is None:
            kind.synced_ns = at_ns

    def _gap(self, kind: _Kind, since_ns: int, reason: str) -> None:
        """Open a gap; one that opens in another only prolongs it."""
        if kind.gap is not None:
            since_ns, reason = min(since_ns, kind.gap[0]), kind.gap[1]
        kind.gap = (since_ns, reason)
        kind.listed = None

    def done(self, remark: str, alive_ns: int | None) -> WatchLog:
        covered: dict[str, tuple[int, int]] = {}
        for name, kind in self.kinds.items():
            end_ns = kind.last_ns if kind.ended or alive_ns is None else max(kind.last_ns, alive_ns)
            if kind.synced_ns is not None:
                covered[name] = (kind.synced_ns, end_ns)
            if kind.gap is not None:
                self.gaps.append(Gap(name, kind.gap[0], end_ns, f"{kind.gap[1]}; no list followed"))
        # Each kind has a writer of its own, so lines of different kinds may stand a moment out of order.
        self.events.sort(key=attrgetter("at_ns"))
        self.gaps.sort(key=attrgetter("since_ns"))
        last_ns = max((kind.last_ns for kind in self.kinds.values()), default=None)
        return WatchLog(tuple(self.events), tuple(self.gaps), tuple(self.late), covered, last_ns, remark)


def _drop_nulls(part: Any) -> None:
    """Take out what is null, at any depth: to the API server a null and an absent field are the same."""
    if isinstance(part, dict):
        for key in [key for key, value in part.items() if value is None]:
            del part[key]
        for value in part.values():
            _drop_nulls(value)
    elif isinstance(part, list):
        part[:] = [value for value in part if value is not None]
        for value in part:
            _drop_nulls(value)


def _share(known: Mapping[str, Any], raw: dict[str, Any]) -> None:
    """Let an object keep the parts that its last state had already: most events change the status only."""
    if known.get("spec") == raw.get("spec") and "spec" in known:
        raw["spec"] = known["spec"]
    before, now = known["metadata"], raw["metadata"]
    for name in ("labels", "annotations", "ownerReferences"):
        if name in now and before.get(name) == now[name]:
            now[name] = before[name]
