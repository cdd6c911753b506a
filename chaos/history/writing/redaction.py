"""What evidence may keep of an object that is sent to the API server. Pure."""

from __future__ import annotations

from typing import Any

__all__ = ["redacted"]


def redacted(kind: str, body: Any) -> Any:
    """The body as the action log keeps it: the contents of a Secret are left out."""
    return "left out: a Secret" if kind == "Secret" and body is not None else body
