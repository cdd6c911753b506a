"""What Kubernetes quantities mean: `100m`, `1.5`, `512Mi` as exact numbers, or as thousandths of their unit."""

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

__all__ = ["ONE", "amount", "milli"]

ONE = 1000

_SUFFIX = {
    **{
        suffix: Decimal(1000) ** power
        for power, suffix in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
    },
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}
_QUANTITY = re.compile(
    r"(?P<number>\d+\.?\d*|\.\d+)(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?\d{1,2}))?"
)


def amount(quantity: str) -> Decimal:
    """The number that a Kubernetes quantity means (`100m` is 0.1, `1Ki` is 1024).

    Source: apimachinery's resource.Quantity. Raises `ValueError` for text that is no quantity.
    """
    match = _QUANTITY.fullmatch(quantity)
    if not match:
        raise ValueError("must be a Kubernetes quantity like 250m, 1.5, 512Mi or 2Gi")
    scale = Decimal(10) ** int(match["exponent"]) if match["exponent"] else _SUFFIX[match["suffix"] or ""]
    return Decimal(match["number"]) * scale


@lru_cache(maxsize=4096)
def milli(quantity: str) -> int:
    """A Kubernetes quantity in thousandths, rounded up. Raises `ValueError` for what is none."""
    return int((amount(quantity.strip()) * ONE).to_integral_value(ROUND_CEILING))
