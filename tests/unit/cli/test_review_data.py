"""What a review found, for programs: JSON, and SARIF 2.1.0 with what code scanning needs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hostile_words import steers
from review_findings import WORDS, finding, hostile

from chaos.cli.review.data import as_json, as_sarif
from chaos.review import RULES, SILENCE, Review

ROOT = Path("/checkout")
OBJECTS: dict[str, tuple[set[str], set[str]]] = {
    "sarifLog": ({"version", "runs"}, {"$schema"}),
    "run": ({"tool"}, {"invocations", "results"}),
    "toolComponent": ({"name"}, {"version", "rules"}),
    "reportingDescriptor": (
        {"id"},
        {"shortDescription", "fullDescription", "help", "helpUri", "defaultConfiguration"},
    ),
    "invocation": ({"executionSuccessful"}, {"toolExecutionNotifications"}),
    "notification": ({"message"}, {"level"}),
    "result": ({"message"}, {"ruleId", "level", "locations", "partialFingerprints"}),
    "location": (set(), {"physicalLocation", "logicalLocations"}),
    "physicalLocation": ({"artifactLocation"}, {"region"}),
    "artifactLocation": (set(), {"uri"}),
    "region": (set(), {"startLine"}),
    "logicalLocation": (set(), {"fullyQualifiedName"}),
    "message": (set(), {"text"}),
    "reportingConfiguration": (set(), {"level"}),
}
"""What each object must have and what else it may, of what is used here; the schema allows nothing else.

Source: sarif-schema-2.1.0.json of OASIS.
"""

URI_REFERENCE = re.compile(r"(?:[\w.~!$&'()*+;=@/-]|%[0-9A-F]{2})+", re.ASCII)


def checked(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """An object of the log, once it has what it must and nothing that the schema does not know."""
    needed, known = OBJECTS[kind]
    assert needed <= set(value) <= needed | known
    assert value.get("level", "note") in {"none", "note", "warning", "error"}
    return value


def words(kind: str, value: dict[str, Any]) -> str:
    """A message's text, which is never empty."""
    text = checked(kind, value)["text"]
    assert isinstance(text, str)
    assert text
    return text


def valid(text: str) -> list[dict[str, Any]]:
    """The results of a log that has the required structure, and what code scanning requires beyond the schema."""
    log = checked("sarifLog", json.loads(text))
    assert log["version"] == "2.1.0"
    assert log["$schema"] == "https://json.schemastore.org/sarif-2.1.0.json"
    (run,) = log["runs"]
    (invocation,) = checked("run", run)["invocations"]
    assert checked("invocation", invocation)["executionSuccessful"] is True
    for one in invocation["toolExecutionNotifications"]:
        words("message", checked("notification", one)["message"])
    assert set(run["tool"]) == {"driver"}
    rules = checked("toolComponent", run["tool"]["driver"])["rules"]
    ids = [checked("reportingDescriptor", one)["id"] for one in rules]
    assert len(ids) == len(set(ids))
    for one in rules:
        assert all(words("message", one[key]) for key in ("shortDescription", "fullDescription", "help"))
        assert checked("reportingConfiguration", one["defaultConfiguration"])["level"] in {"note", "warning", "error"}
    for one in run["results"]:
        words("message", checked("result", one)["message"])
        (location,) = one["locations"]
        physical = checked("physicalLocation", checked("location", location)["physicalLocation"])
        assert URI_REFERENCE.fullmatch(checked("artifactLocation", physical["artifactLocation"])["uri"])
        assert checked("region", physical["region"])["startLine"] >= 1
        (logical,) = location["logicalLocations"]
        assert isinstance(checked("logicalLocation", logical)["fullyQualifiedName"], str)
        assert all(isinstance(value, str) and value for value in one["partialFingerprints"].values())
    results: list[dict[str, Any]] = run["results"]
    return results


def results(*findings: Any) -> list[dict[str, Any]]:
    """The results of these findings in a valid log."""
    return valid(as_sarif(Review(findings), ROOT))


def fingerprints(*findings: Any) -> list[str]:
    """Those of the results, in order."""
    return [json.dumps(one["partialFingerprints"]) for one in results(*findings)]


def uri(path: str) -> str:
    """Where a finding of that file is."""
    ((location,),) = (one["locations"] for one in results(finding(path=path)))
    told: str = location["physicalLocation"]["artifactLocation"]["uri"]
    return told


def test_a_finding_is_a_result_of_its_rule() -> None:
    """Its level, place, object, and a message that begins with the sentence and has the arithmetic and the patch."""
    (result,) = results(finding(severity="warning"))
    assert (result["ruleId"], result["level"]) == ("startup-probe-missing", "warning")
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "deploy/chat.yaml"},
        "region": {"startLine": 12},
    }
    assert location["logicalLocations"] == [{"fullyQualifiedName": "Deployment chat in namespace prod"}]
    assert result["message"]["text"].split("\n") == [
        "Deployment chat in namespace prod: no startup probe: liveness ends every start over 40 s",
        "initialDelaySeconds 10 + periodSeconds 10 * failureThreshold 3 = 40 s",
        "To mend it:",
        "apiVersion: apps/v1",
        "kind: Deployment",
    ]


def test_every_rule_is_listed_whether_it_found_anything_or_not() -> None:
    """With its level, what it says in short, its document, and how to silence it."""
    log = json.loads(as_sarif(Review(()), ROOT))
    assert valid(json.dumps(log)) == []
    rules = {one["id"]: one for one in log["runs"][0]["tool"]["driver"]["rules"]}
    assert list(rules) == list(RULES)
    assert all(one["defaultConfiguration"]["level"] == RULES[name].severity for name, one in rules.items())
    told, rule = rules["startup-probe-missing"], RULES["startup-probe-missing"]
    assert told["shortDescription"]["text"] == rule.short
    assert told["helpUri"] == rule.source
    assert rule.source in told["help"]["text"]
    assert f"{SILENCE}startup-probe-missing" in told["help"]["text"]


def test_a_fingerprint_stays_when_lines_and_figures_change() -> None:
    """A comment above, and another number in the sentence, make no new alert; nor does what else is found."""
    before = fingerprints(finding())
    assert fingerprints(finding(line=99, sentence="over 50 s", sums=(), patch="", severity="note")) == before
    assert fingerprints(finding(rule="replicas-one"), finding())[1:] == before


@pytest.mark.parametrize(
    "other", [{"rule": "replicas-one"}, {"object": "Deployment chat in namespace test"}, {"path": "deploy/other.yaml"}]
)
def test_another_rule_object_or_file_has_another_fingerprint(other: dict[str, str]) -> None:
    """Or else one alert would stand for both."""
    first, second = fingerprints(finding(), finding(**other))
    assert first != second


def test_two_findings_alike_have_two_fingerprints() -> None:
    """As of two containers without the same probe; they stay the same as long as their order does."""
    first, second = fingerprints(finding(), finding(line=40))
    assert first != second
    assert fingerprints(finding(line=2), finding(line=43)) == [first, second]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/checkout/deploy/a.yaml", "deploy/a.yaml"),
        ("./deploy/a.yaml", "deploy/a.yaml"),
        ("a b:c#d?e%.yaml", "a%20b%3Ac%23d%3Fe%25.yaml"),
        ("ä\udc80.yaml", "%C3%A4%80.yaml"),
        ("-", "-"),
    ],
)
def test_a_place_is_a_reference_from_the_root_of_the_repository(path: str, expected: str) -> None:
    """Whatever a file is called; absolute paths would be matched with no file of the repository."""
    assert uri(path) == expected


def test_what_is_silenced_is_no_result() -> None:
    """Code scanning would show it like any other: it is a notification, as is what was passed over."""
    silenced = Review((), ("passed over: Ingress 2",), ((finding(), "a batch job"),))
    text = as_sarif(silenced, ROOT)
    assert valid(text) == []
    told = json.loads(text)["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert [one["message"]["text"] for one in told] == [
        "passed over: Ingress 2",
        "silenced: startup-probe-missing of Deployment chat in namespace prod: a batch job",
    ]


@pytest.mark.parametrize("text", WORDS)
def test_no_word_of_a_manifest_breaks_the_log(text: str) -> None:
    """It stays valid, steers nothing, and its messages are printable and hold no link."""
    said = as_sarif(hostile(text), ROOT)
    (result,) = valid(said)
    assert steers(said) == []
    message = result["message"]["text"]
    assert "](" not in message
    assert all(line.replace("\u200b", "").isprintable() for line in message.split("\n"))


def test_json_has_all_that_was_found() -> None:
    """Every field by its name, notes, and what was silenced with its reason."""
    told = json.loads(as_json(Review((finding(),), ("passed over",), ((finding(rule="replicas-one"), "a batch job"),))))
    assert set(told) == {"schema", "findings", "notes", "silenced"}
    assert told["notes"] == ["passed over"]
    (first,) = told["findings"]
    assert (first["rule"], first["severity"], first["line"]) == ("startup-probe-missing", "error", 12)
    assert first["sums"] == list(finding().sums)
    assert first["patch"] == finding().patch
    (silenced,) = told["silenced"]
    assert silenced == {**first, "rule": "replicas-one", "reason": "a batch job"}


@pytest.mark.parametrize("text", WORDS)
def test_json_gives_words_back_as_they_are_and_steers_nothing(text: str) -> None:
    """Also what a terminal or a CI system would take for a command."""
    said = as_json(hostile(text))
    assert steers(said) == []
    assert said.isascii()
    told = json.loads(said)
    assert told["findings"][0]["sentence"] == text
    assert told["notes"] == [text]
    assert told["silenced"][0]["reason"] == text
