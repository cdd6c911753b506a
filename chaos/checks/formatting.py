"""Numbers as findings print them. Rounding never makes a missed objective look met."""

import math

__all__ = ["finite", "seconds_words", "share_words"]


def share_words(share: float) -> str:
    """A share with four decimals, rounded down: 0.98999 must not read as 0.9900."""
    return f"{math.floor(share * 10_000 + 1e-9) / 10_000:.4f}"


def seconds_words(seconds: float | None) -> str:
    """Seconds for people; infinite is what was never answered."""
    if seconds is None:
        return "unknown"
    if math.isinf(seconds):
        return "never answered"
    return f"{seconds:.3f} s" if seconds < 10 else f"{seconds:.1f} s"


def finite(seconds: float | None) -> float | None:
    """Seconds for machines: JSON has no infinity, so that reads as null."""
    return None if seconds is None or math.isinf(seconds) else seconds
