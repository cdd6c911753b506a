"""The command `gameday capacity`."""

import random
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from chaos.checks.judge import Judgement
from chaos.checks.verdict import Answer
from chaos.cli.capacity.environment import CAPACITY, Place, Where, placed
from chaos.cli.capacity.output import Screen, show, write
from chaos.cli.cluster import ContextOption, KubeconfigOption, SystemOption
from chaos.history.writing.redaction import redacted_words
from chaos.plugin.options import SEED_MAX, field_of
from chaos.plugin.session_report import draw_run
from chaos.plugin.terminal import signals_heal
from chaos.slo import Slo
from chaos.trial.capacity.measure import measure
from chaos.trial.capacity.search import Measurement
from chaos.trial.request import LoadSettings, Output, ScenarioFacts, TrialRequest
from chaos.trial.run import run_trial

__all__ = ["capacity_command"]

CLAIM = "The highest rate within the SLO is known for each number of replicas."

USUAL = Slo(availability=0.99, latency_p99_s=5.0)
"""Where neither the command line nor the system's file names objectives."""


Replicas = Annotated[
    int | None, typer.Option(min=1, help="The greatest number of replicas; default: 3, or as many as already run.")
]
Losses = Annotated[int, typer.Option(min=0, help="Measure also with up to this many replicas fewer.")]
FromRps = Annotated[float, typer.Option(help="The lowest rate to try, requests/s; also that of the baseline.")]
ToRps = Annotated[float, typer.Option(help="The highest rate to try, requests/s.")]
NeedRps = Annotated[float | None, typer.Option(help="FAIL unless the fewest replicas hold this rate within the SLO.")]
Availability = Annotated[float | None, typer.Option(help="Objective, e.g. 0.99; default: the file's objectives.")]
ObjectiveS = Annotated[float | None, typer.Option(help="Objective in seconds.")]
Resolution = Annotated[float, typer.Option(help="Search until the rates beside the limit are within this factor.")]
Repeats = Annotated[int, typer.Option(min=1, help="How often to try the rates beside the limit.")]
StepS = Annotated[float, typer.Option(help="Least seconds that a step lasts.")]
Minutes = Annotated[float, typer.Option(help="End the search after so long, with what is known then.")]
Image = Annotated[str, typer.Option(help="Image of the reference model, to deploy it on the context.")]
ClusterUid = Annotated[str, typer.Option(metavar="UID", help="UID of namespace kube-system; no other is touched.")]
ServiceUrl = Annotated[str, typer.Option(metavar="URL", help="How this host reaches the service.")]
SystemFields = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Change the spec of what is deployed; repeatable.")
]
Runs = Annotated[Path, typer.Option(metavar="DIR", help="Where the run folder is made.")]
LoadWorkers = Annotated[int, typer.Option(min=1, help="Processes that share the load, a core each.")]
LabNodes = Annotated[int, typer.Option(min=1, help="Nodes of the lab.")]
KeepLab = Annotated[bool, typer.Option("--keep-lab", help="Leave the lab running at the end.")]
Seed = Annotated[int | None, typer.Option(help="The seed of the run.")]


def capacity_command(
    *,
    replicas: Replicas = None,
    losses: Losses = 2,
    from_rps: FromRps = 1.0,
    to_rps: ToRps = 500.0,
    need_rps: NeedRps = None,
    availability: Availability = None,
    latency_p99_s: ObjectiveS = None,
    first_token_p99_s: ObjectiveS = None,
    resolution: Resolution = 1.2,
    repeats: Repeats = 2,
    step_s: StepS = 15.0,
    minutes: Minutes = 15.0,
    system: SystemOption = None,
    kube_context: ContextOption = "",
    cluster_uid: ClusterUid = "",
    kubeconfig: KubeconfigOption = None,
    image: Image = "",
    service_url: ServiceUrl = "",
    system_field: SystemFields = None,
    runs: Runs = Path("runs"),
    load_workers: LoadWorkers = 1,
    lab_nodes: LabNodes = 3,
    keep_lab: KeepLab = False,
    seed: Seed = None,
) -> None:
    """Find the highest rate within the SLO with n, n-1 and n-2 replicas. Exit 1 unless it is known for each.

    It overloads the service on purpose: the owners of one that already runs must allow it, see docs/load.md.
    """
    screen, words = Screen(Console(stderr=True)), "gameday " + " ".join(redacted_words(sys.argv[1:]))
    where = Where(system, kube_context, cluster_uid, kubeconfig, image, service_url, lab_nodes, keep_lab, words)
    named = {"availability": availability, "latency_p99_s": latency_p99_s, "first_token_p99_s": first_token_p99_s}
    objectives: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    fields = dict(map(field_of, system_field or ()))
    drawn = random.randrange(SEED_MAX) if seed is None else seed  # noqa: S311  # replayable
    facts = ScenarioFacts("capacity", "gameday capacity", CLAIM, drawn)
    found = placed(where, replicas=replicas, losses=losses, fields=fields, screen=screen)
    with signals_heal(), found as place:
        slo, time_s = Slo(**objectives) if objectives else place.slo or USUAL, 60 * minutes
        rates = (from_rps, to_rps, resolution, repeats, step_s, time_s, need_rps)
        measurement = Measurement(slo, place.replicas, *rates)
        judgement = _measured(place, measurement, screen, facts, runs=runs, load_workers=load_workers)
    _leave(judgement, measurement)


def _leave(judgement: Judgement, measurement: Measurement) -> None:
    written = write(judgement, measurement)
    show(judgement, measurement, Console())
    for path in written:
        print(path)  # noqa: T201  # a command speaks on its streams
    raise typer.Exit(0 if judgement.verdict.answer is Answer.PASS else 1)


def _measured(
    place: Place, measurement: Measurement, screen: Screen, facts: ScenarioFacts, *, runs: Path, load_workers: int
) -> Judgement:
    def draw(judgement: Judgement) -> Path:
        draw_run(judgement)
        return judgement.run

    run = runs / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-capacity-{facts.seed}"
    request = TrialRequest(
        scenario=facts,
        run=run,
        system=place.adopted or place.spec,
        profile=place.profile,
        load=LoadSettings(load_workers),
        load_action=CAPACITY.name,
    )
    with run_trial(place.environment, request, Output(say=screen.say, draw=draw)) as ready:
        measure(ready, measurement, screen, present=place.spec.replicas, timeout_s=place.profile.longest_s)
    assert ready.trial.judgement is not None, "it was judged, or an error was raised"
    return ready.trial.judgement
