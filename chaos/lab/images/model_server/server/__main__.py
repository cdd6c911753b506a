"""The front's life: start, serve, drain on SIGTERM, end.

Exit status: 0 after a drain, 1 if the engine ended by itself, 2 for a bad setting.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

from aiohttp import web

from .chat import EngineGone
from .engine import Engine
from .handlers import application
from .replica import Replica
from .settings import BadSetting, Settings

__all__ = ["main", "serve"]

# The last part of the grace, kept for ending what did not end by itself.
CUT_BEFORE_KILL_S = 1.0
LAST_BYTES_WITHIN_S = 0.5


def say(words: str) -> None:
    """Write one line to the container's log."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def main() -> None:
    """Run the server until it is told to end."""
    try:
        settings = Settings.from_environment(os.environ)
    except BadSetting as bad:
        say(f"bad setting: {bad}")
        sys.exit(2)
    Path("/proc/self/comm").write_text("model-server")  # as `pidof` finds it
    sys.exit(asyncio.run(serve(settings)))


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT and then drain, or until the engine ends; the exit status."""
    told_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    engine = await Engine.start(settings)
    replica = Replica(settings, engine)
    runner = web.AppRunner(
        application(replica), handler_cancellation=True, access_log=None, shutdown_timeout=LAST_BYTES_WITHIN_S
    )
    # A maintainer's switch: out of the traffic, without an end and without a restart.
    for number, withdrawn in ((signal.SIGUSR1, True), (signal.SIGUSR2, False)):
        asyncio.get_running_loop().add_signal_handler(number, partial(replica.withdraw, withdrawn=withdrawn))
    life = asyncio.create_task(replica.live())
    stop = asyncio.create_task(told_to_end.wait())
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.host or None, settings.port)
        await site.start()
        say(f"listening on port {runner.addresses[0][1]}, engine process {engine.pid}")
        await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not life.done():
            await _drain(replica, site)
        return _status(life)
    finally:
        for task in (life, stop):
            task.cancel()
        await asyncio.wait({life, stop})
        await runner.cleanup()
        await engine.stop()


async def _drain(replica: Replica, site: web.TCPSite) -> None:
    """Unready at once; new connections for the settle time; then only what is in flight, until the grace is over."""
    replica.draining = True
    cut_s = max(0.0, replica.settings.grace_s - CUT_BEFORE_KILL_S)
    serving = replica.started and not replica.progress.stuck
    settle_s = min(replica.settings.settle_s, cut_s) if serving else 0.0
    say(f"draining: {replica.in_flight} in flight")
    # Endpoints are taken out of every node's rules while we wait; nothing tells a pod when that is done.
    await asyncio.sleep(settle_s)
    await site.stop()
    # What waits for a stuck engine will not be answered: a restart cannot come too soon.
    ends = [asyncio.create_task(ending) for ending in (replica.nobody_in_flight(), replica.progress.until_stuck())]
    done, _ = await asyncio.wait(ends, timeout=cut_s - settle_s, return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()
    if replica.in_flight:
        say(f"{replica.in_flight} cut off: {'the engine is stuck' if done else 'the grace is nearly over'}")
    else:
        say("drained")


def _status(life: asyncio.Task[None]) -> int:
    if not life.done():
        return 0
    error = life.exception()
    assert isinstance(error, EngineGone), error
    say(f"ending: {error.message}")
    return 1


if __name__ == "__main__":
    main()
