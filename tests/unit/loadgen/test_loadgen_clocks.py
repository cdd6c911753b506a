"""Another host's clock: read over a slow way, known to within half of the round trip, and never better than that."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from chaos.clock import Clock
from loadgen.driver.clock_offset import Reading, Remote, anchored, read_remote

MS = 1_000_000


@dataclass(slots=True)
class Far:
    """Another host: its clocks are ahead by so much, and each way to it and back takes its own time."""

    ways_ns: list[tuple[int, int]]
    ahead_ns: int
    mono_ahead_ns: int = 7 * 10**12
    now: int = 10**18
    asked: list[int] = field(default_factory=list)

    def now_ns(self) -> int:
        """This side's clock."""
        return self.now

    def ask(self) -> Remote:
        """What its clocks show somewhere on the way."""
        there, back = self.ways_ns[len(self.asked) % len(self.ways_ns)]
        self.now += there
        self.asked.append(self.now)
        remote = Remote(self.now + self.mono_ahead_ns, self.now + self.ahead_ns)
        self.now += back
        return remote


WAYS = st.lists(st.tuples(st.integers(0, 500 * MS), st.integers(0, 500 * MS)), min_size=1, max_size=8)


@given(WAYS, st.integers(-(10**15), 10**15))
def test_the_offset_is_right_to_within_its_stated_error(ways_ns: list[tuple[int, int]], ahead_ns: int) -> None:
    """However unlike the two ways are: that is all that a round trip can tell."""
    reading = read_remote((far := Far(ways_ns, ahead_ns)).ask, far.now_ns)
    assert abs(reading.offset_ns - ahead_ns) <= reading.error_ns
    assert reading.error_ns <= min(there + back for there, back in ways_ns) // 2 + 1


@given(WAYS)
def test_a_clock_anchored_there_shows_this_side_s_time(ways_ns: list[tuple[int, int]]) -> None:
    """By its own monotonic clock, to within the error; what has gone apart later is found by reading again."""
    far = Far(ways_ns, 0)
    reading = read_remote(far.ask, far.now_ns)
    clock = anchored(reading)
    mono_ns = far.now + far.mono_ahead_ns
    assert abs(clock.utc_ns + mono_ns - clock.mono_ns - far.now) <= reading.error_ns
    far.now += 3600 * 10**9
    far.mono_ahead_ns += 80 * MS
    again = read_remote(far.ask, far.now_ns)
    assert abs(again.drift_ns(clock) - 80 * MS) <= reading.error_ns + again.error_ns


def test_the_quickest_answer_is_kept() -> None:
    """One slow way among eight spoils nothing."""
    far = Far([(90 * MS, 2 * MS), (MS, MS), (40 * MS, 300 * MS)], 5 * MS)
    assert read_remote(far.ask, far.now_ns).error_ns == MS


def test_a_reading_states_half_of_its_round_trip() -> None:
    """Rounded up, and never zero for a trip that took any time."""
    reading = Reading(100, 105, Remote(0, 0))
    assert (reading.at_ns, reading.error_ns) == (102, 3)
    assert anchored(reading) == Clock(102, 0)
