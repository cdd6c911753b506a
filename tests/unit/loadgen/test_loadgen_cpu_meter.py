"""The generator's account of its own processor time."""

from __future__ import annotations

from chaos.clock import NS
from loadgen.generator.cpu_meter import CpuMeter


def test_each_second_is_measured_by_itself() -> None:
    """A busy second after an idle one shows as busy, not as the average of both."""
    meter = CpuMeter(0, 0)
    assert meter.share(1 * NS, 0) == 0
    assert meter.share(2 * NS, NS) == 1


def test_a_last_reading_right_after_another_does_not_look_busy() -> None:
    """A reading a microsecond after the last one covers the second before it as well."""
    meter = CpuMeter(0, 0)
    meter.share(1 * NS, NS // 100)
    assert meter.share(1 * NS + 1000, NS // 100 + 1000) < 0.011


def test_a_busy_second_is_still_seen_by_a_last_reading() -> None:
    """Nor does the short reading hide that the generator was at its limit."""
    meter = CpuMeter(0, 0)
    meter.share(1 * NS, NS)
    assert meter.share(1 * NS + 1000, NS + 1000) > 0.99


def test_the_first_reading_counts_from_the_start() -> None:
    """With no older reading, the share is since the meter began."""
    assert CpuMeter(0, 0).share(NS // 4, NS // 8) == 0.5
