"""What an image is called in full, as a kubelet's runtime looks for it. Rules: distribution/reference."""

import re

from chaos.errors import LabError

__all__ = ["full_name"]

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
