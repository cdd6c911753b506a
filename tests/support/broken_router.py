"""A router that is broken on purpose: it sends every connection to the next of $REPLICAS, and takes none off, ever.

$REPLICAS are addresses, `10.1.2.3:8080,10.1.2.4:8080`. With $BROKEN empty it passes a replica by that refuses it. It
needs a Python alone: `python3 -c "$(cat broken_router.py)"`.
"""

import itertools
import os
import signal
import socket
import threading

BROKEN = os.environ.get("BROKEN", "keeps")
PORT = int(os.environ.get("PORT", "8080"))
REPLICAS = [one.rpartition(":")[::2] for one in os.environ["REPLICAS"].split(",")]
CONNECT_S = 1.0
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

turn = itertools.cycle(REPLICAS)


def passed(client: socket.socket) -> None:
    """Lead one connection to a replica, and its answer back."""
    with client:
        for host, port in itertools.islice(turn, 1 if BROKEN else len(REPLICAS)):
            try:
                replica = socket.create_connection((host, int(port)), timeout=CONNECT_S)
            except OSError:
                continue
            with replica:
                replica.settimeout(None)
                threading.Thread(target=copied, args=(client, replica), daemon=True).start()
                copied(replica, client)
            return
        client.recv(65536)
        client.sendall(BAD_GATEWAY)


def copied(source: socket.socket, target: socket.socket) -> None:
    """Copy what comes, until no more does."""
    try:
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
listener = socket.create_server(("", PORT), backlog=128)
print(f"listening on port {listener.getsockname()[1]}", flush=True)  # noqa: T201  # to whoever started it
while True:
    threading.Thread(target=passed, args=(listener.accept()[0],), daemon=True).start()
