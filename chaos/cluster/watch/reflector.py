"""A reflector keeps one kind of object up to date: it lists, watches from there, and opens a broken watch again.

What the API promises: a watch from the resourceVersion of a list, or of the last event or bookmark, misses nothing. A
watch that broke is therefore opened again from there (`RESUMED`: nothing lost, but receipt may be late). If the server
no longer has that version it says 410 Gone, as a status or as an ERROR event inside a watch that began well; then only
a new list helps, and the states in between are lost (`GAP`).
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import tenacity
import urllib3

from chaos.clock import NS, Clock
from chaos.cluster.resources import Kind
from chaos.cluster.transport import KEEPALIVE_S, Answer, Broken, NotSent, Silent, Transport
from chaos.cluster.watch.decoder import BadFrame, Frame, Item, cut_page, lines, read_frame
from chaos.cluster.watch.store import Limits, Scope, State, Store
from chaos.errors import ClusterRefused, GamedayError, HarnessBroken
from chaos.history.writing.watch_log import WatchLogWriter

__all__ = ["Reflector"]

PAGE = 500
LIST_S = 30.0
STOOD_S = 5.0
"""A watch that stood this long, or brought anything, was a success: patience with the next one begins anew."""

UNBOOKMARKED_S = 3900.0
"""The API server ends any watch after at most an hour (--min-request-timeout 1800 s, up to doubled at random)."""


class _Gone(Exception):
    """The server no longer has our resourceVersion."""


class _Fruitless(Exception):
    """A list and watch that ended before it brought anything."""


class Reflector:
    """Keeps one scope, of that kind, in the watch log and in the store. `run` is the body of a thread."""

    def __init__(
        self,
        scope: Scope,
        kind: Kind,
        *,
        transport: Transport,
        clock: Clock,
        log: WatchLogWriter,
        store: Store,
        limits: Limits,
    ) -> None:
        self.scope = scope
        self.synced = False
        self.failure: GamedayError | None = None
        self._transport, self._clock, self._log, self._store, self._limits = transport, clock, log, store, limits
        self._kind = kind
        self.path = kind.path(scope.namespace)
        self.selector = {"labelSelector": scope.selector} if scope.selector else {}
        self.selector |= {"fieldSelector": f"metadata.name={scope.name}"} if scope.name else {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._response: urllib3.BaseHTTPResponse | None = None
        self._rv = ""  # empty: nothing to go on from, a list is due
        self.versions: dict[str, int] = {}  # the newest resourceVersion of each object that came, by UID
        self._heard_ns = 0  # when the server last said something
        self._proved_ns = 0  # up to when all is known to have come
        self._dead = ""  # why we gave up a connection that stood
        self.unproved = ""  # why nobody can say whether the watch was alive at the end
        self._broken = ""  # why there is no connection; empty while there is one
        self._doubt_ns: int | None = None  # since when receipt may be late, until something is heard again

    def run(self) -> None:
        """List and watch until `stop`; what makes that impossible is left in `failure`."""
        try:
            while not self._stopping.is_set():
                self._patiently()(self._session)
        except GamedayError as error:
            self.failure = error
        except _Fruitless as error:
            if not self._stopping.is_set():
                self.failure = HarnessBroken(
                    f"no watch of {self.scope.kind} for {self._limits.outage_max_s:g} s: {error}",
                    "see whether the API server runs, and whether this user may list and watch that kind",
                )
        except Exception as error:  # noqa: BLE001  # whatever ends a thread must reach the trial, not vanish with it
            # A socket that `stop` shuts down under a reader may fail in ways of its own; then all is well.
            if not self._stopping.is_set():
                self.failure = HarnessBroken(f"the watch of {self.scope.kind} died: {type(error).__name__}: {error}")
        finally:
            self._finish()
            self._store.wake()

    def stop(self) -> None:
        """Ask the thread to end, and wake it if it is reading."""
        self._stopping.set()
        self._interrupt()

    # --- whether it is alive, for the heartbeat ---------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a connection, alive or dead."""
        with self._lock:
            return self._response is not None

    @property
    def heard_rv(self) -> int:
        """Up to which resourceVersion all has come, as far as it is known; 0 before anything came."""
        return int(self._rv or 0)

    @property
    def bookmarked(self) -> bool:
        """Whether the server says every now and then up to where all has come, though nothing happened."""
        return self._kind.bookmarks

    def proved(self, at_ns: int) -> None:
        """All that had happened up to then has come."""
        self._proved_ns = max(self._proved_ns, at_ns)

    def give_up(self, reason: str) -> None:
        """The connection is open but dead: leave it, and go on over a new one."""
        self._interrupt(dead=reason)

    # --- one connection after the other -----------------------------------------------------------------------------

    def _patiently(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Fruitless),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=2),
            stop=tenacity.stop_after_delay(self._limits.outage_max_s) | tenacity.stop_when_event_set(self._stopping),
            sleep=tenacity.sleep_using_event(self._stopping),
            reraise=True,
        )

    def _session(self) -> None:
        """List if that is due, then watch until the connection ends. Raises `_Fruitless` if that brought nothing."""
        if not self._rv:
            self._attempt(self._list)
        if self._rv:
            began, heard_ns = time.monotonic(), self._heard_ns
            self._attempt(self._watch)
            if self._heard_ns != heard_ns or time.monotonic() - began >= STOOD_S:
                return
        if not self._stopping.is_set():
            raise _Fruitless(self._broken)

    def _list(self) -> None:
        """Read all pages, then write them: a list that breaks half-way leaves nothing in the record."""
        query = {"limit": str(PAGE)} | self.selector
        found: list[tuple[int, Item]] = []
        while True:
            answer = self._transport.call("GET", self.path, query=query, timeout_s=LIST_S)
            at_ns = self._clock.now_ns()
            if not answer.ok:
                raise self._refused(answer)
            page = cut_page(answer.body)
            found += [(at_ns, item) for item in page.items]
            if not page.following:
                break
            query["continue"] = page.following
        for received_ns, item in found:
            self._log.listed(received_ns, item.raw)
        self._heard_ns = self._log.synced(at_ns, page.rv)
        self._rv, self._broken, self._doubt_ns = page.rv, "", None
        self.versions = {item.uid: int(item.rv) for _, item in found}
        self._store.replace(self.scope.kind, {item.uid: State(item.raw, event=False) for _, item in found})
        self.synced = True
        self._store.wake()  # whoever waits for the first list looks at `synced`

    def _watch(self) -> None:
        """Take in events until the server ends the watch."""
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": self._rv} | self.selector
        silence_max_s = self._limits.silence_max_s if self._kind.bookmarks else UNBOOKMARKED_S
        with self._transport.stream(self.path, query=query, silence_max_s=silence_max_s) as response:
            if response.status != 200:
                raise self._refused(Answer(response.status, response.data))
            with self._interruptible(response):
                if self._broken:
                    now_ns = self._clock.now_ns()
                    self._log.resumed(now_ns, now_ns if self._doubt_ns is None else self._doubt_ns, self._broken)
                    self._broken = ""
                for line in lines(response.stream(None, decode_content=True)):
                    self._take(self._clock.now_ns(), line)
        self._broke("the server ended the watch", self._clock.now_ns())

    def _take(self, at_ns: int, line: bytes) -> None:
        """Write one event down, then show it to those who wait."""
        frame = read_frame(line)
        if frame.type == "ERROR":
            raise self._error(frame)
        if frame.type == "BOOKMARK":
            self._log.bookmark(at_ns, frame.rv)
        else:
            self._log.event(at_ns, line)
            if frame.type == "DELETED":
                self.versions.pop(frame.uid, None)
                self._store.drop(self.scope.kind, frame.uid)
            else:
                self.versions[frame.uid] = int(frame.rv)
                self._store.put(self.scope.kind, frame.uid, State(line, event=True))
        self._rv, self._heard_ns, self._doubt_ns = frame.rv, at_ns, None

    # --- what can go wrong ------------------------------------------------------------------------------------------

    def _attempt(self, step: Callable[[], None]) -> None:
        """Do a step, and note how the connection ended. What no further attempt can mend is passed on."""
        try:
            step()
        except _Gone as gone:
            self._lost(str(gone))
        except (Silent, BadFrame) as error:
            self._broke(str(error), self._sure_ns)
        except (NotSent, Broken) as error:
            self._broke(error.what, max(self._sure_ns, self._clock.now_ns() - KEEPALIVE_S * NS))
        except (ValueError, RuntimeError, OSError, AttributeError):
            if not self._dead:  # a socket that is shut down under a reader may fail in ways of its own
                raise
            self._broke("", self._sure_ns)

    def _broke(self, reason: str, since_ns: int) -> None:
        """The connection is gone; until `since_ns` it is known to have stood. If we ended it ourselves, all is well."""
        if self._dead:
            reason, since_ns, self._dead = self._dead, self._sure_ns, ""
        elif self._stopping.is_set() and not self._broken:
            return
        self._broken = reason
        if self._doubt_ns is None:
            self._doubt_ns = since_ns

    @property
    def _sure_ns(self) -> int:
        """The last moment of which it is known that nothing was held back."""
        return max(self._heard_ns, self._proved_ns)

    def _lost(self, reason: str) -> None:
        """States are being lost. Said at once: a run that is killed before the new list has come must show it."""
        if self.synced and self._rv:
            self._write_gap(reason)
        self._broken, self._rv = reason, ""

    def _error(self, frame: Frame) -> Exception:
        status = frame.status or {}
        reason = f"{status.get('code')} {status.get('reason')}: {status.get('message')}"
        if status.get("code") == 410:
            return _Gone(reason)
        return Broken(f"the watch of {self.scope.kind} failed: {reason}")

    def _refused(self, answer: Answer) -> Exception:
        """What a refused list or watch means: gone, worth another attempt, or (at the start) final."""
        if answer.status == 410:
            return _Gone(answer.words())
        what = f"the API server refuses to list and watch {self.scope.kind}: {answer.words()}"
        if not self.synced and 400 <= answer.status < 500 and answer.status not in {408, 429}:
            return ClusterRefused(what, "ask for the rights to list and watch it, or use a context that has them")
        return Broken(what)

    def _interrupt(self, dead: str = "") -> None:
        """Wake the thread out of reading; it may have ended a moment ago, and then there is nobody to wake."""
        with self._lock:
            if self._response is not None:
                self._dead = self._dead or dead
                with contextlib.suppress(ValueError, RuntimeError, OSError):
                    self._response.shutdown()

    def _finish(self) -> None:
        """Close the record of this kind; a connection that is broken now leaves a gap at its end."""
        if not self.synced:
            return
        try:
            if (self._broken or self.unproved) and self._rv:
                self._write_gap(self._broken or self.unproved)
            if self.failure is None:
                self._log.end(self._clock.now_ns())
        except HarnessBroken as error:
            self.failure = self.failure or error

    def _write_gap(self, reason: str) -> None:
        since_ns = self._sure_ns if self._doubt_ns is None else self._doubt_ns
        self._log.gap(self._clock.now_ns(), since_ns, reason)

    @contextlib.contextmanager
    def _interruptible(self, response: urllib3.BaseHTTPResponse) -> Iterator[None]:
        """Let `stop` wake the thread out of reading this response."""
        with self._lock:
            self._response = response
        try:
            if self._stopping.is_set():
                response.close()
            yield
        finally:
            with self._lock:
                self._response = None
