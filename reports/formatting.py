"""Numbers and moments as people read them. Used by every form of the report, so that one number has one text."""

import math
import time

from chaos.clock import NS

__all__ = ["brief", "clock", "count", "date", "duration", "elapsed", "plural", "rate", "share", "size", "stamp"]

NOTHING = "–"  # noqa: RUF001  # a dash is what is meant
UNANSWERED = "not answered"
SIGN = {"PASS": "✓", "FAIL": "✗", "UNKNOWN": "?"}
NEWS = {"new": "new", "still": "still failing", "fixed": "fixed", "flaky": "flaky"}
"""What the kinds of news of a finding are called."""


def duration(value_s: float | None) -> str:
    """Seconds as text with three figures: `12.4 ms`, `1.25 s`, `3 min 20 s`; infinity is a request never answered."""
    if value_s is None:
        return NOTHING
    if math.isinf(value_s):
        return UNANSWERED
    if value_s < 0:
        return f"-{duration(-value_s)}"
    if value_s >= 99.95:
        minutes, rest = divmod(round(value_s), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
    scaled, unit = (value_s, "s") if value_s >= 0.9995 else (value_s * 1e3, "ms")
    digits = 0 if scaled >= 99.95 or scaled == 0 else 1 if scaled >= 9.995 or unit == "ms" else 2
    return f"{scaled:.{digits}f} {unit}"


def brief(value_s: float) -> str:
    """A round duration without needless digits, as scales need it: `10 ms`, `2 s`, `1 min`."""
    if value_s >= 60:
        return f"{value_s / 60:g} min" if value_s < 3600 else f"{value_s / 3600:g} h"
    return f"{value_s:g} s" if value_s >= 1 or value_s == 0 else f"{value_s * 1e3:g} ms"


def share(value: float | None) -> str:
    """A share as a percentage, cut and never rounded up: only all of it reads `100 %`."""
    if value is None:
        return NOTHING
    cut = math.floor(value * 100_000 + 1e-6) / 1000
    return f"{cut:.3f}".rstrip("0").rstrip(".") + " %"


def count(value: int | None) -> str:
    """A count with thousands set apart."""
    return NOTHING if value is None else f"{value:,}"


def plural(number: int, word: str) -> str:
    """`1 pod`, `2 pods`."""
    return f"{count(number)} {word}" + ("" if number == 1 else "s")


def rate(value_rps: float | None) -> str:
    """Requests per second."""
    return NOTHING if value_rps is None else f"{value_rps:,.{0 if value_rps >= 99.95 else 1}f}/s"


def size(value_bytes: int | None) -> str:
    """Bytes in kB and MB of a thousand."""
    if value_bytes is None:
        return "absent"
    if value_bytes < 1000:
        return f"{value_bytes} B"
    return f"{value_bytes / 1e3:.1f} kB" if value_bytes < 1e6 else f"{value_bytes / 1e6:.1f} MB"


def clock(at_ns: int, *, digits: int = 0) -> str:
    """The time of day in UTC, `12:00:31`, with up to three digits of the second."""
    whole, rest = divmod(at_ns, NS)
    tail = f".{rest // 1_000_000:03d}"[: digits + 1] if digits else ""
    return time.strftime("%H:%M:%S", time.gmtime(whole)) + tail


def date(at_ns: int) -> str:
    """The day in UTC, `2026-01-31`."""
    return time.strftime("%Y-%m-%d", time.gmtime(at_ns // NS))


def stamp(at_ns: int | None) -> str:
    """The time of day in UTC with milliseconds, or a dash."""
    return NOTHING if at_ns is None else clock(at_ns, digits=3)


def elapsed(at_ns: int, zero_ns: int, *, digits: int = 1) -> str:
    """Time since the trial began: `T+31.2 s`, and from ten minutes on `T+12:31`."""
    passed_s = (at_ns - zero_ns) / NS
    if abs(passed_s) < 600:
        return f"T+{passed_s:.{digits}f} s"
    minutes, rest = divmod(round(passed_s), 60)
    return f"T+{minutes}:{rest:02d}"
