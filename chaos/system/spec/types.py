"""Kinds of value that fields of a `SystemSpec` hold, each checked as Kubernetes checks it, and said in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from chaos.objects.quantities import amount

__all__ = ["Count", "CountOrShare", "Image", "Labels", "Name", "Path", "Port", "Quantity", "Seconds"]

_LABEL = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LABEL_KEY = re.compile(rf"([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_LABEL}")


def _quantity(text: str) -> str:
    if amount(text) <= 0:
        raise ValueError("must be a Kubernetes quantity greater than zero")
    return text


def _share(value: object) -> object:
    number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not number and not (isinstance(value, str) and re.fullmatch(r"(\d|[1-9]\d|100)%", value)):
        raise ValueError("must be a whole number of pods, or a percentage like 50%")
    return value


def _image(text: str) -> str:
    if not re.fullmatch(r"\S+", text):
        raise ValueError("must be an image reference like registry.example/model:1, without spaces")
    return text


def _name(text: str) -> str:
    # A Service's name is a DNS-1035 label, the strictest of the kinds that bear this name.
    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", text):
        raise ValueError(
            "must be a DNS label: lower-case letters, digits and '-', a letter first, at most 63 characters"
        )
    return text


def _labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            raise ValueError(
                f"label key {key!r} is not allowed: letters, digits, '-', '_', '.', with an optional prefix/"
            )
        if value and not re.fullmatch(_LABEL, value):
            raise ValueError(f"label value {value!r} is not allowed: at most 63 letters, digits, '-', '_' or '.'")
    return labels


def _path(text: str) -> str:
    if not text.startswith("/") or any(char.isspace() for char in text):
        raise ValueError("must be a path that begins with /")
    return text


def _as_text(value: object) -> object:
    """Take a bare number for the quantity it means, as YAML and TOML give it."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Quantity = Annotated[str, BeforeValidator(_as_text), AfterValidator(_quantity)]
"""A Kubernetes quantity greater than zero, e.g. `250m` or `512Mi`."""

CountOrShare = Annotated[int | str, BeforeValidator(_share)]
"""A number of pods, or a percentage of them like `25%`."""

Count = Annotated[int, Field(ge=1, strict=True)]
Seconds = Annotated[int, Field(ge=0, strict=True)]
"""Whole seconds, as Kubernetes counts them."""

Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
Name = Annotated[str, AfterValidator(_name)]
Image = Annotated[str, AfterValidator(_image)]
Path = Annotated[str, AfterValidator(_path)]
Labels = Annotated[Mapping[str, str], AfterValidator(_labels)]
