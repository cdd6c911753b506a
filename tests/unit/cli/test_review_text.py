"""What a review found, as a terminal shows it."""

import io
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hostile_words import steers
from review_findings import WORDS, finding, hostile
from rich.console import Console

from chaos.cli.review.text import show
from chaos.review import Review


def shown(review: Review, **console: Any) -> str:
    """What is printed."""
    out = io.StringIO()
    show(review, Console(file=out, **console))
    return out.getvalue()


MIXED = Review(
    (
        finding(severity="note", rule="image-unpinned", patch="", sums=(), source=""),
        finding(),
        finding(severity="warning", rule="prestop-missing", patch="kind: StatefulSet\n"),
    ),
    ("2 objects of other kinds were passed over: Ingress 2",),
    ((finding(rule="replicas-one"), "a batch job"),),
)


def test_the_worst_comes_first_with_place_reason_and_patch() -> None:
    """Whole, for one that has everything; and at the end what was passed over, what was silenced, and how many."""
    text = shown(MIXED)
    assert text.startswith(
        "---\n"
        "# error: startup-probe-missing, deploy/chat.yaml:12\n"
        "# Deployment chat in namespace prod: no startup probe: liveness ends every start over 40 s\n"
        "# initialDelaySeconds 10 + periodSeconds 10 * failureThreshold 3 = 40 s\n"
        "# see https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/\n"
        "apiVersion: apps/v1\n"
        "kind: Deployment\n"
        "---\n"
        "# warning: prestop-missing"
    )
    assert text.endswith(
        "# 2 objects of other kinds were passed over: Ingress 2\n"
        "# silenced: replicas-one of Deployment chat in namespace prod: a batch job\n"
        "# to silence a rule for an object, annotate the object with review.gameday.dev/RULE and the reason\n"
        "# 1 error, 1 warning, 1 note, 1 silenced\n"
    )


def test_nothing_found_is_said() -> None:
    """In the last line, which is the only one."""
    assert shown(Review(())) == "# 0 errors, 0 warnings, 0 notes\n"


@pytest.mark.parametrize("width", [20, 400])
def test_it_is_yaml_of_the_patches_at_any_width(width: int) -> None:
    """A long reason is not broken into what is no comment."""
    long = replace(MIXED, findings=tuple(replace(one, sentence="why " * 100) for one in MIXED.findings))
    documents = [one for one in yaml.safe_load_all(shown(long, width=width)) if one]
    assert documents == [{"apiVersion": "apps/v1", "kind": "Deployment"}, {"kind": "StatefulSet"}]


def test_only_a_terminal_gets_colours() -> None:
    """The heading of each finding has that of its severity."""
    assert "\x1b[1;31m# error" in shown(MIXED, force_terminal=True, color_system="standard", no_color=False)
    assert "\x1b" not in shown(MIXED)


@pytest.mark.parametrize("text", WORDS)
def test_no_word_of_a_manifest_steers_a_terminal_or_a_ci_system(text: str) -> None:
    """And none ends its comment: what is left is the patch."""
    said = shown(hostile(text), width=60)
    assert steers(said) == []
    assert [one for one in yaml.safe_load_all(said) if one] == [{"apiVersion": "apps/v1", "kind": "Deployment"}]
    said.encode()
