"""Traffic that the reference model never sees: it ends too soon, misses the victim, or clings to one replica."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from histories import NAMESPACE, WORKLOAD, Story, at, kill_story, pod
from probe_stories import covered, endpoints, hang_story
from recovery_stories import replaced_story

from chaos.checks import FaultsLanded, RecoveredInTime, ZombieFound
from chaos.checks.verdict import Answer
from chaos.objects.base import Ref

# --- did the fault meet anybody? ----------------------------------------------------------------------------


def struck(*, end_s: float = 100, latency_s: float = 0.1) -> Story:
    """One of three replicas is killed at 30 s and replaced; the traffic may end before."""
    story = kill_story()
    story.rows.clear()
    story.parts.pop("streams")
    return story.traffic(end_s=end_s, latency_s=latency_s)


def outside(*serving: str, answers: str = "") -> Story:
    """The victim `a` is Ready, but only these are endpoints; every answer may name one of them."""
    story = struck().saw(0, "LISTED", endpoints(*serving), "EndpointSlice").has(covered_ns=covered())
    for row in story.rows:
        row["replica"] = answers
    return story


def test_a_fault_under_traffic_landed() -> None:
    """Requests flow before, during and after the kill."""
    finding = FaultsLanded()(struck().history())
    assert finding.answer is Answer.PASS, finding.line()


def test_a_fault_after_the_last_request_met_no_user() -> None:
    """The traffic ends as the fault begins, and one last request is under way for 10 ms more: no user was there."""
    finding = FaultsLanded()(struck(end_s=30, latency_s=0.11).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_a_victim_of_another_version_served_nobody() -> None:
    """The Service selects other pods, which all answers name: what was struck served nobody."""
    finding = FaultsLanded()(outside("x1", "x2", answers="other-x1").history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_who_was_no_endpoint_owes_no_endpoint() -> None:
    """A victim that the Service never selected has a successor that it does not select either."""
    finding = RecoveredInTime()(outside("x1", "x2", answers="other-x1").history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_a_ready_victim_that_was_no_endpoint_served_nobody() -> None:
    """The victim was Ready, but only the two others were ever among the ready endpoints."""
    finding = FaultsLanded()(outside("b", "c").history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def named(*others: str) -> Story:
    """Each answer names one of these replicas, in turn."""
    story = struck()
    for row in story.rows:
        row["replica"] = others[row["id"] % len(others)]
    return story


def test_a_victim_that_no_answer_ever_named_served_nobody() -> None:
    """Where all answers are of the two others, nobody met the victim, whatever the endpoints are."""
    finding = FaultsLanded()(named("model-b", "model-c").history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "no answer ever named victim model-a" in finding.reason


def test_a_victim_whose_answers_were_lost_may_have_met_users() -> None:
    """Requests that failed in the fault, and name nobody, may have been the victim's."""
    story = named("model-b", "model-c").fate(range(300, 310), "failed", replica=None, status=None)
    assert FaultsLanded()(story.history()).answer is Answer.PASS
    assert FaultsLanded()(named("model-a", "model-b").history()).answer is Answer.PASS


def test_what_another_replica_answered_did_not_meet_the_fault() -> None:
    """The traffic ends as the fault begins, and the last request is answered after the landing, by another."""
    story = struck(end_s=30, latency_s=0.7)
    for row in story.rows:
        row["replica"] = f"model-{'abc'[row['id'] % 3]}" if row["id"] < 290 else "model-b"
    for outcome in ("ok", "disconnected", "wrong"):
        finding = FaultsLanded()(story.fate(range(290, 300), outcome).history())
        assert finding.answer is Answer.UNKNOWN, finding.line()


@pytest.mark.parametrize(("node", "answer"), [("n1", Answer.PASS), ("n2", Answer.UNKNOWN)])
def test_a_node_without_a_replica_took_nothing_that_served(node: str, answer: Answer) -> None:
    """All three replicas are on `n1`: that users do not notice the loss of `n2` proves nothing of the system."""
    story = Story().replicas("a", "b", "c").traffic().fault(name="node-down")
    (fault,) = story.parts["faults"]
    history = story.has(faults=(replace(fault, victims=(Ref("Node", "", node, f"node-{node}"),)),)).history()
    finding = FaultsLanded()(history)
    assert finding.answer is answer, finding.line()


def test_a_victim_that_was_not_ready_was_meant_to_be_so() -> None:
    """Who evicts a pod that never was Ready, to see what a disruption budget does, hits no user by intention."""
    story = outside("b", "c").saw(29, "MODIFIED", pod("a", running=True))
    assert FaultsLanded()(story.history()).answer is Answer.PASS


# --- traffic that is not spread evenly ----------------------------------------------------------------------


def clinging(story: Story, replica: str = "model-b") -> Story:
    """Every request of the one client goes to one replica, before the fault and after it."""
    for row in story.rows:
        row["replica"] = replica
    return story


def hinted(story: Story) -> Story:
    """The slices say that `b` is for the client's zone, and that all others are for another."""
    for event in story.events:
        for one in event.object["endpoints"] if event.kind == "EndpointSlice" else ():
            zone = "z1" if one["targetRef"]["uid"] == "b" else "z2"
            one |= {"zone": zone, "hints": {"forZones": [{"name": zone}]}}
    return story


def test_who_is_never_asked_for_affinity_owes_no_answer() -> None:
    """With session affinity every request went to `b` from the first on: nobody knows whether `d` had to be asked."""
    finding = RecoveredInTime()(clinging(replaced_story()).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_who_is_in_another_zone_owes_no_answer() -> None:
    """By the hints of the slices the client's zone has `b` only, so `d` need not be asked."""
    finding = RecoveredInTime()(clinging(hinted(replaced_story())).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def service(**spec: Any) -> dict[str, Any]:
    """The Service of the replicas."""
    return {"metadata": {"uid": "svc-1", "name": WORKLOAD, "namespace": NAMESPACE}, "spec": spec}


CHOOSY: tuple[dict[str, Any], ...] = (
    {"sessionAffinity": "ClientIP"},
    {"trafficDistribution": "PreferSameNode"},
    {"internalTrafficPolicy": "Local"},
    {"type": "NodePort", "externalTrafficPolicy": "Local"},
    {"clusterIP": "None"},
    {"type": "ExternalName", "externalName": "elsewhere.example.com"},
)


@pytest.mark.parametrize("spec", CHOOSY, ids=str)
def test_a_service_that_chooses_promises_no_answer_in_time(spec: dict[str, Any]) -> None:
    """Where the recorded Service says who is asked, a replacement that answers late need not have been asked."""
    story = replaced_story(first_answer=90).saw(0, "LISTED", service(**spec), "Service")
    finding = RecoveredInTime()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert f"Service {WORKLOAD}: " in finding.reason


PLAIN: tuple[dict[str, Any], ...] = (
    {},
    {"sessionAffinity": "None", "internalTrafficPolicy": "Cluster"},
    {"type": "ClusterIP", "externalTrafficPolicy": "Local"},
)


@pytest.mark.parametrize("spec", PLAIN, ids=str)
def test_a_plain_service_excuses_nothing(spec: dict[str, Any]) -> None:
    """Where the Service chooses nobody, a replacement that gives no answer in time is late."""
    story = replaced_story(first_answer=90).saw(0, "LISTED", service(**spec), "Service")
    assert RecoveredInTime()(story.history()).answer is Answer.FAIL


def test_the_service_of_a_neighbour_excuses_nothing() -> None:
    """Another Service of the namespace may choose as it likes."""
    other = service(sessionAffinity="ClientIP")
    other["metadata"]["name"] = "redis"
    story = replaced_story(first_answer=90).saw(0, "LISTED", other, "Service")
    assert RecoveredInTime()(story.history()).answer is Answer.FAIL


def test_hints_that_are_all_the_same_keep_nobody_away() -> None:
    """In a cluster of one zone every endpoint is hinted to all of its clients."""
    story = replaced_story(first_answer=90)
    for event in story.events:
        for one in event.object["endpoints"] if event.kind == "EndpointSlice" else ():
            one |= {"zone": "z1", "hints": {"forZones": [{"name": "z1"}]}}
    assert RecoveredInTime()(story.history()).answer is Answer.FAIL


def test_who_is_asked_seldom_owes_no_answer_in_time() -> None:
    """A gateway that sends `a` one request in twenty in the baseline spreads nothing evenly."""
    story = replaced_story(first_answer=90)
    for row in story.rows:
        if row["replica"] == "model-a" and row["id"] % 20 != 1:
            row["replica"] = "model-b"
    finding = RecoveredInTime()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "in the baseline model-a was asked" in finding.reason


def test_requests_that_nobody_answered_may_have_been_its_own() -> None:
    """Where half of the baseline's requests name nobody, the silent one may have had its share."""
    story = replaced_story(first_answer=90)
    for row in story.rows:
        if row["replica"] == "model-a":
            row |= {"replica": None}
    assert RecoveredInTime()(story.history()).answer is Answer.FAIL


def test_a_hang_that_outlasts_its_bound_is_a_zombie_without_being_asked() -> None:
    """Held hanging for 150 s, `a` was not found by its probes, whomever the Service asks."""
    story = Story(200).replicas("a", "b").saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    story.fault("a", name="process-hang", healed_s=180).has(covered_ns=covered(200)).traffic(end_s=190)
    finding = ZombieFound()(clinging(story).history())
    assert finding.answer is Answer.FAIL, finding.line()


def test_a_replica_that_is_asked_in_turn_owes_an_answer() -> None:
    """Where the victim was asked for half of all requests, a successor that gives no answer in time is late."""
    finding = RecoveredInTime()(replaced_story(first_answer=90).history())
    assert finding.answer is Answer.FAIL, finding.line()


def test_a_replica_that_is_never_asked_is_no_zombie() -> None:
    """A hang is healed after 3 s, and session affinity sends `a` nothing at all: its silence proves nothing."""
    story = Story(200).replicas("a", "b").saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    story.fault("a", name="process-hang", healed_s=33).has(covered_ns=covered(200)).traffic(end_s=190)
    finding = ZombieFound()(clinging(story).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


# --- a Service of two families ------------------------------------------------------------------------------


def dual_stack(*, six_added: float | None) -> Story:
    """The good recovery by a Service of two families: `d` comes into the slice for IPv6 at another moment, if ever."""
    story = replaced_story()
    for event in story.events:
        if event.kind == "EndpointSlice":
            cast("dict[str, Any]", event.object)["addressType"] = "IPv4"

    def six(*uids: str) -> dict[str, Any]:
        raw = endpoints(*uids)
        raw["metadata"] |= {"uid": "slice-6", "name": "slice-6"}
        return {**raw, "addressType": "IPv6"}

    story.saw(0, "LISTED", six("a", "b"), "EndpointSlice").saw(30.35, "MODIFIED", six("b"), "EndpointSlice")
    return story if six_added is None else story.saw(six_added, "MODIFIED", six("b", "d"), "EndpointSlice")


def test_a_replacement_is_an_endpoint_when_every_family_has_it() -> None:
    """Clients of either family are owed it, so one that comes late into one of two slices is late."""
    assert RecoveredInTime()(dual_stack(six_added=34.2).history()).answer is Answer.PASS
    for late in (RecoveredInTime()(dual_stack(six_added=at_s).history()) for at_s in (90.0, None)):
        assert late.answer is Answer.FAIL, late.line()
        assert "endpoint added" in late.reason


def test_a_service_of_one_family_owes_one() -> None:
    """Where the victim was in slices of one family only, its replacement need not be in others."""
    assert RecoveredInTime()(replaced_story().history()).answer is Answer.PASS


def shared(story: Story, *silent: tuple[float, float]) -> Story:
    """`a` and `b` answer in turn, but in these spans `b` answers all."""
    for row in story.rows:
        mine = row["id"] % 2 and not any(at(begin_s) <= row["intended_ns"] < at(end_s) for begin_s, end_s in silent)
        row["replica"] = "model-a" if mine else "model-b"
    return story


def test_nobody_owes_a_token_while_no_traffic_flows() -> None:
    """A hang is found in time; between two streams nobody is asked for 60 s, and nobody is a zombie for that."""
    story = Story(200).replicas("a", "b").saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    story.fault("a", name="process-hang", healed_s=60).has(covered_ns=covered(200))
    story.saw(36, "MODIFIED", pod("a", running=True))
    story.saw(36.2, "MODIFIED", endpoints("b", unready=["a"]), "EndpointSlice")
    story.saw(66, "MODIFIED", pod("a", ready=True)).saw(66.2, "MODIFIED", endpoints("a", "b"), "EndpointSlice")
    finding = ZombieFound()(shared(story.traffic(end_s=60).traffic(begin_s=120, end_s=190), (30, 70)).history())
    assert finding.answer is Answer.PASS, finding.line()


def test_a_replica_that_was_restarted_hangs_no_more() -> None:
    """Its liveness probe ended the hang after 10 s; whom the Service asks afterwards says nothing of the hang."""
    story = shared(hang_story().saw(0, "LISTED", service(sessionAffinity="ClientIP"), "Service"), (30, 100))
    finding = ZombieFound()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert ZombieFound()(shared(hang_story(), (30, 44.4)).history()).answer is Answer.PASS
    assert ZombieFound()(shared(hang_story(), (30, 100)).history()).answer is Answer.FAIL


def switched(*, color: str) -> Story:
    """The good recovery, but that `d` never becomes an endpoint; at 31 s the Service's selector gains a colour."""
    story = replaced_story()
    kept = [
        event
        for event in story.events
        if event.kind != "EndpointSlice"
        or event.at_ns <= at(31)
        or all(one["targetRef"]["uid"] != "d" for one in event.object["endpoints"])
    ]
    story.events = kept
    for at_s, type_, selector in ((0, "LISTED", {}), (31, "MODIFIED", {"color": color} if color else {})):
        metadata = {"uid": "svc-1", "name": WORKLOAD, "namespace": NAMESPACE}
        story.saw(at_s, type_, {"metadata": metadata, "spec": {"selector": {"app": WORKLOAD} | selector}}, "Service")
    return story


@pytest.mark.parametrize(("color", "answer"), [("green", Answer.UNKNOWN), ("", Answer.FAIL)])
def test_a_service_that_is_switched_to_others_owes_no_endpoint(color: str, answer: Answer) -> None:
    """A blue-green release points the Service to other pods right after the kill."""
    finding = RecoveredInTime()(switched(color=color).history())
    assert finding.answer is answer, finding.line()


# --- what stands before the Service ------------------------------------------------------------------------------


def sent_to(url: str, story: Story, *, origin: str = "this host") -> Story:
    """The story, with its traffic sent from there to this address; the Service has a cluster IP and a node port."""
    spec = {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00::7"], "ports": [{"nodePort": 30080}]}
    streams = tuple(replace(one, origin=origin, url=url) for one in story.history().streams)
    return story.has(streams=streams).saw(0, "LISTED", service(**spec), "Service")


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        pytest.param("https://models.example/v1", Answer.UNKNOWN, id="an ingress"),
        pytest.param("http://192.0.2.9:8080", Answer.UNKNOWN, id="a load balancer"),
        pytest.param("http://model.other.svc:80", Answer.UNKNOWN, id="a gateway in front, in another namespace"),
        pytest.param("http://10.96.0.7:80", Answer.FAIL, id="the cluster IP"),
        pytest.param("http://[fd00::7]:80", Answer.FAIL, id="the other cluster IP"),
        pytest.param("http://192.0.2.1:30080", Answer.FAIL, id="a node port"),
        pytest.param(f"http://{WORKLOAD}.{NAMESPACE}.svc.cluster.local", Answer.FAIL, id="the Service's name"),
    ],
)
def test_who_is_behind_a_balancer_owes_no_answer_in_time(url: str, answer: Answer) -> None:
    """A cloud's balancer takes minutes to send to a new replica, which the baseline's even spread does not show."""
    finding = RecoveredInTime()(sent_to(url, replaced_story(first_answer=90)).history())
    assert finding.answer is answer, finding.line()
    assert RecoveredInTime()(sent_to(url, replaced_story()).history()).answer is Answer.PASS


def test_a_balancer_may_leave_out_who_failed() -> None:
    """A mesh ejects a replica for minutes that is Ready and among the endpoints: it is silent, as nobody asks it."""
    story = Story(300).replicas("a", "b").saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    story.has(covered_ns=covered(300)).fault("b", at_s=290, healed_s=295).traffic(end_s=280)
    for row in story.rows:
        row["replica"] = "model-a" if row["id"] % 2 and not at(60) <= row["intended_ns"] < at(240) else "model-b"
    for url, silent in (("http://10.96.0.7", Answer.FAIL), ("https://models.example", Answer.UNKNOWN)):
        finding = ZombieFound()(sent_to(url, story).history())
        assert finding.answer is silent, finding.line()


@pytest.mark.parametrize(("role", "answer"), [("router", Answer.UNKNOWN), ("prefill", Answer.FAIL)])
def test_a_router_asks_whom_it_likes(role: str, answer: Answer) -> None:
    """One that knows prompts and queues may ask a new replica late, or none that is well for minutes."""
    story = Story(300).replicas("a", "b").saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    story.has(covered_ns=covered(300)).fault("b", at_s=290, healed_s=295).traffic(end_s=280)
    for row in story.rows:
        row["replica"] = "model-a" if row["id"] % 2 and not at(60) <= row["intended_ns"] < at(240) else "model-b"
    late = replaced_story(first_answer=90)
    for check, history in ((ZombieFound(), story.history()), (RecoveredInTime(), late.history())):
        finding = check(replace(history, roles={role: history}))
        assert finding.answer is answer, finding.line()
    good = replaced_story().history()
    assert RecoveredInTime()(replace(good, roles={role: good})).answer is Answer.PASS
