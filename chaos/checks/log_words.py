"""What the logs of pods say, beside the reasons of what was not kept. Never a judgement: no answer changes by it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from chaos.checks.verdict import Obligation
from chaos.history import History
from chaos.history.cache import once
from chaos.history.facts.container_ends import logs_of
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.semantics.log_causes import logged_causes

__all__ = ["with_log_words"]

PODS_MAX = 2
"""Of so many pods that a reason names the log is quoted."""


def with_log_words(
    history: History, owed: Iterable[Obligation], *, also: Mapping[str, str] | None = None
) -> Iterator[Obligation]:
    """The same obligations; a reason that is about a pod whose log names a known cause quotes that.

    `also` names, by the subject of an obligation, another pod that it is about.
    """
    said = _said(history) if history.logs else {}
    for one in owed:
        text = f"{one.subject} {one.reason} {(also or {}).get(one.subject, '')}" if one.reason else ""
        named = [name for name in said if _names(text, name)]
        words = "; ".join(said[name] for name in named[:PODS_MAX])
        yield replace(one, reason=f"{one.reason}; {words}") if words else one


@once
def _said(history: History) -> Mapping[str, str]:
    """By the name of a pod: the cause that the latest of its logs names, if any does."""
    found: dict[str, str] = {}
    for life in pod_lives(history):
        for log in reversed(logs_of(history, life.uid)):
            if causes := logged_causes(log.tail):
                words = f"{causes[0].words}: {causes[0].line}"
                found[life.name] = f"the log of {life.name} ({log.container}) says {words}"
                break
    return found


def _names(text: str, name: str) -> bool:
    """Whether a text names a pod, and not only another whose name begins so."""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", text) is not None
