"""The load generator's process: Locust drives it, one user dispatches, every arrival is a greenlet.

Run by `loadgen.driver` as `python -m loadgen.generator.locustfile`; the only module that imports Locust, which patches
the standard library as it is imported. The plan comes as the first line of standard input (see `loadgen.plan`),
commands follow (see `loadgen.generator.control`). Locust's `request` event is fired for every record, so that listeners
work as they do elsewhere; its response time counts from the intended start.
"""

import locust  # isort: skip  # patches the standard library, so it comes before everything that it patches

import gc
import importlib
import logging
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import gevent  # type: ignore[import-untyped]
from locust.env import Environment

from chaos.clock import NS
from chaos.errors import GamedayError
from loadgen.generator.closed_loop import ClosedLoop
from loadgen.generator.control import Control
from loadgen.generator.cpu_meter import CpuMeter
from loadgen.generator.http_exchange import Transport
from loadgen.generator.open_loop import OpenLoop
from loadgen.generator.source import Source
from loadgen.generator.tls import tls_context
from loadgen.origin import Credentials
from loadgen.plan import Plan, place_of
from loadgen.records import Record, Writer
from loadgen.shapes import shape_from_plain
from loadgen.shapes.base import Shape
from loadgen.shapes.users import Users

PLAN_WITHIN_S = 30.0
ORPHAN_DRAIN_S = 1.0
"""How long to wait for what is in flight when the parent died, or the hard limit has come."""

DESCRIPTORS_SPARE = 64
"""Beside two for each request in flight: a connection may still be ending when its successor begins."""

NICENESS = -20
AUTOGROUP = Path("/proc/self/autogroup")
"""Where Linux weighs whole sessions against each other, so that niceness counts only within one: sched(7)."""

log = logging.getLogger("loadgen")


class Session:
    """One run of the generator, from its plan to its last record."""

    def __init__(self, control: Control, plan: Plan, credentials: Credentials | None, environment: Environment) -> None:
        self._control, self._plan = control, plan
        self._events: Any = environment.events
        offset_ns = plan.clock.utc_ns - plan.clock.mono_ns
        # plan.clock.now_ns, without its look-ups
        self.now_ns: Callable[[], int] = lambda: time.monotonic_ns() + offset_ns
        self._limit_ns = self.now_ns() + round(plan.duration_max_s * NS)
        profile, place = plan.profile, place_of(plan.url)
        keep, header = profile.connections == "reuse", profile.replica_header
        source = Source(plan, credentials.headers if credentials else {})
        tls = tls_context(credentials) if place.tls else None
        name = credentials.server_name if credentials else None
        self._name = source.path
        self._records = Writer(plan.run_folder / "requests.jsonl")
        self._samples = Writer(plan.run_folder / "generator.jsonl")
        self._loop = OpenLoop(
            transport=Transport(
                place, tls, self.now_ns, keep=keep, replica_header=header, proxied=bool(credentials), server_name=name
            ),
            source=source,
            writer=self._records,
            now_ns=self.now_ns,
            in_flight_max=plan.in_flight_max,
            limit_ns=self._limit_ns,
            on_record=self._fire,
            on_broken=self.broken,
            worker=plan.worker,
            workers=plan.workers,
        )
        self._closed = ClosedLoop(
            url=plan.url,
            now_ns=self.now_ns,
            replica_header=header,
            timeout_s=profile.timeout_s,
            record=self._write,
            worker=plan.worker,
            workers=plan.workers,
        )
        self._cpu = CpuMeter(self.now_ns(), time.process_time_ns(), plan.cores)

    def run(self) -> None:
        """Follow commands until the one to finish, the end of the parent, or the hard limit."""
        watch = gevent.spawn(self._watch)
        watch.link_exception(lambda dead: self.broken(f"generator.jsonl: {dead.exception!r}"))
        self._control.answer("ready", pid=os.getpid(), locust=locust.__version__)
        drain_s = self._follow()
        for name in self._closed.streams:
            self._closed.end(name)
        self._loop.drain(drain_s)
        watch.kill()
        self._sample(final=True)
        self._control.answer("finished", streams=self._summary())

    def _follow(self) -> float:
        while True:
            try:
                command = self._control.receive((self._limit_ns - self.now_ns()) / NS)
            except TimeoutError:
                self._control.answer("broken", why=f"its time limit of {self._plan.duration_max_s:g} s is over")
                return ORPHAN_DRAIN_S
            match command:
                case None:
                    log.warning("the parent is gone")
                    return ORPHAN_DRAIN_S
                case {"begin": {"stream": str(name), "shape": dict(shape), "begin_ns": int(begin_ns)}}:
                    self._begin(name, shape_from_plain(shape), begin_ns)
                    self._control.answer("begun", stream=name, begin_ns=begin_ns)
                case {"end": {"stream": str(name), "end_ns": int(end_ns)}}:
                    is_closed = name in self._closed.streams
                    ended_ns = self._closed.end(name) if is_closed else self._loop.end(name, end_ns)
                    self._control.answer("ended", stream=name, end_ns=ended_ns)
                case {"finish": {"drain_s": int() | float() as drain_s}}:
                    return float(drain_s)
                case _:
                    raise ValueError(f"not a command: {command!r}")

    def _begin(self, name: str, shape: Shape, begin_ns: int) -> None:
        if isinstance(shape, Users):
            self._closed.begin(name, shape, begin_ns)
        else:
            self._loop.begin(name, shape, begin_ns)

    def _write(self, record: Record) -> None:
        try:
            self._records.write(record)
        except OSError as error:
            self.broken(f"requests.jsonl cannot be written: {error}")

    def _summary(self) -> dict[str, object]:
        closed: dict[str, object] = {
            name: {"begin_ns": stream.begin_ns, "end_ns": stream.end_ns, "due": stream.count}
            | {"counts": dict(self._records.counts.get(name, {}))}
            for name, stream in self._closed.streams.items()
        }
        return closed | {
            stream.name: {
                "begin_ns": stream.begin_ns,
                "end_ns": stream.end_ns,
                "due": stream.due(stream.end_ns or self._limit_ns),
                "counts": dict(self._records.counts.get(stream.name, {})),
            }
            for stream in self._loop.streams.values()
        }

    def _watch(self) -> NoReturn:
        next_ns = self.now_ns() + NS
        while True:
            gevent.sleep(max(0, next_ns - self.now_ns()) / NS)
            self._sample(final=False)
            next_ns = max(next_ns + NS, self.now_ns())

    def _sample(self, *, final: bool) -> None:
        now_ns = self.now_ns()
        sample = self._loop.sample(now_ns, self._cpu.share(now_ns, time.process_time_ns()))
        for name in ("due", "sent", "done"):  # what a closed loop intends is what it has done
            sample[name] += self._closed.count
        self._samples.line(sample | {"final": True} if final else sample)

    def _fire(self, record: Record, body_bytes: int) -> None:
        good = record.outcome in {"ok", "late", "disconnected"}
        self._events.request.fire(
            request_type=self._plan.profile.name,
            name=self._name,
            response_time=(record.end_ns - record.intended_ns) / 1e6,
            response_length=body_bytes,
            exception=None if good else locust.exception.CatchResponseError(f"{record.outcome}: {record.error}"),
            context={"record": record},
            start_time=record.intended_ns / NS,
            url=self._plan.url,
            response=None,
        )

    def broken(self, why: str) -> NoReturn:
        """End the process at once: a generator that cannot send or record as planned must not go on."""
        log.error("%s", why)
        self._control.answer("broken", why=why)
        os._exit(1)


class OpenLoopUser(locust.User):
    """The one Locust user: it runs the session, and ends the Locust run with it."""

    fixed_count = 1
    session: Session

    @locust.task
    def follow_the_plan(self) -> None:
        """Run the session to its end."""
        try:
            self.session.run()
        except Exception as error:  # Locust would log it and run the task again
            log.exception("the session failed")
            self.session.broken(repr(error))
        self.environment.runner.quit()


def main() -> int:
    """Take the plan, let Locust run it, and return the exit code: 0 if every arrival has its record."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    control = Control()
    try:
        message = control.receive(PLAN_WITHIN_S) or {}
        plan = Plan.from_plain(message["plan"])
        secrets = message.get("credentials")
        _raise_descriptors(plan.in_flight_max)
        _raise_priority()
        for module in plan.listeners:
            importlib.import_module(module)
        environment = Environment(user_classes=[OpenLoopUser], events=locust.events)
        session = Session(control, plan, Credentials(**secrets) if secrets else None, environment)
    except (GamedayError, ImportError, OSError, KeyError, ValueError, TypeError) as error:
        log.error("cannot start: %r", error)  # noqa: TRY400  # the parent shows it; a traceback may show a header
        control.answer("broken", why=error.what if isinstance(error, GamedayError) else repr(error))
        return 1
    OpenLoopUser.session = session
    gc.freeze()  # what is loaded by now stays: the collector need not walk it while requests are timed
    runner = environment.create_local_runner()
    events: Any = environment.events
    events.init.fire(environment=environment, runner=runner, web_ui=None)
    runner.start(1, spawn_rate=1)
    runner.greenlet.join()
    events.quitting.fire(environment=environment, reverse=True)
    return 0


def _raise_descriptors(in_flight_max: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * in_flight_max + DESCRIPTORS_SPARE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise GamedayError(f"in_flight_max: {in_flight_max} needs {wanted} file descriptors, the host allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted) if soft != resource.RLIM_INFINITY else soft, hard))


def _raise_priority() -> None:
    """Have the host run this process before what shares its processors, e.g. the service under test, where it may."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        if AUTOGROUP.exists():
            AUTOGROUP.write_text(str(NICENESS))
    except OSError as error:
        log.info("requests start with the priority of any process: %s", error)


if __name__ == "__main__":
    sys.exit(main())
