"""What an image is called in full, as a kubelet's runtime looks for it. Rules: distribution/reference."""

import re
from collections.abc import Mapping
from typing import Any

from chaos.errors import LabError

__all__ = ["annotated_names", "full_name", "saved_names"]

DOMAIN = r"(?:localhost|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?"
PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
NAME = re.compile(
    rf"(?:(?P<domain>{DOMAIN})/)?(?P<path>{PART}(?:/{PART})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?(?P<digest>@sha256:[0-9a-f]{{64}})?",
    re.ASCII,
)
LENGTH_MAX = 255


def full_name(name: str) -> str:
    """`llama` is `docker.io/library/llama:latest`. Raises LabError for what is no name of an image."""
    domain, _, rest = name.partition("/")
    # A first part with a dot or a port, or localhost, is a registry; any other belongs to the path.
    if not rest or not ("." in domain or ":" in domain or domain == "localhost"):
        name = f"docker.io/{name}" if rest else f"docker.io/library/{name}"
    found = NAME.fullmatch(name)
    if found is None or len(name) > LENGTH_MAX:
        raise LabError(f"{name!r:.120} is no name of an image", "name it like registry.example/team/chat:1.2")
    return name if found["tag"] or found["digest"] else f"{name}:latest"


def annotated_names(described: Mapping[str, Any]) -> tuple[str, ...]:
    """What a descriptor's annotations call an image: containerd's name, else a reference that is more than a tag."""
    notes = described.get("annotations")
    if not isinstance(notes, Mapping):
        return ()
    whole, reference = notes.get("io.containerd.image.name"), notes.get("org.opencontainers.image.ref.name")
    found = whole or (reference if re.search("[:/]", str(reference)) else "")
    return (str(found),) if found else ()


def saved_names(saved: object) -> Mapping[str, tuple[str, ...]]:
    """What `docker save` calls the images, by the digests of their configurations."""
    told = [one for one in saved if isinstance(one, Mapping)] if isinstance(saved, list) else []
    return {
        f"sha256:{str(one.get('Config')).rpartition('/')[2].removesuffix('.json')}": tuple(map(str, one["RepoTags"]))
        for one in told
        if isinstance(one.get("RepoTags"), list)
    }
