"""What the report says is what the history holds."""

import json
import math
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import report_histories as made
from report_histories import Asked, at

from chaos.checks import Recovered
from chaos.checks.recovery.recovered import RecoveredDetail
from chaos.checks.verdict import Verdict
from chaos.history import History, Stream
from chaos.slo import Slo, read_slo
from reports import Report, summarise, to_json
from reports.page.report import page

NOTHING_JUDGED = Verdict(())


def asked(table: Asked, **other: object) -> Report:
    """A report on 60 s of pods that do nothing and these requests."""
    return summarise(made.history(60, made.INITIAL, table, 10, traffic_s=(0, 60), **other), NOTHING_JUDGED)


@pytest.mark.parametrize("count", [1, 2, 99, 100, 101, 199, 200, 201, 700, 1000])
def test_p99_is_the_one_that_the_slo_is_judged_by(count: int) -> None:
    """The report's p99 over the trial and `read_slo` agree to the microsecond, for any number of requests."""
    table = Asked(count).ask(0, count / 10, 10, outcome="failed", share=0.005)
    judged = read_slo(table.table(), Slo(latency_p99_s=1.0)).latency
    report = summarise(made.history(200, made.INITIAL, table, 10, traffic_s=(0, 200)), NOTHING_JUDGED)
    assert judged is not None
    assert report.key.p99_s == pytest.approx(judged.p99_s, abs=1e-6)


def test_unanswered_requests_are_infinite_in_percentiles() -> None:
    """With two in a hundred refused, p99 is infinite and p50 is not."""
    report = asked(Asked().ask(0, 49, 10).ask(49, 50, 10, outcome="refused"))
    assert report.key.p99_s == math.inf
    assert report.key.p50_s is not None
    assert report.key.p50_s < 1


def test_unsent_requests_are_the_generators_and_not_the_users() -> None:
    """Unsent requests are counted, and are neither valid nor a failure of the service."""
    report = asked(Asked().ask(0, 30, 10).ask(30, 40, 10, outcome="unsent"))
    assert (report.key.requests, report.key.valid, report.key.unsent) == (400, 300, 100)
    assert report.key.answered_share == 1.0
    assert sum(n or 0 for n in report.heat.unanswered) == 0


def test_every_request_is_in_exactly_one_place() -> None:
    """Buckets of traffic, latency and heat map each add up to the records."""
    history, verdict = made.bad_run()
    report = summarise(history, verdict)
    assert sum(n or 0 for n in report.traffic.offered) == history.requests.height
    assert sum(n or 0 for n in report.latency.n) == report.key.valid
    assert sum(report.heat.n) + sum(n or 0 for n in report.heat.unanswered) == report.key.valid
    assert sum(report.traffic.totals.values()) == history.requests.height


def test_a_rate_is_per_second_of_traffic() -> None:
    """Traffic that begins in the middle of a bucket shows its true rate there, not half of it."""
    table = Asked().ask(2.5, 58, 10)
    report = summarise(made.history(60, made.INITIAL, table, 10, traffic_s=(2.5, 58)), NOTHING_JUDGED)
    assert report.traffic.offered[2] == 5
    assert report.traffic.offered_rps[2] == pytest.approx(10)
    assert report.traffic.offered_rps[1] is None


def test_missing_records_are_unknown_and_not_zero() -> None:
    """Where traffic was due and no record is, every column holds None, and the span is named as missing."""
    report = asked(Asked().ask(0, 20, 10).ask(40, 60, 10))
    assert report.traffic.offered[20:40] == (None,) * 20
    assert report.traffic.answered_rps[20:40] == (None,) * 20
    assert [(hole.begin_ns, hole.end_ns) for hole in report.traffic.missing] == [(at(20), at(40))]
    assert report.key.silent_s == 20


def test_no_traffic_is_not_missing_data() -> None:
    """Between two streams nothing was due: no count, and nothing missing."""
    table = Asked().ask(0, 20, 10).ask(40, 60, 10)
    streams = tuple(Stream(f"s{k}", "steady", 10, at(a), at(a + 20), "http", "lab") for k, a in enumerate((0, 40)))
    report = asked(table, streams=streams)
    assert report.traffic.offered[20:40] == (None,) * 20
    assert report.traffic.missing == ()


def test_thin_buckets_are_marked() -> None:
    """Buckets of fewer than a hundred requests are thin, fuller ones are not."""
    thin = asked(Asked().ask(0, 60, 10))
    full = summarise(made.history(60, made.INITIAL, Asked().ask(0, 60, 120), 120, traffic_s=(0, 60)), NOTHING_JUDGED)
    assert all(thin.latency.thin)
    assert not any(full.latency.thin)


def test_a_window_holds_the_requests_whose_life_overlaps_the_fault() -> None:
    """A request sent before the fault and cut by it counts as during; each request counts once."""
    table = Asked().ask(0, 29, 10).ask(29, 30, 10, outcome="truncated", fails_after_s=5).ask(30, 60, 10)
    victim, replacement = made.replaced(made.VICTIM, 30.1, 38.0, "model-6f7d9c-zr8c5", "n2")
    pods = (victim, replacement)
    history = made.history(60, pods, table, 10, traffic_s=(0, 60), faults=(made.fault(30, 40, made.VICTIM),))
    before, during, after = summarise(history, NOTHING_JUDGED).windows
    assert (before.unanswered, during.unanswered, after.unanswered) == (0, 10, 0)
    assert before.requests + during.requests + after.requests == 600
    assert during.p99_s == math.inf


def test_the_losses_are_those_of_the_finding() -> None:
    """The table has the numbers of the finding on recovery: the steps add up, and the bound is the loss's own."""
    history, verdict = made.good_run()
    report = summarise(history, verdict)
    (loss,) = report.losses
    assert (loss.victim, loss.replacement, loss.path) == (made.VICTIM.name, "model-6f7d9c-zr8c5", "replaced")
    first, *rest = loss.steps
    assert [step.name for step in loss.steps] == ["unready", "replacement created", "scheduled", "started", "Ready"]
    assert first.seconds == pytest.approx(0.1)
    assert sum(step.seconds or 0 for step in rest) == pytest.approx(8.1)
    assert report.key.slowest_recovery_s == pytest.approx(8.2)
    (finding,) = (one for one in verdict.findings if one.check == "recovered")
    assert isinstance(finding.detail, RecoveredDetail)
    assert report.losses == finding.detail.losses


def test_two_victims_have_two_replacements() -> None:
    """No pod makes good two victims."""
    report = summarise(*made.bad_run())
    taken = [loss for loss in report.losses if loss.path == "replaced"]
    assert len({loss.replacement for loss in taken}) == len(taken) == 2
    assert report.key.slowest_recovery_s == pytest.approx(22.0)


def test_a_victim_restarted_in_place_recovers_in_place() -> None:
    """A victim that lost Ready and got it back without leaving is its own replacement."""
    plan = replace(made.VICTIM, unready=((30.5, 41.0),))
    pods = tuple(plan if pod is made.VICTIM else pod for pod in made.INITIAL)
    history = made.history(60, pods, Asked(), 0, faults=(made.fault(30, 40, plan),))
    (loss,) = summarise(history, Verdict.of([Recovered()(history)])).losses
    assert (loss.path, loss.replacement, loss.seconds) == ("returned", plan.name, 10.5)
    assert [(step.name, step.seconds) for step in loss.steps] == [("unready", 0.5), ("Ready", 10.5)]


def test_without_a_finding_on_recovery_no_table_claims_one() -> None:
    """Losses that nobody judged are counted, and not shown as if somebody had."""
    history, _ = made.good_run()
    report = summarise(history, NOTHING_JUDGED)
    assert (report.losses, report.recoveries, report.key.victims, report.key.recovered) == ((), (), 1, 1)


def test_what_a_lost_node_waits_for_is_the_longest_stage() -> None:
    """A stage before the loss counts: a node that is noticed after 16 s costs more than its replica's start of 8 s."""
    victim, replacement = made.replaced(made.VICTIM, 46.0, 54.0, "model-6f7d9c-zr8c5", "n2")
    history = made.history(90, (victim, replacement), Asked(), 0, faults=(made.fault(30, 60, made.VICTIM),))
    key = summarise(history, NOTHING_JUDGED).key
    assert (key.longest_stage, key.longest_stage_s) == ("unready", pytest.approx(16.0))
    assert key.slowest_recovery_s == pytest.approx(24.0)


def test_a_fault_that_missed_struck_nobody() -> None:
    """A pod that went away by itself is not blamed on a fault that was never injected."""
    plan = replace(made.VICTIM, terminating_s=31.0, gone_s=32.0)
    missed = replace(made.fault(30, 40, plan), landed_ns=None, missed="refused by the API server")
    report = summarise(made.history(60, (plan,), Asked(), 0, faults=(missed,)), NOTHING_JUDGED)
    assert report.lanes.shown[0].struck_ns is None
    assert (report.key.faults_landed, report.key.victims) == (0, 0)
    assert report.windows == ()


def test_lanes_of_struck_pods_come_first_when_there_are_too_many() -> None:
    """Of a hundred pods the struck one is among those shown, and the report says of how many."""
    crowd = tuple(made.PodPlan(f"model-6f7d9c-{k:05d}", "n1", -1, None) for k in range(100))
    dead = replace(crowd[77], terminating_s=30.0, gone_s=30.5)
    pods = (*crowd[:77], dead, *crowd[78:])
    report = summarise(made.history(60, pods, Asked(), 0, faults=(made.fault(30, 40, dead),)), NOTHING_JUDGED)
    assert report.lanes.total == 100
    assert len(report.lanes.shown) == 40
    assert [lane.name for lane in report.lanes.shown if lane.struck_by] == [dead.name]


def test_a_killed_run_has_a_report() -> None:
    """A run that died keeps its fault open, says how it ended, and takes nothing unseen for recovered."""
    report = summarise(*made.killed_run())
    assert "died before its end" in report.headline.how_it_ended
    last = report.faults[-1]
    assert (last.healed_ns, last.end_ns) == (None, report.headline.ended_ns)
    assert report.key.recovered < report.key.victims


def test_an_empty_history_has_a_report() -> None:
    """A history without anything in it, judged by nothing, is UNKNOWN and does not break."""
    empty = History(facts=made.facts(), began_ns=at(0), ended_ns=at(0), finished=False)
    report = summarise(empty, NOTHING_JUDGED)
    assert report.headline.answer == "UNKNOWN"
    assert report.key.answered_share is None
    assert report.ready.points == ()


def test_tokens_are_measured_only_where_there_are_any() -> None:
    """Without streams of tokens there is no such series; with them a request without a first token is infinite."""
    assert asked(Asked().ask(0, 60, 10)).tokens is None
    streamed = asked(Asked().ask(0, 50, 10, tokens=True).ask(50, 51, 10, outcome="truncated", tokens=True)).tokens
    assert streamed is not None
    assert math.inf in streamed.first_p99_s
    assert (streamed.n, streamed.gaps) == (510, 1000)


def test_the_run_folder_is_named_with_what_it_holds_and_lacks(tmp_path: Path) -> None:
    """Files of the run are listed with size and hash, absent ones as absent."""
    (tmp_path / "watch.jsonl").write_bytes(b"abc")
    report = summarise(*made.good_run(), run=tmp_path)
    files = {file.name: file for file in report.evidence}
    assert files["watch.jsonl"].size_bytes == 3
    assert files["watch.jsonl"].sha256.startswith("ba7816bf")
    assert files["requests.jsonl"].size_bytes is None


@pytest.mark.parametrize("run", [made.good_run, made.bad_run, made.unknown_run, made.killed_run, made.silent_run])
def test_the_json_is_strict(run: object) -> None:
    """The JSON holds no NaN and no bare Infinity, which other readers refuse."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    text = to_json(summarise(*run()))  # type: ignore[operator]  # one of the makers above
    assert json.loads(text, parse_constant=refuse)["headline"]["scenario"].startswith("test_")


def test_each_pod_is_credited_with_what_it_answered() -> None:
    """By the name that an answer carries; a pod that answered none has 0, and without any name nothing is known."""
    table = Asked().ask(0, 10, 10).ask(10, 12, 10, outcome="failed")
    named = table.table().with_columns(replica=pl.lit(made.INITIAL[0].name))
    history = made.history(60, made.INITIAL, table, 10, traffic_s=(0, 60))
    counted = {
        lane.name: lane.answered for lane in summarise(replace(history, requests=named), NOTHING_JUDGED).lanes.shown
    }
    assert counted == {plan.name: 100 if plan is made.INITIAL[0] else 0 for plan in made.INITIAL}
    assert {lane.answered for lane in summarise(history, NOTHING_JUDGED).lanes.shown} == {None}


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ({"name": "llama.cpp", "version": "b6500"}, "llama.cpp b6500"),
        ({"name": "vllm", "version": ""}, "vLLM"),
        ({"name": "", "version": ""}, ""),
        (None, ""),
    ],
)
def test_the_engine_and_its_version_are_named(engine: object, words: str) -> None:
    """As gameday.toml has them; runs from before have none."""
    history, verdict = made.good_run()
    raw = dict(history.facts.raw)
    raw["system"] = {**raw["system"], "engine": engine}
    told = summarise(replace(history, facts=replace(history.facts, raw=raw)), verdict)
    assert told.headline.engine == words
    assert (f"<i>·</i> {words} <i>·</i>" in page(told)) is bool(words)
