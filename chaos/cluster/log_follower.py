"""Reading one run of one container to its end, over as many connections as that takes.

What the endpoint does (kubelet, `pkg/kubelet/kuberuntime/logs`): with `follow` the answer ends as the container does;
`previous` is the run before the last restart, and cannot be followed; `sinceTime` is cut to whole seconds on its way,
so that lines come again. A container that does not run yet is a 400, a pod that is gone a 404.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import urllib3

from chaos.cluster.log_file import LogFile, bounded_lines, stamp_ns
from chaos.cluster.resources import path_of
from chaos.cluster.transport import Answer, Broken, NotSent, Transport
from chaos.history.writing.redaction import redacted_message
from chaos.objects.base import Raw
from chaos.objects.pod import ContainerView, PodView

__all__ = ["ContainerRun", "Follower", "Following", "RunState", "runs_of", "state_of"]

STATUS_BYTES = 8192
"""How much is read of an answer that is no log."""

TAIL_LINES, TAIL_READ_BYTES = 300, 8 * 1024 * 1024
"""The last lines of a log that is not kept whole, and how much is read for them at most."""

RETRY_S, RETRY_MAX_S = 0.5, 5.0
"""How long to wait before the next attempt: after each that brought nothing twice as long, up to a bound."""

OK = 200
FORBIDDEN = frozenset({401, 403})
PASSING = frozenset({408, 429})
REFUSED_MAX = 6
"""So many times in a row a log may be refused (4xx) before it is given up; a node or an API server may come back."""


@dataclass(frozen=True, slots=True)
class ContainerRun:
    """One run of one container: `number` is how often the container had been restarted before.

    `ended_ns` is when it ended, by its node's clock, None if it has not or nobody says.
    """

    namespace: str
    pod: str
    uid: str
    container: str
    role: str
    number: int
    over: bool
    ended_ns: int | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """What no other run has."""
        return self.uid, self.container, self.number

    @property
    def file(self) -> str:
        """The name of its file, whatever a pod may be called."""
        words = (self.pod[:120], self.uid[:8], self.container[:63], str(self.number))
        return f"{'_'.join(map(_plain, words)).lstrip('.')}.log"


def _plain(word: str) -> str:
    return "".join(one if one.isascii() and (one.isalnum() or one in "-.") else "-" for one in word)


def runs_of(pod: PodView) -> Iterator[ContainerRun]:
    """The runs of a pod's containers of which its node has a log: the last one of each, and the one before."""
    for role, views in (("init", pod.preparing), ("main", pod.containers)):
        for view in views:
            known = "sidecar" if view.name in pod.sidecars else role
            if view.last_exit and view.restarts:
                yield _run(pod, view, known, view.restarts - 1, view.last_exit)
            if view.running_since or view.exit:
                yield _run(pod, view, known, view.restarts, view.exit)


def _run(pod: PodView, view: ContainerView, role: str, number: int, how: Raw) -> ContainerRun:
    ended_ns = stamp_ns(str(how.get("finishedAt") or ""))
    return ContainerRun(pod.namespace, pod.name, pod.uid, view.name, role, number, bool(how), ended_ns)


class RunState(NamedTuple):
    """What is known of a run now: whether its pod is there, whether it has ended, and how many runs came after it."""

    there: bool
    over: bool
    later: int


def state_of(run: ContainerRun, pods: Iterable[PodView]) -> RunState:
    """What these pods say of a run."""
    for pod in pods:
        if pod.uid == run.uid:
            views = (view for view in (*pod.preparing, *pod.containers) if view.name == run.container)
            view = next(views, None)
            later = max(0, view.restarts - run.number) if view else 0
            return RunState(there=True, over=bool(view is None or later or view.exit), later=later)
    return RunState(there=False, over=True, later=0)


@dataclass(frozen=True, slots=True)
class Following:
    """How logs are read: over which connection, of which pods, from when on, until when, and with how much patience."""

    transport: Transport
    pods: Callable[[], Iterable[PodView]]
    since: str
    stopping: threading.Event
    silence_s: float
    tail_bytes: int


class Follower:
    """Reads one run of a container into a file. `interrupt` wakes `read` out of waiting for more.

    `ended`: it was read to its end; `reason`: why not. `cut`: lines in the middle are not kept.
    """

    def __init__(self, run: ContainerRun, file: LogFile, how: Following) -> None:
        self.run, self.file = run, file
        self.ended, self.reason, self.cut = False, "", False
        self._refusals = 0
        self._how = how
        self._path = path_of("Pod", run.namespace, run.pod, "log")
        self._lock = threading.Lock()
        self._response: urllib3.BaseHTTPResponse | None = None

    def interrupt(self) -> None:
        """Wake the thread out of reading."""
        with self._lock, contextlib.suppress(ValueError, RuntimeError, OSError):
            if self._response is not None:
                self._response.shutdown()

    def read(self) -> None:
        """Read until the run has ended, or reading is to stop. Raises `HarnessBroken` if nothing can be written."""
        fruitless, whole = 0, False
        while not self._how.stopping.is_set() and self._refusals < REFUSED_MAX:
            state = state_of(self.run, self._how.pods())
            if not state.there or state.later > 1:
                self.ended = whole
                self.reason = "" if whole else "its node no longer had it before it was read to its end"
                return
            if self.file.full:
                if state.over:
                    self._last_lines(state)
                    return
                self._how.stopping.wait(RETRY_S)
                continue
            size = self.file.written
            whole = self._session(state)
            if whole and state.over and not self.file.full:
                self.ended = True
                return
            fruitless = 0 if whole or self.file.written > size else fruitless + 1
            self._how.stopping.wait(min(RETRY_S * 2**fruitless, RETRY_MAX_S))
        if self.file.full:
            self._last_lines(state_of(self.run, self._how.pods()))
        elif not self.reason:
            self.reason = "it still ran when the trial ended"

    @staticmethod
    def _counts(status: int) -> bool:
        """Whether an answer says that there is no log, and not only that there is none now."""
        return 400 <= status < 500 and status not in PASSING

    def _query(self, state: RunState) -> dict[str, str]:
        query = {"container": self.run.container, "timestamps": "true"}
        return query | ({"previous": "true"} if state.later else {})

    def _session(self, state: RunState) -> bool:
        """Read over one connection; whether the log came to an end on it."""
        query = self._query(state) | {"sinceTime": self.file.last_stamp or self._how.since}
        query |= {} if state.over else {"follow": "true"}
        self.file.again()
        try:
            with self._how.transport.stream(self._path, query=query, silence_max_s=self._how.silence_s) as response:
                if response.status != OK:
                    answer = Answer(response.status, response.read(STATUS_BYTES) or b"")
                    self.reason = redacted_message(answer.words())
                    self._refusals += REFUSED_MAX if answer.status in FORBIDDEN else self._counts(answer.status)
                    return False
                self._refusals, self.reason = 0, ""
                with self._interruptible(response):
                    for line in bounded_lines(response.stream(None, decode_content=True)):
                        if not self.file.take(line):
                            return False
        except (NotSent, Broken) as broken:
            if not self._how.stopping.is_set():  # else it was we who ended it
                self.reason = broken.what
            return False
        except (ValueError, RuntimeError, OSError, AttributeError):
            if self._how.stopping.is_set():  # a socket that is shut down under a reader may fail in ways of its own
                return False
            raise
        self.reason = ""
        return not self._how.stopping.is_set()

    def _last_lines(self, state: RunState) -> None:
        """The end of a log of which the beginning took all the room that it has."""
        self.cut = True
        query = self._query(state) | {"tailLines": str(TAIL_LINES)}
        try:
            answer = self._how.transport.call("GET", self._path, query=query, pod_max_bytes=TAIL_READ_BYTES)
        except (NotSent, Broken) as broken:
            self.reason = f"its last lines are missing: {broken.what}"
            return
        if not answer.ok:
            self.reason = f"its last lines are missing: {redacted_message(answer.words())}"
            return
        lines: deque[bytes] = deque()
        size = 0
        for line in bounded_lines([answer.body]):
            lines.append(line)
            size += len(line)
            while size > self._how.tail_bytes:
                size -= len(lines.popleft())
        self.ended = state.over
        self.file.write("[… lines in between are not kept …]", last=True)
        for line in lines:
            self.file.take_last(line)

    @contextlib.contextmanager
    def _interruptible(self, response: urllib3.BaseHTTPResponse) -> Iterator[None]:
        with self._lock:
            self._response = response
        try:
            if self._how.stopping.is_set():
                response.close()
            yield
        finally:
            with self._lock:
                self._response = None
