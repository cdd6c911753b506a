"""What a replica has done since it started, as Prometheus reads it (text exposition format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .chat import Piece

__all__ = ["CONTENT_TYPE", "Counts", "exposition"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Counts:
    """Counters. `requests` is keyed by outcome: ok, refused, overloaded, failed or cancelled."""

    requests: Counter[str] = field(
        default_factory=lambda: Counter(dict.fromkeys(("ok", "refused", "overloaded", "failed", "cancelled"), 0))
    )
    prompt_tokens: int = 0
    completion_tokens: int = 0
    self_checks: int = 0

    def tokens(self, part: Piece) -> None:
        """Count what a piece brings: one token of answer, or at the end the prompt's."""
        if part.text:
            self.completion_tokens += 1
        if part.usage:
            self.prompt_tokens += part.usage["prompt_tokens"]


def exposition(counts: Counts, gauges: Mapping[str, tuple[str, float]]) -> str:
    """The metrics as text; `gauges` maps a name to its help and value."""
    return "\n".join(_lines(counts, gauges)) + "\n"


def _lines(counts: Counts, gauges: Mapping[str, tuple[str, float]]) -> Iterator[str]:
    yield from _head("requests_total", "counter", "Chat requests that ended, by outcome.")
    for outcome, number in counts.requests.items():
        yield f'model_requests_total{{outcome="{outcome}"}} {number}'
    yield from _head("tokens_total", "counter", "Tokens read and generated for users.")
    yield f'model_tokens_total{{kind="prompt"}} {counts.prompt_tokens}'
    yield f'model_tokens_total{{kind="completion"}} {counts.completion_tokens}'
    yield from _head("self_checks_total", "counter", "Tokens generated to see whether the idle engine answers.")
    yield f"model_self_checks_total {counts.self_checks}"
    for name, (words, value) in gauges.items():
        yield from _head(name, "gauge", words)
        yield f"model_{name} {value:g}"


def _head(name: str, kind: str, words: str) -> tuple[str, str]:
    return f"# HELP model_{name} {words}", f"# TYPE model_{name} {kind}"
