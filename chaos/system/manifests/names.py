"""Names of trial namespaces."""

from __future__ import annotations

import re
import secrets

__all__ = ["PREFIX", "fresh_suffix", "namespace_name"]

PREFIX = "gameday"
SCENARIO_MAX = 40
LENGTH_MAX = 63
"""A namespace's name is a DNS label (RFC 1123)."""


def fresh_suffix() -> str:
    """Give six random characters: a trial repeated with its seed must not meet the namespace of the last one."""
    return secrets.token_hex(3)


def namespace_name(scenario: str, suffix: str) -> str:
    """Give `gameday-<short scenario>-<suffix>`, a valid DNS label whatever the scenario's name is.

    The scenario's name loses its module, `test_` and parameters, and is cut between words where it is too long.
    """
    plain = re.sub(r"\[.*", "", scenario.rpartition("::")[2]).lower().removeprefix("test_")
    words = re.findall(r"[a-z0-9]+", plain)
    tail = "-".join(re.findall(r"[a-z0-9]+", suffix.lower()))[:12].strip("-")
    room = min(SCENARIO_MAX, LENGTH_MAX - len(PREFIX) - len(tail) - 2)
    short = ""
    for word in words:
        longer = f"{short}-{word}" if short else word[:room]
        if len(longer) > room:
            break
        short = longer
    return "-".join(part for part in (PREFIX, short, tail) if part)
