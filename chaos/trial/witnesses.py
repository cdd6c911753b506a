"""What keeps evidence beside the recorder while a trial runs: the servers' own metrics, and the containers' logs."""

from collections.abc import Iterable
from contextlib import ExitStack

from chaos.clock import Clock
from chaos.cluster import Recorder
from chaos.cluster.pod_logs import PodLogs
from chaos.objects.pod import PodView
from chaos.semantics.engines import engine_named
from chaos.system import System
from chaos.trial.context import Witness
from chaos.trial.engine_metrics import EngineMetrics, Metered
from chaos.trial.environment import Environment
from chaos.trial.request import TrialRequest
from loadgen.profiles import Profile

__all__ = ["start_all", "witnesses_of"]


def start_all(witnesses: Iterable[Witness], stack: ExitStack) -> None:
    """Start each; it is stopped when `stack` is closed, if it was not before."""
    for witness in witnesses:
        witness.start()
        stack.callback(witness.stop)


def witnesses_of(
    environment: Environment, clock: Clock, request: TrialRequest, system: System, recorder: Recorder
) -> tuple[Witness, ...]:
    """For the pods of the system; in its namespace may be others, that fill claims or send load."""

    def pods() -> list[PodView]:
        views = map(PodView, recorder.objects("Pod"))
        return [pod for pod in views if system.selector.items() <= pod.labels.items()]

    transport = environment.cluster.transport
    names = environment.adoption.config.traffic.engine_metrics if environment.adoption else ()
    metered = Metered(pods, request.spec.port, engine_named(request.engine[0]), names)
    return (
        EngineMetrics(transport, clock, request.run / "engine-metrics.jsonl", metered),
        PodLogs(transport, clock, request.run, pods=pods, private=_sent(request.profile)),
    )


def _sent(profile: Profile) -> tuple[str, ...]:
    """The texts that requests of this profile hold, as far as the profile itself names them."""
    return tuple(getattr(profile, "prompts", ()))
