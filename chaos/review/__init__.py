"""What manifests lack for their replicas to be kept and their pods to recover, rule by rule. Asks no cluster."""

from chaos.review.engine import review, review_objects
from chaos.review.finding import SEVERITIES, Finding, Review, Severity
from chaos.review.patches import PATCH_FILE
from chaos.review.rules import RULES, SILENCE, Rule

__all__ = [
    "PATCH_FILE",
    "RULES",
    "SEVERITIES",
    "SILENCE",
    "Finding",
    "Review",
    "Rule",
    "Severity",
    "review",
    "review_objects",
]
