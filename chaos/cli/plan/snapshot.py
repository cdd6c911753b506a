"""The objects that a plan is made of, as one reading of the cluster gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chaos.objects.base import Raw

__all__ = ["Listing"]


@dataclass(frozen=True, slots=True)
class Listing:
    """Raw objects, each kind listed once. `at` is when, with a time zone.

    `claims` and `volumes` are None where we may not read them: of a pod with a claim nobody can then say where it fits.
    """

    at: datetime
    nodes: Sequence[Raw] = ()
    pods: Sequence[Raw] = ()
    budgets: Sequence[Raw] = ()
    controllers: Sequence[Raw] = ()
    daemon_sets: Sequence[Raw] = ()
    claims: Sequence[Raw] | None = ()
    volumes: Sequence[Raw] | None = ()
