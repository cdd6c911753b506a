"""The engine's process: llama.cpp with its own HTTP server on a loopback port. Started by `engine`, never by hand.

It prints one line of JSON with its address when the weights are loaded, and ends when its standard input does: so it
never outlives the front, however that ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import xllamacpp  # type: ignore[import-not-found]  # has no types, and is installed only in the image

from .settings import Settings

__all__: list[str] = []

# Small batches: while a long prompt is read, there is a sign of life every 0.2 s of computing.
BATCH_TOKENS = 32
ERRORS_ONLY = 1
NICER_THAN_FRONT = 5


def _parameters(settings: Settings) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(settings.weights)
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.verbosity = ERRORS_ONLY
    parameters.n_parallel = settings.slots
    parameters.n_ctx = settings.slots * settings.context_tokens
    parameters.n_batch = parameters.n_ubatch = BATCH_TOKENS
    # One for each slot, and room for a self-check and for those whose clients have just left.
    parameters.n_threads_http = settings.slots * 2 + 2
    # Off: a store of old prompts (up to 8 GiB), waiting in a busy loop, and the first token's pass twice.
    parameters.cache_ram_mib = parameters.n_ctx_checkpoints = 0
    parameters.cache_idle_slots = False
    parameters.warmup = False
    for cpu in (parameters.cpuparams, parameters.cpuparams_batch):
        cpu.n_threads, cpu.poll = settings.threads, 0
    return parameters


def main() -> None:
    """Load the weights, say where to reach them, and wait for the front's end."""
    # The front alone decides when the engine stops: answers under way outlive SIGTERM.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    Path("/proc/self/comm").write_text("model-engine")  # as `pidof` finds it
    # Under a small CPU limit the front must still answer the kubelet between two tokens.
    os.nice(NICER_THAN_FRONT)
    server = xllamacpp.Server(_parameters(Settings.from_environment(os.environ)))
    sys.stdout.write(json.dumps({"url": server.listening_address}) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    # Not sys.exit: llama.cpp would first finish what nobody waits for.
    os._exit(0)


if __name__ == "__main__":
    main()
