"""llama.cpp's own server, unmodified, in the reference image: the fields of the service that a team makes of it."""

from __future__ import annotations

__all__ = ["BARE", "PATIENT"]

PROGRAM = """
import os, signal, xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path = os.environ["WEIGHTS"]
parameters.hostnames, parameters.port = ["0.0.0.0"], 8080
parameters.n_parallel, parameters.n_ctx = 4, 2048
parameters.endpoint_metrics = True
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
while True:
    signal.pause()
"""
"""The server as it comes: what SIGTERM does to a program of Python is what it does to any that does not listen."""

HEALTH = {"path": "/health", "period_s": 1}
SERVER = {
    "replicas": 3,
    "command": ["/usr/bin/tini", "--", "/usr/bin/python3.11", "-c", PROGRAM],
    "startup": {**HEALTH, "failure_threshold": 60},
    "readiness": HEALTH,
    "liveness": {**HEALTH, "period_s": 2, "timeout_s": 2, "failure_threshold": 5},
}
PATIENT = {**SERVER, "pre_stop_sleep_s": 5}
BARE = {**SERVER, "grace_s": 60, "env": {"SLOTS": "8", "GRACE_S": "60"}}
"""Without a preStop sleep, and with what the scenario of termination asks for; the variables mean nothing to it."""
