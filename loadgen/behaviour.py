"""What clients do beside asking once: try again, leave in the middle of an answer, go on with a conversation.

Plain data, drawn from the trial's seed. What is drawn depends on the arrival alone, so each of several workers draws
the same.
"""

import email.utils
import random
import time
from dataclasses import dataclass

from chaos.errors import UsageError

__all__ = ["Conversation", "Disconnects", "Retries", "chance_of", "retry_after_s"]

RETRY_AFTER_MAX_S = 60.0
"""A server that asks for a longer wait is not heeded, as OpenAI's own clients have it: the usual wait is taken."""

TURNS_MAX = 100


def chance_of(seed: int, stream: str, index: int, what: str) -> random.Random:
    """The chance of one decision about one arrival."""
    return random.Random(f"{seed} {stream} {index} {what}")  # noqa: S311  # replayable, no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How a client tries again: `attempts` in all, the first among them; each has the profile's `timeout_s`.

    It does so where it got no connection or no head of an answer, and for `statuses`. Before the second attempt it
    waits `backoff_s`, twice as long before each further one, `backoff_max_s` at most, less up to a quarter by chance.
    With `retry_after` a server's Retry-After takes its place, unless it is over a minute. The defaults are those of
    OpenAI's Python client (`openai/_base_client.py`), with the status 529 of Anthropic's.
    """

    attempts: int = 3
    backoff_s: float = 0.5
    backoff_max_s: float = 8.0
    statuses: tuple[int, ...] = (408, 409, 429, 500, 502, 503, 504, 529)
    retry_after: bool = True

    def __post_init__(self) -> None:
        if not 2 <= self.attempts <= 20:
            raise UsageError(f"retries.attempts: {self.attempts} is not in 2..20, the first among them")
        if not 0 <= self.backoff_s <= self.backoff_max_s <= 600:
            raise UsageError(f"retries: backoff_s {self.backoff_s:g} is over backoff_max_s {self.backoff_max_s:g}")
        if not all(400 <= status <= 599 for status in self.statuses):
            raise UsageError("retries.statuses: not statuses from 400 to 599")

    def again(self, outcome: str, status: int | None) -> bool:
        """Whether a client that got this tries again."""
        if outcome in {"unsent", "disconnected"}:
            return False
        return status is None or status in self.statuses

    def wait_s(self, attempt: int, asked_s: float | None, chance: random.Random) -> float:
        """How long it waits after attempt number `attempt` (from 1), where a server may have asked for `asked_s`."""
        if self.retry_after and asked_s is not None and asked_s <= RETRY_AFTER_MAX_S:
            return asked_s
        usual_s = min(self.backoff_s * 2.0 ** (attempt - 1), self.backoff_max_s)
        return usual_s * (1 - 0.25 * chance.random())

    def longest_s(self, timeout_s: float) -> float:
        """How long all attempts after the first can take together."""
        wait_s = max(self.backoff_max_s, RETRY_AFTER_MAX_S if self.retry_after else 0.0)
        return (self.attempts - 1) * (timeout_s + wait_s)


def retry_after_s(value: object) -> float | None:
    """What a header Retry-After asks for: seconds, or a date (RFC 9110, 10.2.3); None if it says neither."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        at = email.utils.parsedate_to_datetime(value)
        return max(0.0, at.timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnects:
    """A `share` of clients goes away in the middle of its answer, once it has read `after_tokens` pieces of it.

    A piece is an event with output, as it was received: 1 leaves at the first token.
    """

    share: float
    after_tokens: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UsageError(f"disconnects.share: {self.share:g} is not in (0, 1]")
        if not 0 < self.after_tokens <= 100_000:
            raise UsageError(f"disconnects.after_tokens: {self.after_tokens} is not in 1..100000")

    def leaves_after(self, chance: random.Random) -> int | None:
        """After how many pieces this client leaves; None: it stays."""
        return self.after_tokens if chance.random() < self.share else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Each arrival is a user who asks `turns` times, and thinks for `think_s` before each turn after the first.

    What was said before is sent along. Time to think is drawn evenly from a half to one and a half of `think_s`.
    """

    turns: int
    think_s: float = 5.0

    def __post_init__(self) -> None:
        if not 2 <= self.turns <= TURNS_MAX:
            raise UsageError(f"conversation.turns: {self.turns} is not in 2..{TURNS_MAX}")
        if not 0 <= self.think_s <= 3600:
            raise UsageError(f"conversation.think_s: {self.think_s:g} is not in [0, 3600] seconds")

    def thinks_s(self, chance: random.Random) -> float:
        """How long a user thinks before the next turn."""
        return self.think_s * (0.5 + chance.random())
