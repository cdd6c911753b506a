"""Model servers, known by what they say: their paths, and the names of their metrics.

The rows follow the engines' own sources. Engines rename metrics between versions, so a quantity has all its names, the
newest first: of those that a server exposes the first counts. An empty tuple: the engine does not tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ENGINES", "Engine", "Series", "engine_named", "recognised"]

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Series:
    """A metric in the text exposition; with `label`, only its samples that have that value of it."""

    name: str
    label: str = ""
    value: str = ""


def _series(*names: str) -> tuple[Series, ...]:
    return tuple(map(Series, names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One kind of model server.

    Attributes:
        name: as in gameday.toml.
        title: for people.
        metrics_path: the text exposition; empty: there is none.
        metrics_port: where that is another port than the one that serves.
        version_path: an answer of JSON that has `version_key`; empty: the engine does not tell.
        running: requests that are being computed, a gauge.
        waiting: requests that wait to be, a gauge.
        cache_use: share of the KV cache in use, a gauge from 0 to 1.
        generated_tokens: counter.
        finished: counter of requests that ended, by `finished_label`.
        finished_label: its label that says how; empty: all samples are cut requests.
        cut_reasons: its values that mean that the answer is not whole; clients that went away are among them.
        preemptions: counter of requests whose computation was thrown away, to begin again.
        owned_by: what /v1/models has there; empty: nothing that tells the engine.
        metrics_prefix: of all its metrics.
        server: how its header `Server` begins; empty: it names a library, not the engine.
        live_gauges: they are worked out as they are read. Others are written as the engine steps: one that has nothing
            to do any more may go on showing what it ran last (vllm-project/vllm#29928, sgl-project/sglang#31517).
    """

    name: str
    title: str
    metrics_path: str = "/metrics"
    metrics_port: int | None = None
    version_path: str = ""
    version_key: str = "version"
    running: tuple[Series, ...] = ()
    waiting: tuple[Series, ...] = ()
    cache_use: tuple[Series, ...] = ()
    generated_tokens: tuple[Series, ...] = ()
    finished: tuple[Series, ...] = ()
    finished_label: str = ""
    cut_reasons: tuple[str, ...] = ()
    preemptions: tuple[Series, ...] = ()
    owned_by: str = ""
    metrics_prefix: str = ""
    server: str = ""
    live_gauges: bool = False


ENGINES: tuple[Engine, ...] = (
    Engine(
        name="vllm",
        title="vLLM",
        version_path="/version",
        running=_series("vllm:num_requests_running"),
        waiting=_series("vllm:num_requests_waiting"),
        cache_use=_series("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        generated_tokens=_series("vllm:generation_tokens_total"),
        finished=_series("vllm:request_success_total"),
        finished_label="finished_reason",
        cut_reasons=("abort", "error"),
        preemptions=_series("vllm:num_preemptions_total"),
        owned_by="vllm",
        metrics_prefix="vllm:",
    ),
    Engine(
        name="sglang",
        title="SGLang",
        version_path="/get_server_info",
        running=_series("sglang:num_running_reqs"),
        waiting=_series("sglang:num_queue_reqs"),
        cache_use=_series("sglang:token_usage"),
        generated_tokens=_series("sglang:generation_tokens_total"),
        finished=_series("sglang:num_aborted_requests_total"),
        preemptions=_series("sglang:num_retracted_requests_total", "sglang:num_retracted_reqs_total"),
        owned_by="sglang",
        metrics_prefix="sglang:",
    ),
    Engine(
        name="tgi",
        title="Text Generation Inference",
        version_path="/info",
        running=_series("tgi_batch_current_size"),
        waiting=_series("tgi_queue_size"),
        generated_tokens=_series("tgi_request_generated_tokens_sum"),
        finished=_series("tgi_request_failure"),
        finished_label="err",
        cut_reasons=("generation", "incomplete"),
        metrics_prefix="tgi_",
    ),
    Engine(
        name="llama.cpp",
        title="llama.cpp",
        version_path="/props",
        version_key="build_info",
        running=_series("llamacpp:requests_processing"),
        waiting=_series("llamacpp:requests_deferred"),
        cache_use=_series("llamacpp:kv_cache_usage_ratio"),
        generated_tokens=_series("llamacpp:tokens_predicted_total"),
        owned_by="llamacpp",
        metrics_prefix="llamacpp:",
        live_gauges=True,
        server="llama.cpp",
    ),
    Engine(
        name="triton",
        title="Triton Inference Server",
        metrics_port=8002,
        version_path="/v2",
        running=(Series("nv_trt_llm_request_metrics", "request_type", "active"),),
        waiting=(
            Series("nv_trt_llm_request_metrics", "request_type", "waiting"),
            Series("nv_inference_pending_request_count"),
        ),
        cache_use=(Series("nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "fraction"),),
        finished=_series("nv_inference_request_failure"),
        finished_label="reason",
        cut_reasons=("BACKEND", "CANCELED", "OTHER"),
        owned_by="Triton Inference Server",
        metrics_prefix="nv_",
    ),
    Engine(
        name="ollama",
        title="Ollama",
        metrics_path="",
        version_path="/api/version",
        owned_by="library",
    ),
    Engine(
        name="gameday",
        title="gameday's reference server",
        running=_series("model_requests_running"),
        waiting=_series("model_requests_waiting"),
        generated_tokens=(Series("model_tokens_total", "kind", "completion"),),
        finished=_series("model_requests_total"),
        finished_label="outcome",
        cut_reasons=("failed", "cancelled"),
        owned_by="gameday",
        metrics_prefix="model_",
        live_gauges=True,
    ),
)


def engine_named(name: str) -> Engine | None:
    """The engine that gameday.toml calls so; None: none of these."""
    return next((engine for engine in ENGINES if engine.name == name), None)


def recognised(
    *, owned_by: str = "", metrics: str = "", server: str = "", answers: Mapping[str, Any] | None = None
) -> tuple[Engine, str] | None:
    """Which engine said this, and its version (empty: untold); None where nothing decides.

    `owned_by`: of the model in /v1/models. `metrics`: the text exposition. `server`: the header. `answers`: what each
    engine's `version_path` answered with 200, parsed, by path. The first of these that fits one engine alone decides.
    """
    heard = answers or {}
    names = re.findall(r"^[A-Za-z_:][\w:]*", metrics, re.MULTILINE)
    signs = (
        [engine for engine in ENGINES if engine.owned_by and engine.owned_by == owned_by],
        [engine for engine in ENGINES if engine.metrics_prefix and _prefixed(engine, names)],
        [engine for engine in ENGINES if engine.server and server.lower().startswith(engine.server)],
        # Many servers have a /version: that path alone tells no engine.
        [engine for engine in ENGINES if engine.version_path != "/version" and _version(engine, heard)],
    )
    found = next((fits[0] for fits in signs if len(fits) == 1), None)
    return None if found is None else (found, _version(found, heard))


def _prefixed(engine: Engine, names: list[str]) -> bool:
    """Whether the metrics are this engine's: prefixes such as `model_` are anybody's, the names of its own are not."""
    own = {one.name for one in (*engine.running, *engine.waiting, *engine.generated_tokens, *engine.finished)}
    return any(
        name in own or (":" in engine.metrics_prefix and name.startswith(engine.metrics_prefix)) for name in names
    )


def _version(engine: Engine, answers: Mapping[str, Any]) -> str:
    answer = answers.get(engine.version_path)
    said = answer.get(engine.version_key) if isinstance(answer, Mapping) else None
    return said if isinstance(said, str) and _VERSION.fullmatch(said) else ""
