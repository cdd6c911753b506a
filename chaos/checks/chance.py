"""What so many of so many may come to by chance."""

import math
from statistics import NormalDist

__all__ = ["at_least", "share_most", "wilson"]

CERTAINTY = 1 - 1e-4
_Z = NormalDist().inv_cdf(CERTAINTY)


def at_least(count: int, total: int, share: float) -> float:
    """The chance that `count` or more of `total` come true, each with the chance `share` by itself."""
    if count <= 0:
        return 1.0
    if share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    log_share, log_rest = math.log(share), math.log1p(-share)
    whole = math.lgamma(total + 1)
    terms = (
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(total - k + 1) + k * log_share + (total - k) * log_rest)
        for k in range(count, total + 1)
    )
    return min(1.0, math.fsum(terms))


def share_most(count: int, total: int) -> float:
    """The largest share of which `count` of `total` may be a sample: the upper end of Wilson's interval, one-sided."""
    return min(1.0, wilson(count, total, _Z)[1])


def wilson(count: int, total: int, z: float) -> tuple[float, float]:
    """The share of which `count` of `total` is a sample, by the score interval of `z` standard deviations.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    share, spread = count / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return middle - half, middle + half
