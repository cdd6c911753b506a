"""Names of trial namespaces, and the labels by which gameday finds what is its own."""

import hashlib
import re

from chaos.system.spec.system_spec import SystemSpec

__all__ = ["MANAGED_BY", "MANAGER", "PREFIX", "RUN_LABEL", "label_value", "namespace_name", "selector"]

PREFIX = "gameday"
SCENARIO_MAX = 40
LENGTH_MAX = 63
"""A namespace's name is a DNS label (RFC 1123)."""


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


MANAGER = "gameday"
MANAGED_BY = "app.kubernetes.io/managed-by"
RUN_LABEL = "gameday.dev/run"


def selector(spec: SystemSpec) -> dict[str, str]:
    """Give the labels that choose the system's pods; they stay the same from run to run."""
    return {"app.kubernetes.io/name": spec.name, MANAGED_BY: MANAGER}


def label_value(text: str) -> str:
    """Give the text itself if it may be a label's value, else what may be kept of it and a hash of the whole."""
    if re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", text):
        return text
    kept = re.sub(r"[^-A-Za-z0-9_.]+", "-", text)[:52].strip("-_.")
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return f"{kept}-{digest}" if kept else digest
