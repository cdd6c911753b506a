"""How much of its core the generator used, over spans that are long enough to mean something."""

from collections import deque

from chaos.clock import NS

__all__ = ["CpuMeter"]

SPAN_LEAST_NS = NS // 2
"""A reading over less than this is of single steps of work, each of which uses all of the core."""


class CpuMeter:
    """Readings of the process's own processor time, each as a share of the time since an earlier one."""

    def __init__(self, at_ns: int, cpu_ns: int, cores: float = 1.0) -> None:
        self._marks = deque([(at_ns, cpu_ns)], maxlen=3)
        self._cores = cores

    def share(self, at_ns: int, cpu_ns: int) -> float:
        """The share of its core, or of the part of one that it may have.

        Since the newest reading that is half a second old, or else since the oldest kept.
        """
        old = [mark for mark in self._marks if at_ns - mark[0] >= SPAN_LEAST_NS]
        since_ns, spent_ns = old[-1] if old else self._marks[0]
        self._marks.append((at_ns, cpu_ns))
        return (cpu_ns - spent_ns) / max(1, at_ns - since_ns) / self._cores
