"""The table of engines, and telling them apart by what they say."""

from __future__ import annotations

import pytest

from chaos.semantics.engines import ENGINES, Engine, engine_named, recognised


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_each_is_found_by_its_name_and_by_each_of_its_signs(engine: Engine) -> None:
    """One sign is enough, and none fits another engine."""
    assert engine_named(engine.name) is engine
    told = [{"owned_by": engine.owned_by}] if engine.owned_by else []
    told += [{"metrics": f'# HELP x y\n{one.name}{{a="b"}} 3\n'} for one in (*engine.running, *engine.finished)]
    told += [{"server": f"{engine.server} b1"}] if engine.server else []
    assert told
    assert {recognised(**said) for said in told} == {(engine, "")}


def test_the_version_comes_from_the_engines_own_path() -> None:
    """llama.cpp has it in /props, vLLM in /version; a word that is no version is none."""
    answers = {"/version": {"version": "0.32.0+cpu"}, "/props": {"build_info": "b6500-1a2b3c4"}}
    vllm, llama_cpp = engine_named("vllm"), engine_named("llama.cpp")
    assert recognised(owned_by="vllm", answers=answers) == (vllm, "0.32.0+cpu")
    assert recognised(server="llama.cpp", answers=answers) == (llama_cpp, "b6500-1a2b3c4")
    assert recognised(owned_by="vllm", answers={"/version": {"version": "<b>1</b>"}}) == (vllm, "")
    assert recognised(owned_by="vllm", answers={"/version": ["0.32.0"]}) == (vllm, "")


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"owned_by": "acme", "server": "uvicorn", "metrics": "python_info 1\nmodel_loads_total 3\nnv_x 1\n"},
        {"answers": {"/version": {"version": "1.0"}}},
        {"metrics": "vllm:num_requests_running 1\nsglang:num_running_reqs 1\n"},
        {"metrics": "# HELP vllm:num_requests_running nothing here\n"},
    ],
)
def test_what_does_not_tell_one_engine_tells_none(said: dict[str, str]) -> None:
    """A library's Server header, anybody's metrics and paths, and two engines at once decide nothing."""
    assert recognised(**said) is None  # type: ignore[arg-type]


def test_what_the_engine_calls_itself_decides_over_what_it_imitates() -> None:
    """A server that speaks another's interface beside its own is still itself."""
    answers = {"/api/version": {"version": "0.5.1"}, "/props": {"build_info": "b1"}}
    assert recognised(owned_by="llamacpp", answers=answers) == (engine_named("llama.cpp"), "b1")
    assert recognised(answers={"/api/version": {"version": "0.5.1"}}) == (engine_named("ollama"), "0.5.1")
    assert engine_named("mine") is None
