"""Requests that were turned away: by the service, which sheds load, or by an API server that stands before it. Pure."""

from loadgen.answer_parts import json_object

__all__ = ["OVER_PROXY", "PROXY_REFUSALS", "REFUSAL_BYTES", "SHED", "proxy_refusal"]

SHED = frozenset({429, 503, 529})
"""Statuses of a service that has no room for a request: too many of them (RFC 6585), unavailable for now (RFC 9110,
with or without Retry-After), and overloaded, as Anthropic's API has it."""

PROXY_REFUSALS = frozenset({401, 403, 429})
"""Statuses by which an API server refuses to proxy a request: not authenticated, not allowed, too busy."""

OVER_PROXY = PROXY_REFUSALS | {503}
"""Statuses that may be its own; its 503 says that the service has no endpoint, or none that can be reached."""

REFUSAL_BYTES = 4096
"""How much of such a body is read to tell the API server's own refusal from the service's."""


def proxy_refusal(status: int, body: bytes) -> str:
    """Why the API server did not proxy a request, if the body is a Status of its API; empty: the service answered."""
    status_object = json_object(body) or {}
    if (status_object.get("kind"), status_object.get("apiVersion")) != ("Status", "v1"):
        return ""
    words = f"the API server did not pass it on: {status} {status_object.get('message', '')}"[:200].rstrip()
    return words.encode(errors="replace").decode()
