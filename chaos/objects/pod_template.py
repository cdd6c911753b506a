"""Pod templates compared: whole, but for a Deployment's own label, or by digests, which hold nothing of them."""

import hashlib
import json

from chaos.objects.base import Raw
from chaos.objects.kinds import TEMPLATE_HASH

__all__ = ["same_template", "template_digest", "unlabelled"]


def same_template(one: Raw, other: Raw) -> bool:
    """Whether two pod templates are the same but for the label that a Deployment adds to its ReplicaSets'."""
    return unlabelled(one) == unlabelled(other)


def template_digest(template: Raw) -> str:
    """What tells a pod template from every other."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def unlabelled(template: Raw) -> Raw:
    """A ReplicaSet's template as its Deployment has it."""
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != TEMPLATE_HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}
