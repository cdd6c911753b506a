"""What broke first: the moments that matter, in order, and on the page of whatever did not pass."""

import report_histories as made
from report_cluster import drained_run
from report_histories import at

from chaos.checks.verdict import Verdict
from reports import Report, summarise
from reports.page.report import page


def told(report: Report) -> list[tuple[int, str]]:
    """The story as seconds and words."""
    return [((moment.at_ns - made.ZERO_NS) // 100_000_000, moment.text) for moment in report.story]


def test_a_failed_trial_tells_cause_loss_and_users_in_order() -> None:
    """The fault, the replicas that fell, the first bad request, the last one, and the return."""
    report = summarise(*made.bad_run())
    words = [text for _, text in told(report)]
    assert words[0].startswith("pod-kill-1 began")
    assert words[1].startswith("first of 2 replicas lost, terminated: ")
    assert words[2] == "ready replicas fell to 3 of 4"
    lowest = words.index("ready replicas at their lowest: 0 of 4")
    first = next(k for k, text in enumerate(words) if "bad requests" in text)
    assert first < lowest, "users met a sick replica before all were gone"
    assert words[-1] == "all desired replicas ready again"
    moments = [moment.at_ns for moment in report.story]
    assert moments == sorted(moments)


def test_the_first_bad_request_is_told_with_the_true_count() -> None:
    """How many were bad is what the report counts: valid less answered."""
    report = summarise(*made.bad_run())
    (first,) = [text for _, text in told(report) if text.startswith("first of ") and "bad" in text]
    assert first.startswith(f"first of {report.key.valid - report.key.answered} bad requests")


def test_the_generator_s_own_failures_are_not_told_as_users_trouble() -> None:
    """A request that was never sent is not a bad request of the service."""
    assert not [text for _, text in told(summarise(*made.unknown_run())) if "bad request" in text]


def test_a_gap_and_an_eviction_are_told() -> None:
    """The story has the gap of the watch and the first eviction of each answer."""
    assert any("missed 7.0 s" in text for _, text in told(summarise(*made.unknown_run())))
    words = [text for _, text in told(summarise(*drained_run()))]
    assert any(text.startswith("first of 2 evictions accepted") for text in words)
    assert any(text.startswith("first of 2 evictions refused") for text in words)
    assert any(text.startswith("node-drain-1 finished: 2 of 2 pods gone") for text in words)


def test_only_what_did_not_pass_shows_it() -> None:
    """A reader of a passing trial needs no cause; one of a failing trial finds it before the findings."""
    assert "What broke first" not in page(summarise(*made.good_run()))
    text = page(summarise(*made.bad_run()))
    assert text.index("What broke first") < text.index(">Findings ")


def test_a_trial_in_which_nothing_happened_tells_nothing() -> None:
    """Without faults, losses and requests there is no story."""
    history = made.history(20, made.INITIAL, made.Asked(), 0)
    assert told(summarise(history, Verdict(()))) == []
    assert history.began_ns == at(0)
