"""Kubernetes quantities as whole numbers: `100m`, `1.5`, `512Mi` in thousandths of their unit."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

__all__ = ["ONE", "milli"]

ONE = 1000

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


@lru_cache(maxsize=4096)
def milli(quantity: str) -> int:
    """A Kubernetes quantity in thousandths, rounded up. Raises `ValueError` for what is none."""
    text = quantity.strip()
    try:
        if text[-2:] in _BINARY:
            value = Decimal(text[:-2]) * _BINARY[text[-2:]]
        elif text[-1:] in _DECIMAL:
            value = Decimal(text[:-1]).scaleb(_DECIMAL[text[-1:]])
        else:
            value = Decimal(text)
    except ArithmeticError:
        raise ValueError(f"{quantity!r} is no quantity") from None
    return int((value * ONE).to_integral_value(ROUND_CEILING))
