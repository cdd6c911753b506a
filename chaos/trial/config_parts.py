"""Parts of gameday.toml: requests and their load, the cluster's timings, promises to users, and the server's means."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from chaos.errors import UsageError
from chaos.faults.infrastructure import OwnMeans
from chaos.semantics import KUBERNETES, Timings
from chaos.semantics.engines import ENGINES, engine_named
from chaos.slo import Slo
from chaos.system.spec.base import Written
from chaos.trial.load_pods.job import address_range
from loadgen.driver.workers import WORKERS_MAX
from loadgen.profiles import Profile, profile_from_plain

__all__ = ["AutoscalingPart", "LoadPart", "Named", "OwnMeansPart", "Positive", "SloPart", "TimingsPart", "TrafficPart"]


def _named(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


AddressRange = Annotated[str, AfterValidator(address_range)]
Named = Annotated[str, AfterValidator(_named)]
MetricName = Annotated[str, Field(pattern=r"^[A-Za-z_:][A-Za-z0-9_:]*$")]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Word = Annotated[str, Field(min_length=1)]


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


class TimingsPart(Written):
    """How the cluster is timed where it differs from Kubernetes' defaults: see `chaos.semantics.Timings`."""

    node_monitor_period_s: Positive | None = None
    node_monitor_grace_s: Positive | None = None
    not_ready_toleration_s: Positive | None = None
    unreachable_toleration_s: Positive | None = None
    hpa_sync_s: Positive | None = None
    hpa_cpu_initialization_s: Positive | None = None
    hpa_initial_readiness_s: Positive | None = None
    hpa_tolerance: Annotated[float, Field(ge=0)] | None = None
    hpa_downscale_stabilization_s: Annotated[float, Field(ge=0)] | None = None
    restart_backoff_cap_s: Positive | None = None
    metrics_resolution_s: Positive | None = None
    metric_delay_s: Positive | None = None
    allowance_s: Positive | None = None

    def timings(self) -> Timings:
        """The cluster's timings: these, and Kubernetes' defaults for the rest."""
        given = self.model_dump(exclude_none=True)
        return Timings.of({"name": "gameday.toml", **given}) if given else KUBERNETES


class AutoscalingPart(Written):
    """What the owner says of the autoscaling: `at_zero`, what becomes of requests while there is no replica.

    `refused`: users are told at once; `held`: a router or an activator keeps them until a replica can answer.
    `room` for as many replicas as the autoscaler may set: `present`, on the nodes that are there; `grows`, a node
    autoscaler makes it.
    """

    at_zero: Literal["refused", "held"] | None = None
    room: Literal["present", "grows"] | None = None


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


class OwnMeansPart(Written):
    """What the server itself offers to faults that have to fit any: part of `[system]`.

    `process` is what hangs or crashes, by its name; default: the process that holds the most memory. `not_ready` and
    `ready` are commands in the container, run without a shell, by which the server says so. `debug_image` has a shell,
    for an ephemeral container beside one that has none.
    """

    process: Word | None = None
    not_ready: tuple[Word, ...] = ()
    ready: tuple[Word, ...] = ()
    debug_image: Word | None = None

    def complaints(self) -> Iterator[str]:
        """Say which fields do not go together."""
        if bool(self.not_ready) != bool(self.ready):
            yield "not_ready and ready go together: one takes the other back"

    def own_means(self) -> OwnMeans:
        """The same for faults."""
        return OwnMeans(self.process or "", self.not_ready, self.ready, self.debug_image or "")
