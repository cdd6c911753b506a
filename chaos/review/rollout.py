"""What a release takes and needs, as the deployment controller rounds its bounds (`ResolveFenceposts`)."""

from collections.abc import Iterator

from chaos.objects.base import Raw
from chaos.review.manifest_set import ManifestSet
from chaos.review.model import Workload
from chaos.review.patches import Patch, patch_of
from chaos.review.placement import HOST, kept_apart
from chaos.review.shapes import rows, share, sub, whole
from chaos.review.violation import Violation
from chaos.review.volumes import claims_of_one_node
from chaos.semantics.rollout import Strategy

__all__ = ["rollout"]

DEVICES = 4
"""So many devices are half a node or all of it, so that a spare place is rare; ours."""

ONE_BY_ONE = {"maxSurge": 1, "maxUnavailable": 0}
IN_PLACE = {"maxSurge": 0, "maxUnavailable": 1}


def rollout(known: ManifestSet) -> Iterator[Violation]:
    """Every violation of a rule about releases."""
    for workload in known.workloads:
        if workload.manifest.kind == "Deployment":
            yield from _deployment(known, workload)
        elif workload.manifest.kind == "StatefulSet" and sub(workload.spec, "updateStrategy").get("type") == "OnDelete":
            sentence = (
                "OnDelete: a release changes nothing by itself, each pod gets the new template once it is deleted"
            )
            patch = patch_of(workload.manifest, {"updateStrategy": {"type": "RollingUpdate"}})
            yield Violation("rollout-on-delete", workload.manifest, sentence, (), patch)


def _deployment(known: ManifestSet, workload: Workload) -> Iterator[Violation]:
    strategy, replicas, about = _strategy(workload.spec), workload.floor, workload.manifest
    if not replicas:
        return
    if strategy.recreate:
        yield _recreates(known, workload, replicas)
    elif share(strategy.max_surge, 1) == 0 and share(strategy.max_unavailable, 1) == 0:
        sentence = "maxSurge 0 and maxUnavailable 0: no pod could be replaced, and the API refuses it"
        bounds = IN_PLACE if claims_of_one_node(known, workload) else ONE_BY_ONE
        yield Violation("rollout-impossible", about, sentence, (), _rolling(workload, bounds))
    elif (missing := strategy.unavailable(replicas)) >= replicas:
        sums = (
            f"maxUnavailable {strategy.max_unavailable} of {replicas}: {replicas} - {missing} = 0 stay",
            f"maxSurge 1 and maxUnavailable 0: {replicas} stay, and one pod more needs a place",
        )
        sentence = f"a release may take {_which(replicas)}: an outage as long as a model load"
        # One pod more could not mount what only one node can.
        patch = None if claims_of_one_node(known, workload) else _rolling(workload, ONE_BY_ONE)
        yield Violation("rollout-takes-all", about, sentence, sums, patch)
    elif not missing:
        yield from _needs(workload, strategy.surge(replicas), replicas)


def _strategy(spec: Raw) -> Strategy:
    """The strategy, with Kubernetes' defaults for bounds that are none."""
    given = sub(spec, "strategy")
    bounds = {key: value for key, value in sub(given, "rollingUpdate").items() if share(value, 1) is not None}
    rolling = {key: value if isinstance(value, str) else whole(value) for key, value in bounds.items()}
    return Strategy.of({"strategy": {**given, "rollingUpdate": rolling}})


def _rolling(workload: Workload, bounds: dict[str, int]) -> Patch | None:
    return patch_of(workload.manifest, {"strategy": {"type": "RollingUpdate", "rollingUpdate": bounds}})


def _which(replicas: int) -> str:
    return "the only replica" if replicas == 1 else f"all {replicas} replicas at once"


def _recreates(known: ManifestSet, workload: Workload, replicas: int) -> Violation:
    """A claim of one node may be why: then only people know what to do."""
    name, devices = workload.device
    bounds = IN_PLACE if devices and replicas > 1 else ONE_BY_ONE
    place = f"{devices} more of {name}" if devices and replicas == 1 else ""
    sums: tuple[str, ...] = (f"one by one: maxSurge {bounds['maxSurge']}, maxUnavailable {bounds['maxUnavailable']}",)
    sums += (f"it needs {place} during a release",) if place else ()
    held = claims_of_one_node(known, workload)
    sentence = f"Recreate: a release takes {_which(replicas)}, for as long as a model load"
    return Violation(
        "rollout-recreates", workload.manifest, sentence, sums, None if held else _rolling(workload, bounds)
    )


def _ports_of_node(workload: Workload) -> list[int]:
    """Ports that a pod takes of its node: with hostNetwork each that it declares (`SetDefaults_PodSpec`)."""
    key = "containerPort" if workload.pod.get("hostNetwork") is True else "hostPort"
    declared = [port for one in [*workload.containers, *workload.sidecars] for port in rows(one, "ports")]
    return [number for port in declared if (number := whole(port.get(key)))]


def _needs(workload: Workload, surge: int, replicas: int) -> Iterator[Violation]:
    """Releases that keep all replicas, and so need a place for one more."""
    patch = _rolling(workload, IN_PLACE) if replicas > 1 else None
    total = f"{replicas} + {surge} = {replicas + surge}"
    name, devices = workload.device
    why = "anti-affinity lets no node hold two of these pods"
    if HOST not in kept_apart(workload, at_release=True):
        why = next((f"each pod takes port {port} of its node" for port in _ports_of_node(workload)), "")
    if why:
        sums = (f"maxSurge is {surge} and maxUnavailable 0: {total} nodes",)
        sentence = (
            f"a release needs {total} nodes, as {why}: with {replicas} {'node' if replicas == 1 else 'nodes'} it hangs"
        )
        yield Violation("rollout-needs-node", workload.manifest, sentence, sums, patch)
    elif devices >= DEVICES:
        sums = (f"maxSurge is {surge} and maxUnavailable 0: {surge} * {devices} = {surge * devices}",)
        sentence = f"a release needs {surge * devices} more of {name} beside those in use: without them it hangs"
        yield Violation("rollout-needs-devices", workload.manifest, sentence, sums, patch)
