"""The part `slo` of gameday.toml."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from chaos.slo import Slo
from chaos.system.spec.base import Written

__all__ = ["SloPart"]

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class SloPart(Written):
    """What users were promised, for scenarios that use the fixture `slo`."""

    availability: Share | None = None
    latency_p99_s: Positive | None = None
    first_token_p99_s: Positive | None = None
    goodput: Share | None = None
    shed_max: Annotated[float, Field(ge=0, lt=1)] | None = None
    after_retries: bool = False

    def complaints(self) -> Iterator[str]:
        """Say what is missing."""
        if not self.model_fields_set:
            yield "name at least one objective: availability, latency_p99_s or first_token_p99_s"
            return
        try:
            self.slo()
        except ValueError as wrong:
            yield str(wrong)

    def slo(self) -> Slo:
        """The objectives, for checks."""
        return Slo(**self.model_dump())
