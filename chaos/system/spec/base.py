"""What people write: frozen, checked models whose mistakes are reported in one or two lines.

A mistake names the field and what is allowed; an unknown field is answered with the nearest name that exists.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from chaos.errors import UsageError
from chaos.objects.quantities import amount

__all__ = ["Count", "CountOrShare", "Image", "Labels", "Name", "Path", "Port", "Quantity", "Seconds", "Written"]

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


def _matching(pattern: str, words: str) -> AfterValidator:
    """Refuse text that is not of a pattern."""

    def checked(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(words)
        return text

    return AfterValidator(checked)


def _labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            raise ValueError(
                f"label key {key!r} is not allowed: letters, digits, '-', '_', '.', with an optional prefix/"
            )
        if value and not re.fullmatch(_LABEL, value):
            raise ValueError(f"label value {value!r} is not allowed: at most 63 letters, digits, '-', '_' or '.'")
    return labels


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
# A Service's name is a DNS-1035 label, the strictest of the kinds that bear this name.
Name = Annotated[
    str,
    _matching(
        r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
        "must be a DNS label: lower-case letters, digits and '-', a letter first, at most 63 characters",
    ),
]
Image = Annotated[str, _matching(r"\S+", "must be an image reference like registry.example/model:1, without spaces")]
Path = Annotated[str, _matching(r"/\S*", "must be a path that begins with /")]
Labels = Annotated[Mapping[str, str], AfterValidator(_labels)]


_outer: ContextVar[bool] = ContextVar("_outer", default=True)
"""Whether the model under validation is the outermost: only that one knows a mistake's whole path."""


class Written(BaseModel):
    """A frozen model that refuses unknown fields and says in words what is wrong.

    Every way of making one raises `UsageError`, never pydantic's own error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _in_words(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        outermost, token = _outer.get(), _outer.set(False)
        try:
            written = handler(data)
        except ValidationError as wrong:
            if not outermost:
                raise
            raise cls._usage_error(wrong.errors(include_url=False)) from None
        finally:
            _outer.reset(token)
        for complaint in written.complaints():
            raise UsageError(f"{cls.__name__}: {complaint}") if outermost else ValueError(complaint)
        return written

    def complaints(self) -> Iterable[str]:
        """Say what is wrong with fields that are right each by itself but not together."""
        return ()

    @classmethod
    def _usage_error(cls, mistakes: list[ErrorDetails]) -> UsageError:
        first = mistakes[0]
        path = _field_path(first)
        more = sorted({_field_path(other) for other in mistakes} - {path})
        also = f" (also wrong: {', '.join(more)})" if more else ""
        if first["type"] == "extra_forbidden":
            name, names = str(first["loc"][-1]), _names(cls, first["loc"][:-1])
            near = difflib.get_close_matches(name, names, n=1)
            fix = f"did you mean {near[0]}? allowed: " if near else "allowed: "
            return UsageError(f"{cls.__name__}: there is no field {path}{also}", fix + ", ".join(sorted(names)))
        if first["type"] == "missing":
            return UsageError(f"{cls.__name__}: the field {path} is missing{also}", f"give {path}")
        given = f", not {_short(first['input'])}" if isinstance(first["input"], str | int | float) else ""
        return UsageError(f"{cls.__name__}{'.' + path if path else ''}: {_allowed(mistakes, first)}{given}{also}")

    def having(self, **changes: Any) -> Self:
        """Give a copy with some fields changed, checked as a whole again. Raises `UsageError`."""
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self).model_validate({**kept, **changes})


def _names(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Fields of the model that `path` leads to."""
    for step in path:
        field = model.model_fields.get(str(step))
        inner = _model_in(field.annotation) if field else None
        model = inner or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in getattr(annotation, "__args__", ()))
    return next((model for model in found if model), None)


def _field_path(mistake: ErrorDetails) -> str:
    """The field's path as a person would write it; the branches of a union, which pydantic adds, are left out."""
    branches = {"int", "str", "float", "constrained-str", "constrained-int"}
    steps = [str(step) for step in mistake["loc"] if str(step) not in branches and "[" not in str(step)]
    return ".".join(steps)


def _allowed(mistakes: list[ErrorDetails], first: ErrorDetails) -> str:
    """What is allowed, in words: all branches of a union where the field is one."""
    allowed = dict.fromkeys(_words(one) for one in mistakes if _field_path(one) == _field_path(first))
    return " or ".join(allowed)


def _words(mistake: ErrorDetails) -> str:
    kind, message = mistake["type"], mistake["msg"]
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind == "model_type":
        return f"must be a {mistake['ctx']['class_name']}, or a mapping of its fields"
    plain = {"int": "a whole number", "string": "text", "bool": "true or false"}.get(kind.partition("_")[0])
    return f"must be {plain or message.removeprefix('Input should be ')}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
