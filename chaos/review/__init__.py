"""What manifests lack for their replicas to be kept and their pods to recover, rule by rule. Asks no cluster."""

from chaos.review.finding import Finding, Review, Severity
from chaos.review.rules import RULES, SILENCE, Rule

__all__ = ["RULES", "SILENCE", "Finding", "Review", "Rule", "Severity"]
