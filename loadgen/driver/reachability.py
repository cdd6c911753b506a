"""Wait until the service takes connections where traffic is to come from.

Run as `python -m loadgen.driver.reachability URL DEADLINE_S`.

The API server has a Service some moments before kube-proxy has its rules on every node. A stream that began in between
would see refusals that are no fault of the system. Only a connection is made; nothing is sent.
"""

import socket
import subprocess
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

from chaos.errors import TimedOut
from chaos.wait import until

__all__ = ["await_reachable"]

CONNECT_S = 1.0
START_S = 10.0
"""For starting the process that tries, on a busy machine."""


def await_reachable(url: str, wrap: Callable[[list[str]], list[str]], *, deadline_s: float) -> str:
    """Wait until the host and port of `url` take a connection from where `wrap` runs commands.

    Returns an empty string, or why it was not reachable within `deadline_s` seconds.
    """
    command = wrap([sys.executable, "-P", "-m", "loadgen.driver.reachability", url, f"{deadline_s:g}"])
    try:
        tried = subprocess.run(command, capture_output=True, text=True, check=False, timeout=deadline_s + START_S)
    except subprocess.TimeoutExpired:
        return f"{url}: no connection within {deadline_s:g} s"
    return "" if tried.returncode == 0 else (tried.stderr.strip().splitlines() or [f"{url} is not reachable"])[-1]


def _main() -> int:
    url, deadline_s = sys.argv[1], float(sys.argv[2])
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    last = ""

    def connects() -> bool:
        nonlocal last
        try:
            socket.create_connection((parts.hostname or "", port), timeout=CONNECT_S).close()
        except OSError as error:
            last = str(error)
            return False
        return True

    try:
        until(connects, deadline_s=deadline_s, poll_s=0.05, awaited=f"a connection to {url}", last_seen=lambda: last)
    except TimedOut as late:
        print(late, file=sys.stderr)  # noqa: T201  # the output of a command
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
