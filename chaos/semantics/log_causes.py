"""What known lines of logs mean: patterns as data, for people who read why a container ended. Never a judgement.

The words are those that the programs themselves print: the kernel, CUDA and NCCL, Python, vLLM, SGLang, llama.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["CAUSES", "LogCause", "logged_causes"]

LINE_SHOWN = 200
"""Characters of a line that are quoted."""


@dataclass(frozen=True, slots=True)
class LogCause:
    """A cause as a log names it: in a few words, and the line."""

    words: str
    line: str


CAUSES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (words, re.compile(pattern))
    for words, pattern in (
        ("out of GPU memory", r"(?:CUDA|HIP) (?:error: )?out of memory|cudaErrorMemoryAllocation|cudaMalloc failed"),
        ("out of GPU memory", r"[Nn]o available memory for the cache blocks|than the available KV cache memory"),
        ("out of memory", r"\bMemoryError\b|std::bad_alloc|[Cc]annot allocate memory|[Oo]ut of memory|oom-kill"),
        ("GPU lost (Xid)", r"\bNVRM: Xid|\bXid \(PCI|fallen off the bus|uncorrectable ECC"),
        ("CUDA failed", r"CUDA error: |illegal memory access was encountered|device-side assert triggered"),
        ("CUDA failed", r"CUDA driver (?:version is insufficient|initialization failed)|No CUDA GPUs are available"),
        ("NCCL", r"\bNCCL (?:error|WARN)|\bNCCL\b.*\b[Tt]ime(?:d )?out"),
        ("NCCL", r"\bnccl(?:Internal|System|Remote|UnhandledCuda|InvalidUsage)Error"),
        ("address in use", r"[Aa]ddress already in use|\bEADDRINUSE\b|couldn't bind"),
        (
            "model not found",
            r"(?:[Mm]odel|[Ww]eights|gguf|safetensors|config\.json)\b.{0,120}(?:[Nn]ot found|does not exist)",
        ),
        ("model not found", r"[Nn]o such file or directory.{0,120}(?:model|gguf|weights|safetensors|config\.json)"),
        ("model not found", r"(?:model|gguf|weights|safetensors|config\.json).{0,120}[Nn]o such file or directory"),
        ("model not found", r"Repository Not Found|(?:failed to|error) load(?:ing)? model"),
        ("permission denied", r"[Pp]ermission denied|\bEACCES\b|\bPermissionError\b"),
        ("no space left", r"[Nn]o space left on device|\bENOSPC\b|[Dd]isk quota exceeded"),
        (
            "engine dead",
            r"\b(?:Async)?EngineDeadError\b|\bengine (?:process )?(?:is dead|died)|Scheduler hit an exception",
        ),
        ("engine dead", r"\b[Ee]ngine ?[Cc]ore (?:encountered|initialization failed|failed|died)"),
        ("crashed", r"[Ss]egmentation fault|\bSIGSEGV\b|core dumped|^panic: |GGML_ASSERT"),
    )
)
"""What a line says, in a few words, by its pattern; what brings others about stands before these."""

HINTS = (
    *(
        "memory",
        "bad_alloc",
        "oom",
        "cuda",
        "hip",
        "xid",
        "off the bus",
        "ecc",
        "device-side",
        "nccl",
        "address",
        "bind",
    ),
    *("eaddrinuse", "not found", "not exist", "no such file", "load", "permission", "eacces", "no space", "enospc"),
    *("quota", "engine", "scheduler", "segmentation", "sigsegv", "core dumped", "panic", "ggml_assert"),
)
"""A line that any pattern fits holds one of these, in lower case: nearly all lines hold none, and are soon done."""

WORDS = tuple(dict.fromkeys(words for words, _ in CAUSES))


def logged_causes(lines: Iterable[str]) -> tuple[LogCause, ...]:
    """The causes that these lines name, each once by its last line, in the order of the table.

    Of several patterns that fit a line the first counts.
    """
    found: dict[str, LogCause] = {}
    for line in lines:
        low = line.lower()
        if not any(hint in low for hint in HINTS):
            continue
        words = next((words for words, pattern in CAUSES if pattern.search(line)), None)
        if words is not None:
            found[words] = LogCause(words, line if len(line) <= LINE_SHOWN else f"{line[:LINE_SHOWN]} […]")
    return tuple(found[words] for words in WORDS if words in found)
