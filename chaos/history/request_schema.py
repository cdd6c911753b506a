"""The columns of the request records."""

from collections.abc import Mapping

import polars as pl

__all__ = ["REQUEST_SCHEMA"]

REQUEST_SCHEMA: Mapping[str, pl.DataType] = {
    "id": pl.Int64(),
    "stream": pl.String(),
    "intended_ns": pl.Int64(),
    "sent_ns": pl.Int64(),
    "first_byte_ns": pl.Int64(),
    "first_token_ns": pl.Int64(),
    "end_ns": pl.Int64(),
    "outcome": pl.String(),
    "status": pl.Int64(),
    "error": pl.String(),
    "replica": pl.String(),
    "tokens_in": pl.Int64(),
    "tokens_out": pl.Int64(),
    "token_gaps_ns": pl.List(pl.Int64()),
    "finish_reason": pl.String(),
    "turn": pl.Int64(),
    "attempts": pl.Int64(),
    "last_outcome": pl.String(),
    "last_end_ns": pl.Int64(),
    "leaves_after": pl.Int64(),
    "echo": pl.String(),
}
"""Columns of `History.requests`, as docs/run-folder.md describes requests.jsonl."""
