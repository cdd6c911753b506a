"""Drive a generator in a pod through the API server's proxy, and copy its records, each piece checked by its digest.

A thread reads the pod twice a second and appends whole lines to the run folder's own files, so that what a killed trial
or a lost pod leaves is what it was half a second before. At the end the copy is held against the whole.
"""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.cluster import Cluster, proxy_path
from chaos.cluster.transport import UNAUTHORIZED, Answer
from chaos.errors import ClusterRefused, GamedayError, HarnessBroken
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from loadgen.driver.channel import WHY_MAX, facts_of
from loadgen.driver.clock_offset import Remote
from loadgen.pod.contract import ANSWERS, PORT, RECORDS, TOKEN_HEADER
from loadgen.pod.intake import BadRecords, Intake
from loadgen.pod.pages import BadPage, Copy
from loadgen.records import append

__all__ = ["Agent", "PodChannel", "Unheard"]

ANSWER_S = 10.0
READ_EVERY_S = 0.5
HEAR_S = 2.0
RETRY_S = 0.2
OUTAGE_MAX_S = 120.0
"""A pod that is not heard of for so long is lost, as a trial is whose API server is away for longer."""

BAD_MAX = 5
"""So many answers in a row that are none, or not what was sent: the way to the pod cannot be trusted."""

PAGES_MAX_BYTES = 16 * 1024 * 1024
ANSWER_MAX_BYTES = 1024 * 1024
"""More is not read of an answer, with records or without."""

LOG_MAX_BYTES = 16 * 1024 * 1024
"""Of a generator's log no more is taken."""

REST_S = 120.0
"""For the rest of a pod's records once its generator has ended."""


class Unheard(GamedayError):
    """The pod gave no answer: it, its network or the API server is away. The action may have been done."""


class Garbled(Unheard):
    """Something answered in the pod's place, or the pod did, but it is no answer."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A pod that keeps a generator. `token` is what it obeys; each action may be repeated."""

    cluster: Cluster
    pod: Ref
    token: str = field(repr=False)

    def do(self, action: str, *, timeout_s: float = ANSWER_S, **arguments: Any) -> dict[str, Any]:
        """Ask for an action of `loadgen.pod.server`. Raises `Unheard`, or `Garbled` for what no pod of ours answers."""
        answer = self._answer(action, arguments, timeout_s)
        if answer.status == UNAUTHORIZED:
            self.gone()  # renews credentials that expired, where it is not the pod that says so
            answer = self._answer(action, arguments, timeout_s)
        body = answer.json()
        if not answer.ok or not isinstance(body, dict) or body.get("kind") == "Status":
            why = str(body.get("why") or "")[:WHY_MAX] if isinstance(body, dict) else ""
            raise (Garbled if answer.ok else Unheard)(f"pod {self.pod.name}: {why or answer.words()}")
        for name, types in ANSWERS[action].items():
            if type(body.get(name)) not in types:
                raise Garbled(f"pod {self.pod.name}: its answer to {action} has no {name}")
        if body.keys() - ANSWERS[action].keys():
            raise Garbled(f"pod {self.pod.name}: its answer to {action} has more than it is to have")
        return body

    def _answer(self, action: str, arguments: Mapping[str, Any], timeout_s: float) -> Answer:
        path = proxy_path("Pod", self.pod.namespace, self.pod.name, PORT) + "/do"
        try:
            return self.cluster.transport.call(
                "POST",
                path,
                body={"do": action, "arguments": arguments},
                headers={TOKEN_HEADER: self.token},
                timeout_s=timeout_s,
                pod_max_bytes=PAGES_MAX_BYTES if action == "read" else ANSWER_MAX_BYTES,
            )
        except ClusterRefused as refused:
            raise Unheard(f"pod {self.pod.name}: {refused.what}") from None

    def clock(self) -> Remote:
        """What its clocks show. Raises `Unheard`."""
        shown = self.do("clock")
        if not all(0 <= shown[name] < 2**63 for name in ("mono_ns", "utc_ns")):
            raise Garbled(f"pod {self.pod.name}: its clocks show no time")
        return Remote(shown["mono_ns"], shown["utc_ns"])

    def gone(self) -> str:
        """Why this very pod will never answer again; empty if it may, or if nobody can tell now."""
        try:
            raw = self.cluster.get("Pod", self.pod.namespace, self.pod.name)
        except ClusterRefused:
            return ""
        if raw is None or raw["metadata"]["uid"] != self.pod.uid:
            return f"pod {self.pod.name} was deleted"
        if PodView(raw).finished:
            return f"pod {self.pod.name} has ended: {_ending(raw)}"
        return ""


def _ending(raw: dict[str, Any]) -> str:
    """How a pod ended, as its status has it."""
    status = raw.get("status") or {}
    for one in status.get("containerStatuses") or ():
        if ended := (one.get("state") or {}).get("terminated"):
            return f"{ended.get('reason') or 'no reason given'}, exit code {ended.get('exitCode')}"
    return str(status.get("message") or status.get("reason") or status.get("phase") or "no reason given")


class PodChannel:
    """See `loadgen.driver.channel.Channel`. `environ` are the variables that the generator's headers name."""

    def __init__(self, agent: Agent, run_folder: Path, environ: Mapping[str, str], intake: Intake) -> None:
        self._agent, self._run_folder, self._environ, self._intake = agent, run_folder, environ, intake
        self._told = self._heard = 0
        self._copies = {name: Copy() for name in RECORDS}
        self._fds = {
            name: os.open(run_folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) for name in RECORDS
        }
        self._lost = self._refused = ""
        self._ended: int | None = None
        self._finished = self._closed = False
        self._reading = threading.Lock()
        self._stop = threading.Event()
        self._reader = threading.Thread(target=self._read_on, name=f"reads {agent.pod.name}", daemon=True)
        self._reader.start()

    def send(self, command: Mapping[str, Any]) -> None:
        """See `Channel.send`."""
        environ = {} if self._told else self._environ  # the first command starts the generator
        self._intake.begins(command)
        self._patiently("tell", number=self._told, command=command, environ=environ)
        self._intake.ends(command)
        self._told += 1

    def answer(self, kind: str, within_s: float) -> dict[str, Any]:
        """See `Channel.answer`. The last answer is given when all records are here, and are those of the pod.

        Time in which the pod was not heard is not counted against it.
        """
        number, waited_s = self._heard, 0.0
        while waited_s < within_s:
            began_s, wait_s = time.monotonic(), min(HEAR_S, within_s - waited_s)
            got = self._patiently("hear", number=number, wait_s=wait_s)
            if got["answer"] is not None:
                self._heard += 1
                facts = facts_of(got["answer"], kind, self._run_folder / "generator.log")
                if kind == "finished":
                    self._take_the_rest()
                return facts
            if got["ended"] is not None:
                raise HarnessBroken(f"the load generator in pod {self._agent.pod.name} ended with code {got['ended']}")
            self._stop.wait(RETRY_S)  # one that does not wait is not asked the faster for it
            waited_s += min(time.monotonic() - began_s, HEAR_S)
        raise HarnessBroken(f"pod {self._agent.pod.name} did not say {kind!r} within {within_s:g} s")

    def check(self) -> None:
        """See `Channel.check`."""
        if self._lost:
            raise HarnessBroken(self._lost)
        if self._ended is not None and not self._finished:
            raise HarnessBroken(f"the load generator in pod {self._agent.pod.name} ended with code {self._ended}")

    def close(self) -> None:
        """See `Channel.close`: let the pod go, once what it has is here."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        self._reader.join()
        try:
            if not self._lost:
                self._read_once()
                self._agent.do("leave")
        except (Unheard, BadPage, HarnessBroken):
            pass  # its Job is removed anyway
        finally:
            for descriptor in self._fds.values():
                os.close(descriptor)

    def _read_on(self) -> None:
        """Read until the stop, or until the pod is lost. What goes wrong here is reported by `check`."""
        heard_s, bad = time.monotonic(), 0
        while not self._stop.wait(READ_EVERY_S) and not self._lost:
            try:
                self._read_once()
                heard_s, bad = time.monotonic(), 0
            except (BadPage, Garbled) as wrong:
                bad += 1
                if bad >= BAD_MAX:
                    self._lose(f"cannot be read: {wrong}")
            except Unheard as unheard:
                self._lost = self._agent.gone()
                if not self._lost and time.monotonic() - heard_s > OUTAGE_MAX_S:
                    self._lose(f"not heard for {OUTAGE_MAX_S:g} s: {unheard.what}")
            except HarnessBroken:
                pass  # it is noted already
            except Exception as error:  # noqa: BLE001  # unnoticed, its records would be missing and nobody know
                self._lose(f"cannot be read: {error!r}")

    def _lose(self, why: str) -> str:
        """Note why the pod is lost, the first time, and return it."""
        self._lost = self._lost or f"pod {self._agent.pod.name}: {why}"[:WHY_MAX]
        return self._lost

    def _read_once(self) -> bool:
        """Read what is new of every file. Say whether there was any.

        Raises `Unheard` and `BadPage` for what may be better the next time, and `HarnessBroken` for what will not.
        """
        with self._reading:
            if self._refused:
                raise HarnessBroken(self._refused)
            wanted = {
                name: copy.size
                for name, copy in self._copies.items()
                if name != "generator.log" or copy.size < LOG_MAX_BYTES
            }
            answer = self._agent.do("read", offsets=wanted)
            if answer["pages"].keys() - wanted.keys():
                raise BadPage("files that were not asked for")
            new = [self._take(name, answer["pages"].get(name) or {}) for name in wanted]
        self._ended = answer["ended"]
        if answer["told_to_end"] and not any(new) and self._ended is not None:
            self._lost = self._lost or f"pod {self._agent.pod.name} was told to end"
        return any(new)

    def _take(self, name: str, given: Mapping[str, Any]) -> bool:
        data = self._copies[name].take(given)
        try:
            self._intake.look(name, data)
            append(self._fds[name], data)
        except BadRecords as bad:
            self._refused = self._lose(str(bad))
            raise HarnessBroken(self._refused) from None
        except OSError as error:
            self._refused = self._lose(f"{self._run_folder} cannot be written: {error.strerror}")
            raise HarnessBroken(self._refused) from None
        return bool(data)

    def _take_the_rest(self) -> None:
        """Read to the end, and hold the copies against the whole. Raises `HarnessBroken` if they are not the same."""
        self._finished = True
        sums: Mapping[str, Any] = {}
        until_s = time.monotonic() + REST_S
        for _ in range(BAD_MAX):
            try:
                while self._read_once():
                    if time.monotonic() > until_s:
                        raise HarnessBroken(self._lose(f"its records came to no end within {REST_S:g} s"))
                sums = self._agent.do("sums")
                break
            except (BadPage, Unheard) as wrong:
                if gone := self._lost or self._agent.gone():
                    raise HarnessBroken(gone) from None
                last = wrong
                self._stop.wait(RETRY_S)
        else:
            raise HarnessBroken(f"pod {self._agent.pod.name} cannot be read to its end: {str(last)[:WHY_MAX]}")
        for name in ("requests.jsonl", "generator.jsonl"):
            if differs := self._copies[name].differs(sums[name]):
                raise HarnessBroken(f"{name} of pod {self._agent.pod.name} is not here as it is there: {differs}")

    def _patiently(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Ask until there is an answer. Raises `HarnessBroken` once the pod is lost."""
        until_s, bad = time.monotonic() + OUTAGE_MAX_S, 0
        while True:
            try:
                return self._agent.do(action, **arguments)
            except Unheard as unheard:
                bad = bad + 1 if isinstance(unheard, Garbled) else 0
                if gone := self._lost or self._agent.gone():
                    raise HarnessBroken(gone) from None
                if bad >= BAD_MAX:
                    raise HarnessBroken(unheard.what) from None
                if time.monotonic() > until_s:
                    raise HarnessBroken(f"not heard for {OUTAGE_MAX_S:g} s: {unheard.what}") from None
            self._stop.wait(RETRY_S)
