"""Which version's rules a cluster is judged by, and what its upgrade turns on."""

from __future__ import annotations

import pytest

from chaos.lab.control_plane.build import MINORS
from chaos.semantics.features import FEATURES, NEWEST_KNOWN, OLDEST_KNOWN, minor_of, on_between, rules_of


@pytest.mark.parametrize(
    ("version", "minor"),
    [
        ("v1.36.3", 36),
        ("1.36", 36),
        ("v1.33.5-eks-113cf36", 33),
        ("v1.34.1-gke.1829001", 34),
        ("v1.35.0+k3s1", 35),
        ("v1.37.0-alpha.2", 37),
        ("v1.30+", 30),
        ("v2.0.0", None),
        ("", None),
        ("v1", None),
        ("v1.x", None),
        ("11.36.0", None),
    ],
)
def test_a_minor_version_is_read_from_what_distributions_write(version: str, minor: int | None) -> None:
    """Suffixes of vendors do not matter; what is no version of Kubernetes 1 is none."""
    assert minor_of(version) == minor


@pytest.mark.parametrize("minor", range(OLDEST_KNOWN, NEWEST_KNOWN + 1))
def test_a_known_version_is_judged_by_its_own_rules(minor: int) -> None:
    """Nothing is told of it."""
    assert rules_of(f"v1.{minor}.9") == (minor, "")


@pytest.mark.parametrize(
    ("version", "minor", "words"),
    [("v1.41.0", NEWEST_KNOWN, "newer"), ("v1.29.2", OLDEST_KNOWN, "older"), ("v2.1", NEWEST_KNOWN, "'v2.1'")],
)
def test_an_unknown_version_is_told_and_taken_as_the_nearest(version: str, minor: int, words: str) -> None:
    """It is never silent that rules of another version are used."""
    assert rules_of(version)[0] == minor
    assert words in rules_of(version)[1]


def test_what_is_known_is_what_the_lab_can_be() -> None:
    """Each version whose rules stand in code can be run against them."""
    assert tuple(f"1.{minor}" for minor in range(OLDEST_KNOWN, NEWEST_KNOWN + 1)) == MINORS


def test_features_are_listed_once_and_in_order() -> None:
    """Each has words, and a version that is known or the oldest one's past."""
    assert len({feature.gate for feature in FEATURES}) == len(FEATURES)
    assert [feature.on_since for feature in FEATURES] == sorted(feature.on_since for feature in FEATURES)
    assert all(OLDEST_KNOWN < feature.on_since <= NEWEST_KNOWN for feature in FEATURES)


def test_an_upgrade_turns_on_what_lies_between() -> None:
    """That of the version left is on already; that of the version reached is turned on."""
    assert {feature.on_since for feature in on_between(34, 36)} == {35, 36}
    assert on_between(36, 36) == ()
