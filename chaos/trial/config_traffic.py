"""The parts of gameday.toml that say what a request is, who answers it, and where load comes from."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from chaos.errors import UsageError
from chaos.semantics.engines import ENGINES, engine_named
from chaos.system.spec.base import Written
from chaos.trial.load_pods.job import address_range
from loadgen.driver.workers import WORKERS_MAX
from loadgen.profiles import Profile, profile_from_plain

__all__ = ["LoadPart", "Named", "TrafficPart"]


def _named(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


AddressRange = Annotated[str, AfterValidator(address_range)]
Named = Annotated[str, AfterValidator(_named)]
MetricName = Annotated[str, Field(pattern=r"^[A-Za-z_:][A-Za-z0-9_:]*$")]


class TrafficPart(Written):
    """How users reach the service: `url` from this host, or the API server's proxy if there is none; and the requests.

    `profile` and all fields of that profile (`model`, `prompts`, `path`, …) say what one request is. Without a profile
    the fixture `request_profile` does. `engine` and `engine_version` say what answers, one of those that
    `chaos.semantics.engines` has; of any other `engine_metrics` names what is kept of its own metrics.
    `canary`: ask each replica directly, for an engine whose answers do not name it.
    """

    url: Named | None = None
    profile: Named | None = None
    request: Mapping[str, Any] = Field(default_factory=dict)
    engine: Named | None = None
    engine_version: str = ""
    engine_metrics: tuple[MetricName, ...] = ()
    canary: bool = False

    def complaints(self) -> Iterator[str]:
        """Say which fields do not go together."""
        if self.engine is not None and engine_named(self.engine) is None:
            yield f"engine {self.engine} is none of {', '.join(engine.name for engine in ENGINES)}; leave it out"
        if self.engine is not None and self.engine_metrics:
            yield "engine_metrics goes only without engine, whose metrics are known"
        if self.request and self.profile is None:
            yield "request goes only with profile"
            return
        try:
            self.request_profile()
        except UsageError as wrong:
            yield str(wrong)

    def request_profile(self) -> Profile | None:
        """What one request is; None if the file does not say."""
        return None if self.profile is None else profile_from_plain({"name": self.profile, **self.request})


class LoadPart(Written):
    """Where traffic comes from: this host, or (`in_cluster`) pods made from `image`; `workers` share it.

    `ingress`: the address ranges from which the API server's proxy reaches pods; others are then kept out.
    """

    in_cluster: bool = False
    image: Named | None = None
    workers: Annotated[int, Field(ge=1, le=WORKERS_MAX, strict=True)] = 1
    ingress: tuple[AddressRange, ...] = ()
