"""Reviews manifests: reads them, puts them together, and asks every rule."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from chaos.errors import UsageError, one_line
from chaos.objects.base import Raw
from chaos.review.autoscaling import autoscaling
from chaos.review.budgets import budgets
from chaos.review.finding import SEVERITIES, Finding, Review
from chaos.review.image import image
from chaos.review.manifest_set import ManifestSet, gather
from chaos.review.model import Manifest
from chaos.review.placement import placement
from chaos.review.probes import probes
from chaos.review.reading import read
from chaos.review.refused import refused
from chaos.review.rollout import rollout
from chaos.review.rules import RULES, SILENCE
from chaos.review.service import service
from chaos.review.shapes import texts
from chaos.review.termination import termination
from chaos.review.versions import versions
from chaos.review.violation import Violation, judged
from chaos.review.volumes import volumes

__all__ = ["review", "review_objects"]

SUBJECTS: tuple[Callable[[ManifestSet], Iterator[Violation]], ...] = (
    versions,
    refused,
    budgets,
    probes,
    termination,
    rollout,
    volumes,
    autoscaling,
    placement,
    image,
    service,
)


def review(paths: Sequence[str]) -> Review:
    """Review files, folders with all below them, and standard input (`-`).

    Raises `UsageError` for a path that is not there, and where there is no manifest at all.
    """
    reading = read(paths)
    if not reading.manifests and not reading.findings:
        raise UsageError(
            f"there is no manifest in {', '.join(paths)}",
            "a manifest has apiVersion and kind; of a folder, files that end in .yaml, .yml or .json are read",
        )
    found = _reviewed(reading.manifests, frozenset(reading.tagged))
    return replace(found, findings=_ordered((*reading.findings, *found.findings)), notes=(*reading.notes, *found.notes))


def review_objects(objects: Iterable[Raw]) -> Review:
    """Review objects that were read elsewhere, from a cluster, say."""
    found = _reviewed([Manifest(one) for one in objects])
    return replace(found, findings=_ordered(found.findings))


def _reviewed(manifests: Sequence[Manifest], tagged: frozenset[str] = frozenset()) -> Review:
    known = gather(manifests, tagged)
    found = judged(violation for subject in SUBJECTS for violation in subject(known))
    return replace(found, notes=(*known.notes, *_unknown_rules(known)))


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By where they are, the gravest of an object first."""
    return tuple(sorted(findings, key=lambda one: (one.path, one.line, SEVERITIES.index(one.severity))))


def _unknown_rules(known: ManifestSet) -> Iterator[str]:
    """Annotations that silence nothing, as no rule has that name."""
    for one in known.manifests:
        for key in texts(one.raw, "metadata", "annotations"):
            if key.startswith(SILENCE) and key.removeprefix(SILENCE) not in RULES:
                yield one_line(f"annotation {key} of {one.words} names no rule")
