"""The labels by which gameday finds what is its own."""

from __future__ import annotations

import hashlib
import re

from chaos.system.spec.system_spec import SystemSpec

__all__ = ["MANAGED_BY", "MANAGER", "RUN_LABEL", "label_value", "selector"]

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
