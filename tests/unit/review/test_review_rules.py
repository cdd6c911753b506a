"""Each rule finds what breaks it and leaves what does not, and its patch mends what it found."""

import re

import pytest
from review_cases_objects import OBJECT_CASES
from review_cases_pods import POD_CASES
from review_stories import Case, found, merged, rules_of, service_of

from chaos.review import RULES

CASES = (*POD_CASES, *OBJECT_CASES)
OF_FILES = {"document-unreadable", "template-unrendered", "kustomization-unbuilt"}

every_rule = pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)


def test_the_service_that_cases_break_is_sound() -> None:
    """Else a finding would be no case's own; with an autoscaler, and as a StatefulSet, too."""
    assert rules_of(service_of()) == set()
    assert rules_of(service_of(scaler={})) == set()
    assert rules_of(service_of(kind="StatefulSet")) == set()


def test_every_rule_has_a_case() -> None:
    """A rule that is added is broken here; those of files are with the files."""
    assert {case.rule for case in CASES} | OF_FILES == set(RULES)
    assert len({case.rule for case in CASES}) == len(CASES)


@every_rule
def test_a_rule_finds_what_breaks_it(case: Case) -> None:
    """In the set and in its variant, with the words and numbers that people need."""
    first = found(service_of(**case.broken), case.rule)
    assert first
    assert any(case.words in " ".join([one.sentence, *one.sums]) for one in first)
    assert found(service_of(**case.variant), case.rule)


@every_rule
def test_a_rule_leaves_what_does_not_break_it(case: Case) -> None:
    """The control of each is close to what breaks it."""
    assert case.rule not in rules_of(service_of(**case.sound))


@every_rule
def test_a_patch_mends_what_was_found(case: Case) -> None:
    """Applied as the API server merges it, the same finding is gone."""
    for given in (case.broken, case.variant):
        objects = service_of(**given)
        for one in found(objects, case.rule):
            if one.patch:
                assert not found(merged(objects, one.patch), case.rule), one.patch
                assert re.fullmatch(r"kubectl (apply -f|patch .* --patch-file) patch\.yaml", one.apply)


def test_a_sentence_is_one_line_and_a_source_an_address() -> None:
    """As a list in a terminal, an annotation of a pull request and a SARIF file need them."""
    for case in CASES:
        for one in found(service_of(**case.broken), case.rule):
            assert "\n" not in one.sentence
            assert one.source.startswith("https://")
            assert one.severity == RULES[case.rule].severity
