"""Answers that are errors, in the shape that OpenAI's clients understand."""

from __future__ import annotations

from typing import Any

__all__ = ["EngineGone", "Refusal"]


class Refusal(Exception):
    """A request that gets an error: HTTP status, words, and OpenAI's `type`, `code` and `param`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.kind, self.code, self.param = kind, code, param
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


class EngineGone(Refusal):
    """The engine ended, or ended an answer, before it was whole."""

    def __init__(self, message: str) -> None:
        super().__init__(502, message, kind="server_error", code="engine_gone")
