"""What a review found, for programs: JSON, and SARIF for code scanning."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chaos.cli.review.text import mended, place, remarks
from chaos.errors import printable
from chaos.review import RULES, SILENCE, Review, Rule

__all__ = ["as_json", "as_sarif"]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

FINGERPRINT = "gamedayObject/v1"
"""Which findings of two versions are the same. Not `primaryLocationLineHash`, the only one that GitHub compares: its
action upload-sarif computes that of the file's text, and warns of each that is another
(github/codeql-action, src/fingerprints.ts)."""

APART = "\N{ZERO WIDTH SPACE}"


def as_json(review: Review) -> str:
    """All that was found, as one object."""
    silenced = [{**asdict(one), "reason": reason} for one, reason in review.silenced]
    found = [asdict(one) for one in review.findings]
    return _dumped({"schema": 1, "findings": found, "notes": review.notes, "silenced": silenced})


def as_sarif(review: Review, root: Path) -> str:
    """A SARIF 2.1.0 log with what code scanning needs; paths are those from `root`, the folder of the repository.

    Code scanning would show what is silenced like any other result, so that is among the notifications.
    Source: https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
    """
    driver = {"name": "gameday", "version": version("kube-gameday"), "rules": [_rule(one) for one in RULES.values()]}
    told = [{"level": "note", "message": {"text": printable(one)}} for one in remarks(review)]
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": told}],
        "results": list(_results(review, root)),
    }
    return _dumped({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(rule: Rule) -> dict[str, Any]:
    short = {"text": rule.short}
    silence = f"To silence it for an object, annotate that with {SILENCE}{rule.name} and the reason."
    return {
        "id": rule.name,
        "shortDescription": short,
        "fullDescription": short,
        "help": {"text": f"{rule.short}: see {rule.source}\n{silence}"},
        "helpUri": rule.source,
        "defaultConfiguration": {"level": rule.severity},
    }


def _results(review: Review, root: Path) -> Iterator[dict[str, Any]]:
    alike: Counter[tuple[str, str, str]] = Counter()
    for finding in review.findings:
        # As bytes, since a name need be no text.
        uri = quote(os.fsencode(place(finding, root)))
        same = finding.rule, uri, finding.object
        alike[same] += 1
        physical = {"artifactLocation": {"uri": uri}, "region": {"startLine": finding.line}}
        yield {
            "ruleId": finding.rule,
            "level": finding.severity,
            # What a viewer would take for a link is none.
            "message": {"text": printable(mended(finding)).replace("](", f"]{APART}(")},
            "locations": [
                {"physicalLocation": physical, "logicalLocations": [{"fullyQualifiedName": printable(finding.object)}]}
            ],
            "partialFingerprints": {FINGERPRINT: _hashed(*same, alike[same])},
        }


def _hashed(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _dumped(data: dict[str, Any]) -> str:
    """JSON in ASCII, in which Azure Pipelines finds no command either: `##` is written with an escape."""
    return json.dumps(data, indent=1).replace("##", "#\\u0023") + "\n"
