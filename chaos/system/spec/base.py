"""What people write: frozen, checked models whose mistakes are told in one or two lines.

A mistake names the field and what is allowed; an unknown field is answered with the nearest name that exists.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails

from chaos.errors import UsageError

__all__ = ["Written"]

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
        outermost = _outer.get()
        try:
            with _inside():
                written = handler(data)
        except ValidationError as wrong:
            if not outermost:
                raise
            raise cls._usage_error(wrong.errors(include_url=False)) from None
        for complaint in written.complaints():
            raise UsageError(f"{cls.__name__}: {complaint}") if outermost else ValueError(complaint)
        return written

    def complaints(self) -> Iterable[str]:
        """Say what is wrong with fields that are right each by itself but not together."""
        return ()

    @classmethod
    def _usage_error(cls, mistakes: list[ErrorDetails]) -> UsageError:
        first = mistakes[0]
        path = _path(first)
        more = sorted({_path(other) for other in mistakes} - {path})
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
        """Give a copy with some fields changed, checked as a whole again.

        Raises `UsageError` that names the field and what is allowed, also for a field that does not exist.
        """
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self).model_validate({**kept, **changes})


@contextmanager
def _inside() -> Iterator[None]:
    token = _outer.set(False)
    try:
        yield
    finally:
        _outer.reset(token)


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


def _path(mistake: ErrorDetails) -> str:
    """The field's path as a person would write it; the branches of a union, which pydantic adds, are left out."""
    branches = {"int", "str", "float", "constrained-str", "constrained-int"}
    steps = [str(step) for step in mistake["loc"] if str(step) not in branches and "[" not in str(step)]
    return ".".join(steps)


def _allowed(mistakes: list[ErrorDetails], first: ErrorDetails) -> str:
    """What is allowed, in words: all branches of a union where the field is one."""
    told = dict.fromkeys(_words(one) for one in mistakes if _path(one) == _path(first))
    return " or ".join(told)


def _words(mistake: ErrorDetails) -> str:
    kind, said = mistake["type"], mistake["msg"]
    if kind == "value_error":
        return said.removeprefix("Value error, ")
    if kind == "model_type":
        return f"must be a {mistake['ctx']['class_name']}, or a mapping of its fields"
    plain = {"int": "a whole number", "string": "text", "bool": "true or false"}.get(kind.partition("_")[0])
    return f"must be {plain or said.removeprefix('Input should be ')}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
