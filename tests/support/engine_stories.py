"""Stories of servers that expose metrics: what they count is told from what the story's clients got."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from histories import Story, at, pod, request

from chaos.clock import NS
from chaos.history import EngineNames, EngineRecord, EngineSample

__all__ = ["VLLM", "Values", "disconnected_story", "ended_by", "metered", "restarted_pod", "served_story", "values"]

VLLM = EngineNames(
    name="vllm",
    title="vLLM",
    running=(("vllm:num_requests_running", "", ""),),
    waiting=(("vllm:num_requests_waiting", "", ""),),
    cache_use=(("vllm:kv_cache_usage_perc", "", ""), ("vllm:gpu_cache_usage_perc", "", "")),
    generated_tokens=(("vllm:generation_tokens_total", "", ""),),
    finished=(("vllm:request_success_total", "", ""),),
    finished_label="finished_reason",
    cut_reasons=("abort", "error"),
    preemptions=(("vllm:num_preemptions_total", "", ""),),
)

Values = tuple[tuple[str, Mapping[str, str], float], ...]


def values(
    *, stop: float = 0, abort: float = 0, running: float = 0, tokens: float | None = None, preempted: float = 0
) -> Values:
    """What a page of vLLM says."""
    model = {"model_name": "tiny", "engine": "0"}
    return (
        ("vllm:num_requests_running", model, running),
        ("vllm:num_requests_waiting", model, 0.0),
        ("vllm:kv_cache_usage_perc", model, running / 10),
        ("vllm:generation_tokens_total", model, stop * 8 if tokens is None else tokens),
        ("vllm:request_success_total", {**model, "finished_reason": "stop"}, stop),
        ("vllm:request_success_total", {**model, "finished_reason": "abort"}, abort),
        ("vllm:num_preemptions_total", model, preempted),
    )


def metered(
    story: Story,
    says: Callable[[str, float], Values | str | None],
    *,
    uids: Sequence[str] = ("a", "b", "c"),
) -> Story:
    """Let each replica be asked every second: `says` gives its page at a second of the trial, or an error, or None."""
    samples: list[EngineSample] = []
    for now_s in (k + 0.2 for k in range(118)):
        for uid in uids:
            said = says(uid, now_s)
            if said is not None:
                one = EngineSample(at(now_s) + NS // 100, at(now_s), f"model-{uid}", uid, "vllm")
                samples.append(replace(one, error=said) if isinstance(said, str) else replace(one, values=said))
    return story.has(engine=EngineRecord({"vllm": VLLM}, tuple(samples)))


def ended_by(story: Story, uid: str, now_s: float) -> int:
    """How many requests a replica had answered by then."""
    name = f"model-{uid}"
    return sum(
        row["end_ns"] <= at(now_s) and row["outcome"] == "ok" and row.get("replica") == name for row in story.rows
    )


def served_story(*, named: bool = True, others: Callable[[str, float], int] = lambda _uid, _s: 0) -> Story:
    """Three replicas of vLLM under even traffic, none of which is lost; each counts what its clients got.

    `others`: how many requests of somebody else a replica has answered by a second of the trial.
    """
    story = Story().replicas("a", "b", "c").traffic(begin_s=2, end_s=102)
    for k, row in enumerate(story.rows):
        row["replica"] = f"model-{'abc'[k % 3]}"
    story = metered(story, lambda uid, s: values(stop=1000 + ended_by(story, uid, s) + others(uid, s)))
    if not named:
        for row in story.rows:
            row["replica"] = None
    return story


def disconnected_story(
    *,
    held_s: float = 1.0,
    leaks: bool = False,
    others: Callable[[float], float] = lambda _s: 0.0,
    later: Sequence[float] = (70.0, 80.0, 90.0),
) -> Story:
    """One replica, whose clients leave at 30, 40 and 50 s; it stops computing `held_s` later, or never.

    It answers others in a second each at these moments `later`.
    """
    story = Story().replicas("a").traffic(end_s=100)
    story.rows.clear()
    story.has(streams=(), generator=())
    left_s = (30.0, 40.0, 50.0)
    for number, second in enumerate(left_s):
        row = request(number, "steady-1", at(second - 2), latency_s=2.0)
        story.rows.append(row | {"outcome": "disconnected", "replica": "model-a"})
    for number, second in enumerate(later, len(left_s)):
        story.rows.append(request(number, "steady-1", at(second), latency_s=1.0) | {"replica": "model-a"})

    def page(now_s: float) -> Values:
        ours = sum(second - 2 <= now_s and (leaks or now_s < second + held_s) for second in left_s)
        ours += sum(second <= now_s < second + 2 for second in later)  # a step later than it ends
        return values(running=ours + others(now_s), stop=sum(second + 1 <= now_s for second in later))

    return metered(story, lambda _uid, s: page(s), uids=("a",))


def restarted_pod(uid: str, restarts: int, **changes: Any) -> dict[str, Any]:
    """A replica whose container was restarted so often."""
    return pod(uid, ready=True, restarts=restarts, **changes)
