"""What a review may have found, for tests of how it is shown."""

from typing import Any

from hostile_words import HOSTILE

from chaos.review import Finding, Review

__all__ = ["WORDS", "finding", "hostile"]

WORDS = (
    *HOSTILE,
    "a | b | c",
    "`x` and ```\n```\n# no",
    "<img src=x onerror=y> </details> &lt; <!-- ",
    "[a](https://attacker.example) ![b](c)",
    "100 % sure, a:b, c%0A::error::d\r\n",
    "@everyone see #1",
    "half a character: \udc80",
    "---\n- key: value",
)
"""What strangers may call things, also where Markdown and GitHub's commands have signs of their own."""


def finding(**fields: Any) -> Finding:
    """An error with a patch, but for the fields that are given."""
    usual: dict[str, Any] = {
        "rule": "startup-probe-missing",
        "severity": "error",
        "object": "Deployment chat in namespace prod",
        "path": "deploy/chat.yaml",
        "line": 12,
        "sentence": "no startup probe: liveness ends every start over 40 s",
        "sums": ("initialDelaySeconds 10 + periodSeconds 10 * failureThreshold 3 = 40 s",),
        "patch": "apiVersion: apps/v1\nkind: Deployment\n",
        "source": "https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/",
    }
    return Finding(**{**usual, **fields})


def hostile(text: str) -> Review:
    """A review whose every word is that, but for the patch, which is safe where it is made."""
    found = finding(rule=text, object=text, path=text, sentence=text, sums=(text,), source=text)
    return Review((found,), (text,), ((found, text),))
