"""What a container runs and asks for: a version of its image, and requests for the scheduler."""

from collections.abc import Iterator

from chaos.objects.base import Raw
from chaos.review.autoscaling import USUAL, requested
from chaos.review.manifest_set import ManifestSet
from chaos.review.model import Workload
from chaos.review.patches import container_patch
from chaos.review.shapes import is_placeholder, sub
from chaos.review.violation import Violation

__all__ = ["image"]

INJECTED = "auto"
"""The image of a proxy that Istio fills in (its documentation: "Customizing injection")."""


def image(known: ManifestSet) -> Iterator[Violation]:
    """Every violation of a rule about images and requests."""
    for workload in known.workloads:
        for container in workload.containers:
            named = str(container.get("image", ""))
            filled_in = named == INJECTED or is_placeholder(named) or _name_of(named) in known.tagged
            if named and not filled_in and tag_of(named) in ("", "latest"):
                sentence = f"image {named} names no version: two replicas may run two programs, and no rollback is one"
                yield Violation("image-unpinned", workload.manifest, sentence)
        yield from _requests(known, workload, workload.serving[0])


def tag_of(named: str) -> str:
    """The tag or digest of an image; a colon before the last slash belongs to the registry's port."""
    return named.partition("@")[2] or named.rpartition("/")[2].partition(":")[2]


def _name_of(named: str) -> str:
    """An image without its tag and digest, as a kustomization names it."""
    return named.partition("@")[0].removesuffix(f":{tag_of(named)}")


def _requests(known: ManifestSet, workload: Workload, container: Raw) -> Iterator[Violation]:
    """A limit alone becomes a request of its size. What an autoscaler measures against is a matter of its own."""
    measured = {
        one.resource
        for scaler in workload.scalers
        for one in scaler.metrics
        if one.target == "Utilization" and one.container in ("", container.get("name"))
    }
    pods_own = sub(workload.pod, "resources", "requests").keys() | sub(workload.pod, "resources", "limits").keys()
    missing = {
        resource: usual
        for resource, usual in USUAL.items()
        if resource not in pods_own | measured and not requested(known, workload.manifest, container, resource)
    }
    if missing:
        where = workload.where(container)
        sentence = f"{where}no {' and '.join(missing)} request: the scheduler packs pods as if they took nothing"
        sums = ("write what kubectl top pod shows, the patch holds a placeholder",)
        patch = container_patch(workload, container, {"resources": {"requests": missing}})
        yield Violation("requests-missing", workload.manifest, sentence, sums, patch)
