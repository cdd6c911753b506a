"""Pages of metrics as servers write them, and as they should not."""

from __future__ import annotations

import pytest

from chaos.semantics.exposition import LINE_MAX, SERIES_MAX, samples

PAGE = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="tiny"} 3.0
# TYPE vllm:request_success_total counter
vllm:request_success_total{engine="0",finished_reason="stop",model_name="tiny"} 12.0
vllm:request_success_total{engine="0",finished_reason="abort",model_name="tiny"} 1
llamacpp:requests_processing 2
python_gc_objects_collected_total{generation="0"} 9
"""


def test_only_what_is_wanted_is_read() -> None:
    """With its labels, in the order of the page."""
    found = samples(PAGE, {"vllm:request_success_total", "llamacpp:requests_processing"})
    assert found == (
        ("vllm:request_success_total", {"engine": "0", "finished_reason": "stop", "model_name": "tiny"}, 12.0),
        ("vllm:request_success_total", {"engine": "0", "finished_reason": "abort", "model_name": "tiny"}, 1.0),
        ("llamacpp:requests_processing", {}, 2.0),
    )


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("m 1", 1.0),
        ("m 1 1700000000000", 1.0),
        ("m 1.5e3", 1500.0),
        ("  m\t7 ", 7.0),
        ("m{} 2", 2.0),
        ('m{a="x",} 2', 2.0),
        ('m{ a = "x" , b="y" } 2', 2.0),
        ('m{a="} 9 #"} 2', 2.0),
        ('m{a="q\\"uo\\\\te\\n"} 2', 2.0),
        ('m 4 # {trace_id="abc"} 0.67 1700000000.1', 4.0),
        ('m_total{a="x"} 4 1700000000 # {trace_id="abc"} 9', None),
        ("m NaN", None),
        ("m +Inf", None),
        ("m -Inf", None),
        ("m", None),
        ("m{", None),
        ('m{a="x', None),
        ('m{a="x"', None),
        ("m{a=x} 1", None),
        ("m one", None),
        ("m 0x10", None),
        ("# m 1", None),
        ("mm 1", None),
        ("m\x00 1", None),
        ("m " + "1" * LINE_MAX, None),
    ],
)
def test_one_line(line: str, value: float | None) -> None:
    """Exemplars and timestamps are left out, what is no number is no sample."""
    found = samples(f"{line}\n", {"m"})
    assert [sample[2] for sample in found] == ([] if value is None else [value])


def test_of_a_series_that_stands_there_twice_the_last_counts() -> None:
    """Whatever the order of its labels."""
    assert samples('m{a="1",b="2"} 1\nm{b="2",a="1"} 3\n', {"m"}) == (("m", {"b": "2", "a": "1"}, 3.0),)


def test_what_help_and_type_say_decides_nothing() -> None:
    """They may be wrong, twice there, or in the middle of the samples."""
    page = '# TYPE m histogram\n# TYPE m counter\nm 1\n# HELP m \x1b[31m\n# TYPE other gauge\nm{a="1"} 2\n# EOF\n'
    assert [one[2] for one in samples(page, {"m"})] == [1.0, 2.0]


def test_a_label_with_a_value_for_each_user_is_bounded() -> None:
    """So many series are kept, and no more; long values are cut."""
    page = "".join(f'm{{user="{k}-{"x" * 500}"}} {k}\n' for k in range(3 * SERIES_MAX))
    found = samples(page, {"m"})
    assert len(found) == SERIES_MAX
    assert max(len(value) for _, labels, _ in found for value in labels.values()) < 200


def test_bad_lines_spoil_no_good_ones() -> None:
    """Binary, half a page, an error page of HTML."""
    assert samples("<html>\n\x00\xff{}{}\nm{a=\nm 5\nm{", {"m"}) == (("m", {}, 5.0),)
