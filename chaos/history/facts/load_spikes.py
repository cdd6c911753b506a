"""The load spikes that a trial made: when more was asked of the system than before, and when it was over."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.history.cache import once
from chaos.history.facts.offered_load import load_steps
from chaos.history.model import History

__all__ = ["RISE", "LoadSpike", "load_spikes"]

RISE = 1.5
"""A load that grows by less than half is no spike."""


@dataclass(frozen=True, slots=True)
class LoadSpike:
    """A span in which half as much again as before, or more, was offered.

    From the begin of the rise to the begin of the fall that takes it under the middle; None: it lasted to the end.
    """

    begin_ns: int
    end_ns: int | None
    before_rps: float
    peak_rps: float

    @property
    def words(self) -> str:
        """The spike for people, e.g. `1/s to 5/s`."""
        return f"{self.before_rps:g}/s to {self.peak_rps:g}/s"


@once
def load_spikes(history: History) -> tuple[LoadSpike, ...]:
    """The spikes of the trial, in order. The begin and the end of all traffic are none."""
    found: list[LoadSpike] = []
    calm_rps = 0.0
    begin_ns: int | None = None
    rising_ns: int | None = None
    peak_rps = 0.0
    for step in load_steps(history):
        if begin_ns is None:
            if step.to_rps < step.from_rps or step.from_rps == 0.0:
                calm_rps, rising_ns = step.to_rps, None
                continue
            rising_ns = step.begin_ns if rising_ns is None else rising_ns
            if step.to_rps >= calm_rps * RISE:
                begin_ns, peak_rps = rising_ns, step.to_rps
        elif step.to_rps <= (calm_rps + peak_rps) / 2:
            found.append(LoadSpike(begin_ns, step.begin_ns, calm_rps, peak_rps))
            begin_ns, rising_ns, calm_rps = None, None, step.to_rps
        else:
            peak_rps = max(peak_rps, step.to_rps)
    if begin_ns is not None:
        found.append(LoadSpike(begin_ns, None, calm_rps, peak_rps))
    return tuple(found)
