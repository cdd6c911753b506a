"""Known lines of logs, and lines that only look like them."""

from __future__ import annotations

import pytest

from chaos.semantics.log_causes import CAUSES, LINE_SHOWN, logged_causes

LINES = {
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.": "out of GPU memory",
    "RuntimeError: CUDA error: out of memory": "out of GPU memory",
    "ggml_backend_cuda_buffer_type_alloc_buffer: cudaMalloc failed: out of memory": "out of GPU memory",
    "ValueError: No available memory for the cache blocks.": "out of GPU memory",
    "4 GiB KV cache is needed, which is larger than the available KV cache memory": "out of GPU memory",
    "MemoryError": "out of memory",
    "terminate called after throwing an instance of 'std::bad_alloc'": "out of memory",
    "OSError: [Errno 12] Cannot allocate memory": "out of memory",
    "Memory cgroup out of memory: Killed process 17 (python)": "out of memory",
    "NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.": "GPU lost (Xid)",
    "RuntimeError: CUDA error: an illegal memory access was encountered": "CUDA failed",
    "RuntimeError: No CUDA GPUs are available": "CUDA failed",
    "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1691": "NCCL",
    "ncclSystemError: System call (e.g. socket, malloc) or external library call failed": "NCCL",
    "Watchdog caught collective operation NCCL timeout: Timed out": "NCCL",
    "OSError: [Errno 98] Address already in use": "address in use",
    "couldn't bind HTTP server socket, hostname: 0.0.0.0, port: 8080": "address in use",
    "error: failed to load model '/models/x.gguf'": "model not found",
    "gguf_init_from_file: failed to open GGUF file '/w/x.gguf' (No such file or directory)": "model not found",
    "OSError: [Errno 2] No such file or directory: '/weights/config.json'": "model not found",
    "ValueError: the model /models/llama does not exist": "model not found",
    "PermissionError: [Errno 13] Permission denied: '/root/.cache'": "permission denied",
    "OSError: [Errno 28] No space left on device": "no space left",
    "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.": "engine dead",
    "ERROR EngineCore failed to start.": "engine dead",
    "RuntimeError: Engine core initialization failed. See root cause above.": "engine dead",
    "Scheduler hit an exception: Traceback (most recent call last):": "engine dead",
    "Segmentation fault (core dumped)": "crashed",
    "panic: runtime error: invalid memory address": "crashed",
    "GGML_ASSERT(n_tokens <= n_batch) failed": "crashed",
}

HARMLESS = (
    "INFO: Application startup complete.",
    "INFO Using max model len 512, GPU memory utilization 0.9, memory profiling takes 1.2 s",
    "Engine 000: Avg prompt throughput: 10.0 tokens/s, Running: 1 reqs, GPU KV cache usage: 0.1%",
    "NCCL version 2.27.3+cuda12.9",
    "Loading model weights took 0.9 GB",
    "GET /v1/models 404 Not Found",
    "listening on address 0.0.0.0:8000",
)


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_a_known_line_names_its_cause(line: str) -> None:
    """As the programs print them."""
    (cause,) = logged_causes(["INFO before", line, "INFO after"])
    assert cause.words == LINES[line]
    assert cause.line == line


@pytest.mark.parametrize("line", HARMLESS, ids=range(len(HARMLESS)))
def test_a_line_that_only_looks_like_it_names_none(line: str) -> None:
    """Servers write such lines in the best of health."""
    assert not logged_causes([line])


def test_every_pattern_is_tried_on_a_line() -> None:
    """No row of the table is without an example that only it, or it first, fits."""
    first = {next(k for k, (_, pattern) in enumerate(CAUSES) if pattern.search(line)) for line in LINES}
    assert first == set(range(len(CAUSES)))


def test_what_brings_others_about_stands_first() -> None:
    """An engine that dies for want of memory says both."""
    lines = ["EngineDeadError", "CUDA out of memory", "x" * 1000 + " Permission denied"]
    found = logged_causes(lines)
    assert [one.words for one in found] == ["out of GPU memory", "permission denied", "engine dead"]
    assert max(len(one.line) for one in found) <= LINE_SHOWN + 4
