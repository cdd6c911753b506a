"""What the panels of disruption budgets, nodes, autoscalers and objectives say is what the server said."""

from dataclasses import replace

import report_histories as made
from report_cluster import autoscaler, budget, drained_run, evicted, node, pod_evicted, with_events
from report_histories import at
from report_pages import parse

from chaos.checks.verdict import Answer, Finding, Verdict
from chaos.history import Gap
from reports import Report, summarise
from reports.page.panels import panels
from reports.page.report import page
from reports.page.svg import axis_of

NOTHING = Verdict(())


def base(*events: object, **other: object) -> Report:
    """A report on a good run with these events besides."""
    history, _ = made.good_run()
    return summarise(with_events(replace(history, **other), *events), NOTHING)  # type: ignore[arg-type]  # watch events


def readings(report: Report, panel: str) -> dict[int, str]:
    """The read-out of one panel, by its millisecond."""
    axis = axis_of(report.headline.began_ns, report.headline.ended_ns)
    (found,) = [one for one in panels(report, axis) if one.id == panel]
    return dict(found.readout)


def test_a_budget_is_not_known_before_its_controller_has_counted() -> None:
    """The zeros of a status that speaks of no wish are no counts: the span is a gap, and no point is there."""
    report = base(budget(2, "ADDED"), budget(4, "MODIFIED", 1, 4, 3, observed=1))
    (course,) = report.budgets
    assert course.allowed.points == ((at(4), 1),)
    assert (course.healthy.points, course.desired.points) == (((at(4), 4),), ((at(4), 3),))
    assert [(hole.begin_ns, hole.end_ns) for hole in course.allowed.missing] == [(at(2), at(4))]


def test_a_changed_wish_makes_the_old_count_unknown() -> None:
    """Between a new wish and the count by it nothing is known, and both wishes are named."""
    report = base(
        budget(0.05, "LISTED", 1, 4, 3, observed=1),
        budget(20, "MODIFIED", 1, 4, 3, generation=2, observed=1, spec={"minAvailable": 4}),
        budget(22, "MODIFIED", 0, 4, 4, generation=2, observed=2, spec={"minAvailable": 4}),
    )
    (course,) = report.budgets
    assert [bound.text for bound in course.bounds] == ["maxUnavailable 1", "minAvailable 4"]
    assert [(hole.begin_ns, hole.end_ns) for hole in course.allowed.missing] == [(at(20), at(22))]
    told = readings(report, "budget-0")
    assert told[20_000].startswith("healthy not known, must stay not known, may go not known")
    assert told[22_000].startswith("healthy 4, must stay 4, may go 0")


def test_a_deleted_budget_ends() -> None:
    """From its deletion on a disruption budget counts nothing."""
    report = base(budget(0.05, "LISTED", 1, 4, 3, observed=1), budget(30, "DELETED", 1, 4, 3, observed=1))
    (hole,) = report.budgets[0].allowed.missing
    assert (hole.begin_ns, hole.end_ns, hole.reason) == (at(30), report.headline.ended_ns, "it was deleted")


def test_evictions_are_told_apart_by_their_answer() -> None:
    """Only status 429 with the cause DisruptionBudget is a refusal; other errors failed, silence is not known."""
    history, _ = made.good_run()
    actions = (
        evicted(1, 20, made.INITIAL[0]),
        evicted(2, 21, made.INITIAL[1], "fail", status=429, causes=["DisruptionBudget"], reason="429 no"),
        evicted(3, 22, made.INITIAL[1], "fail", status=429, reason="429 Too many requests"),
        evicted(4, 23, made.INITIAL[2], "fail", status=500, reason="500"),
        evicted(5, 24, made.INITIAL[2], "info", reason="timeout"),
        evicted(6, 25, made.INITIAL[2], "ok", query={"dryRun": "All"}),
    )
    seen = with_events(replace(history, actions=actions), budget(0.05, "LISTED", 1, 4, 3, observed=1))
    (course,) = summarise(seen, NOTHING).budgets
    assert [mark.answer for mark in course.evictions] == ["accepted", "refused", "failed", "failed", "not known"]


def test_evictions_that_no_budget_binds_have_a_panel() -> None:
    """Without a disruption budget the evictions are still drawn, and the panel says that none bound them."""
    history, _ = made.good_run()
    seen = with_events(replace(history, actions=(evicted(1, 20, made.INITIAL[0]),)), kinds=["PodDisruptionBudget"])
    report = summarise(seen, NOTHING)
    assert [(course.name, len(course.evictions)) for course in report.budgets] == [("", 1)]
    assert "no disruption budget bound these pods" in page(report)


def test_an_eviction_by_somebody_else_is_drawn() -> None:
    """A replica that carries the mark of an eviction which the journal lacks was evicted by somebody else."""
    report = base(budget(0.05, "LISTED", 1, 4, 3, observed=1), pod_evicted(30, made.INITIAL[2]))
    (mark,) = report.budgets[0].evictions
    assert (mark.answer, mark.pod, mark.words) == ("accepted", made.INITIAL[2].name, "requested by another client")


def test_a_gap_of_the_budget_watch_is_a_gap_of_its_lines() -> None:
    """Where the watch of disruption budgets was blind its panel is too."""
    gap = Gap("PodDisruptionBudget", at(10), at(15), "410 Gone")
    report = base(budget(0.05, "LISTED", 1, 4, 3, observed=1), gaps=(gap,))
    assert (at(10), at(15)) in [(hole.begin_ns, hole.end_ns) for hole in report.budgets[0].allowed.missing]
    assert readings(report, "budget-0")[10_000].startswith("healthy not known")


def test_nodes_tell_cordon_taint_and_ready_apart() -> None:
    """A cordon's own taint is the cordon; other taints are named; heartbeats make no new span."""
    taint = ({"key": "example.com/spot", "effect": "NoExecute"},)
    report = base(
        node(0.01, "LISTED", "n1"),
        node(5, "MODIFIED", "n1"),
        node(10, "MODIFIED", "n1", cordoned=True),
        node(20, "MODIFIED", "n1", ready="Unknown", taints=taint),
        node(30, "DELETED", "n1"),
    )
    (lane,) = report.nodes.shown
    assert [(span.ready, span.cordoned, span.taints) for span in lane.spans] == [
        ("ready", False, ()),
        ("ready", True, ()),
        ("unknown", False, ("example.com/spot:NoExecute",)),
    ]
    assert [(span.begin_ns, span.end_ns) for span in lane.spans][1:] == [(at(10), at(20)), (at(20), at(30))]
    told = readings(report, "nodes")
    assert told[10_000] == "n1 Ready, cordoned"
    assert told[30_000] == "no node on record"


def test_a_node_that_flaps_is_thinned_to_its_worst() -> None:
    """Thousands of changes become a state a slot, the worst of it, within the node's true begin and end."""
    flaps = [node(1 + k * 0.01, "MODIFIED", "n1", ready="True" if k % 2 else "False") for k in range(4000)]
    report = base(node(0.01, "LISTED", "n1"), *flaps)
    (lane,) = report.nodes.shown
    assert report.nodes.slot_ns > 0
    assert [span.ready for span in lane.spans] == ["ready", "not ready", "ready"]
    assert (lane.spans[0].begin_ns, lane.spans[-1].end_ns) == (at(0.1), report.headline.ended_ns)


def test_an_autoscaler_is_not_known_before_it_has_looked() -> None:
    """Without a condition in its status the counts are nobody's; the bounds of its spec are known at once."""
    report = base(autoscaler(1, "ADDED", looked=False), autoscaler(6, "MODIFIED", 4, 4, 55))
    (course,) = report.autoscalers
    assert (course.desired.points, course.actual.points) == (((at(6), 4),), ((at(6), 4),))
    assert (course.least.points, course.most.points) == (((at(1), 2),), ((at(1), 8),))
    assert (course.metric, course.measured.points, course.target.points) == ("cpu", ((at(6), 55),), ((at(1), 60),))


def test_an_autoscaler_without_a_measurement_has_a_gap() -> None:
    """While ScalingActive is False the last measurement is not carried on."""
    report = base(
        autoscaler(1, "ADDED", 4, 4, 55), autoscaler(10, "MODIFIED", 4, 4), autoscaler(20, "MODIFIED", 4, 4, 70)
    )
    (course,) = report.autoscalers
    assert [(hole.begin_ns, hole.end_ns) for hole in course.measured.missing] == [(at(10), at(20))]
    assert readings(report, "metric-0")[10_000] == "measured not known, target 60 %"


def test_a_metric_that_is_no_share_of_requests_is_drawn_by_its_target() -> None:
    """A queue of 12 for each pod, of 5, is 240 % of its target."""
    event = autoscaler(6, "MODIFIED", 4, 4, 55)
    queue = {"metric": {"name": "queue"}}
    spec = {"type": "External", "external": {**queue, "target": {"type": "AverageValue", "averageValue": "5"}}}
    seen = {"type": "External", "external": {**queue, "current": {"averageValue": "12"}}}
    raw = {
        **event.object,
        "spec": {**event.object["spec"], "metrics": [spec]},
        "status": {**event.object["status"], "currentMetrics": [seen]},
    }
    report = base(replace(event, object=raw))
    (course,) = report.autoscalers
    assert (course.metric, course.measure) == ("queue", "its target of 5")
    assert [value for _, value in course.measured.points] == [240]
    assert "240 %" in " ".join(readings(report, "metric-0").values())


def test_the_autoscaler_of_another_workload_is_left_out() -> None:
    """Only the autoscaler that scales the system under test has a panel."""
    assert not base(autoscaler(1, "ADDED", 4, 4, 55, target="other")).autoscalers


def test_panels_without_data_are_not_there() -> None:
    """No panel of a disruption budget, node or autoscaler where none was seen."""
    history, verdict = made.good_run()
    report = summarise(history, verdict)
    axis = axis_of(report.headline.began_ns, report.headline.ended_ns)
    names = {panel.id.split("-")[0] for panel in panels(report, axis)}
    assert not names & {"budget", "nodes", "autoscaler", "metric"}


def test_the_objective_is_a_line_at_its_value() -> None:
    """The latency panel draws the objective that the finding names, once, and labels it."""
    report = summarise(*drained_run())
    assert [(limit.measure, limit.p99_s) for limit in report.limits] == [("latency", 2.0)]
    elements = parse(page(report))
    drawn = [one for one in elements if "limit" in one.classes and "panel-latency" in one.within and one.tag == "path"]
    assert len(drawn) == 1
    labels = [one.text for one in elements if "t-limit" in one.classes and "panel-latency" in one.within]
    assert labels == ["p99 ≤ 2 s"]


def test_an_objective_that_no_finding_names_is_not_drawn() -> None:
    """Without the objective's value there is no line, rather than a guess."""
    history, _ = made.good_run()
    finding = Finding("slo-met", Answer.PASS, "rule", "objective 0.99", "1.0", detail={"availability": 1.0})
    assert not summarise(history, Verdict.of((finding,))).limits


def test_a_fault_s_result_is_drawn_and_told() -> None:
    """How a drain ended is a line in the panels, a word in the strip, and a sentence in the table of faults."""
    report = summarise(*drained_run())
    elements = parse(page(report))
    lines = [one for one in elements if "r-finished" in one.classes]
    assert lines
    assert {one.attributes["d"].split()[0] for one in lines} == {"M30400"}
    assert "node-drain-1: finished" in [one.text for one in elements if "fault-name" in one.classes]
    assert any(one.text.count("2 of 2 pods gone from node n1 after 10.3 s") for one in elements if one.tag == "td")
