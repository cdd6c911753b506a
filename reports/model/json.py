"""The report as JSON: the same numbers, for machines."""

import dataclasses
import json
import math
from typing import Any

from reports.model.report import Report

__all__ = ["plain", "to_json"]

INFINITY = "inf"
"""How an infinite latency is written, since JSON has no word for it."""


def plain(value: Any) -> Any:
    """The value as dicts, lists, numbers and strings; infinity becomes the string `inf`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and math.isinf(value):
        return INFINITY
    return value


def to_json(report: Report) -> str:
    """The whole report as one JSON document; raises ValueError if a number is not a number."""
    return json.dumps(plain(report), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
