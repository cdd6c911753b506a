"""The commands before any scenario: `gameday init` and `gameday rbac`."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer
import yaml

from chaos.cli.cluster import KubeconfigOption
from chaos.cluster import Cluster, connect
from chaos.errors import ClusterRefused, UsageError, one_line
from chaos.faults import ALL_FAULTS
from chaos.faults.permissions import (
    AUTOSCALING,
    CANARY,
    ENGINE_METRICS,
    LOAD_POLICY,
    READ_DATA,
    Activity,
    deployed_kinds,
    deploying_rights,
    rights_of,
)
from chaos.faults.scenario_analysis import activity_of
from chaos.review import PATCH_FILE, Finding, review_objects
from chaos.review.patches import Patch
from chaos.safety.undo_journal import own_namespace
from chaos.system.adopt.answering import heard
from chaos.system.adopt.find import SystemQuery, adopt
from chaos.system.adopt.workload import workload_named
from chaos.system.deploy.manifest_folder import read_manifests
from chaos.trial.config import CONFIG_NAME, find_config, read_config
from chaos.trial.config_template import file_text
from chaos.trial.preflight.adopted_cluster import is_protected
from chaos.trial.preflight.rbac import (
    activities_of_files,
    claims_in_files,
    deploying_objects,
    keda_in_files,
    role_objects,
    undo_cron_job,
)

__all__ = ["init_command", "rbac_command"]

FileOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Your gameday.toml; default: the one here.")]

DEPLOYS_AMOUNTS = """\
# These rights amount to cluster-admin: who may create Deployments in every namespace may run any program there as any
# ServiceAccount, and with any Secret. Give them on a cluster of your own. On one that you share, deploy the service
# yourself, into a namespace made for it, and let gameday try it as one that runs already: `gameday init`, then
# `gameday rbac` without --deploys, whose rights to change anything but nodes are a Role in that one namespace.
"""

OWN_NAMESPACE = """\
# Whoever may make pods in namespace {0} can run them as this account. If it is there already (kubectl get namespace
# {0}), see first who made it, and who has rights in it: kubectl get rolebindings -n {0}
"""


CanaryOption = Annotated[
    bool, typer.Option("--canary", help="Each replica is asked directly; default: the file's traffic.canary.")
]


def rbac_command(
    scenarios: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, FILE::NAME or gameday_scenarios; default: every fault.")
    ] = None,
    *,
    system: FileOption = None,
    load_in_cluster: Annotated[
        bool, typer.Option("--load-in-cluster", help="Load comes from pods; default: the file's load.in_cluster.")
    ] = False,
    load_ingress: Annotated[
        bool, typer.Option("--load-ingress", help="Load pods have a NetworkPolicy; default: the file's load.ingress.")
    ] = False,
    canary: CanaryOption = False,
    deploys: Annotated[
        bool, typer.Option("--deploys", help="For trials that deploy their system: amounts to cluster-admin.")
    ] = False,
    claims: Annotated[
        bool, typer.Option("--claims", help="With --deploys: the system has volume claims; default: by markers.")
    ] = False,
    manifests: Annotated[
        Path | None, typer.Option(metavar="DIR", help="With --deploys: as --gameday-manifests of pytest.")
    ] = None,
    service_url: Annotated[
        str, typer.Option(metavar="URL", help="With --deploys: as --gameday-service-url of pytest.")
    ] = "",
    undo_cronjob: Annotated[
        str,
        typer.Option("--undo-cronjob", metavar="IMAGE", help="Print also a CronJob that undoes what dead runs left."),
    ] = "",
) -> None:
    """Print the least that an identity needs for these scenarios, for `kubectl apply -f -`. Asks no cluster."""
    if not deploys and (claims or manifests or service_url):
        raise UsageError("--claims, --manifests and --service-url go with --deploys", "a file says all that itself")
    activities = activities_of_files(scenarios) if scenarios else (*map(activity_of, ALL_FAULTS), READ_DATA)
    activities += (ENGINE_METRICS, *((LOAD_POLICY,) if load_ingress else ()), *((CANARY,) if canary else ()))
    if deploys:
        kinds: Sequence[str] = deployed_kinds(keda=keda_in_files(scenarios or ()))
        if manifests:
            kinds = sorted({str(one["kind"]) for one in read_manifests(manifests).objects})
        claimed = claims or claims_in_files(scenarios or ())
        rights = deploying_rights(
            activities, kinds, proxied=not service_url, claims=claimed, load_pods=load_in_cluster, shared=True
        )
        objects = deploying_objects((*rights, *(replace(one, everywhere=True) for one in AUTOSCALING)))
        objects += [undo_cron_job(objects, undo_cronjob)] if undo_cronjob else []
        print(DEPLOYS_AMOUNTS, end="")  # noqa: T201  # comments, to kubectl
    else:
        objects = _adopting(system, activities, load_in_cluster=load_in_cluster, undo_image=undo_cronjob)
    print(_comments(objects, activities), end="")  # noqa: T201  # as well
    print(yaml.safe_dump_all(objects, sort_keys=False), end="")  # noqa: T201  # a command speaks on its streams


def _comments(objects: Sequence[Mapping[str, Any]], activities: Sequence[Activity]) -> str:
    """Whose the namespace of the account is, and what of these faults outlasts a run that is killed."""
    ends: dict[str, list[str]] = {}
    for one in activities:
        ends.setdefault(one.if_run_dies, []).append(one.name)
    told = [f"# {', '.join(sorted(set(names)))}: if the run dies, {end}" for end, names in ends.items() if end]
    whose = OWN_NAMESPACE.format(objects[0]["metadata"]["name"])
    return "".join([*(f"{one_line(line)}\n" for line in sorted(told)), whose])


def _adopting(
    system: Path | None, activities: Sequence[Activity], *, load_in_cluster: bool, undo_image: str
) -> list[dict[str, Any]]:
    path = system or find_config(Path.cwd())
    if path is None:
        raise UsageError(
            "there is no gameday.toml here",
            "name one with --system FILE, write one with gameday init, or give --deploys for trials that deploy",
        )
    config = read_config(path)
    query = config.system.query()
    pods = load_in_cluster or config.load.in_cluster
    kinds, proxied = (query.kind, *query.through), not config.traffic.url
    if pods and config.load.ingress:
        activities = (*activities, LOAD_POLICY)
    activities = (*activities, CANARY) if config.traffic.canary and CANARY not in activities else activities
    debug = bool(config.system.debug_image)
    others, data = config.system.other_workloads(), bool(query.data)
    rights = rights_of(activities, *kinds, proxied=proxied, load_pods=pods, data=data, debug=debug, others=others)
    rights = (*rights, *AUTOSCALING)
    named = {"namespace": query.namespace, "workload_kind": query.kind, "workload": query.name}
    made = role_objects(rights, **named, others=others)
    return [*made, undo_cron_job(made, undo_image, namespace=query.namespace)] if undo_image else made


def init_command(
    *,
    kube_context: Annotated[str, typer.Option(metavar="NAME", help="The context of the cluster.")],
    namespace: Annotated[str, typer.Option(metavar="NAME", help="The namespace of the service.")],
    deployment: Annotated[str, typer.Option(metavar="NAME", help="Its Deployment; default: the only one there.")] = "",
    statefulset: Annotated[str, typer.Option(metavar="NAME", help="Its StatefulSet, where it is one.")] = "",
    workload: Annotated[
        str, typer.Option(metavar="PLURAL.GROUP/NAME", help="Its workload of any other kind that has a scale.")
    ] = "",
    kubeconfig: KubeconfigOption = None,
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the file; must not exist.")] = Path(
        CONFIG_NAME
    ),
) -> None:
    """Write gameday.toml by reading a cluster, and print what the service lacks, as patches for kubectl.

    The service is asked what answers and with which model. Changes no cluster.
    """
    if output.exists():
        raise UsageError(f"{output} exists already", "name another file with --output, or remove it")
    if is_protected(namespace):
        raise UsageError(f"namespace {namespace} is protected", "name the namespace of your service")
    with connect(kubeconfig=kubeconfig, context=kube_context) as cluster:
        kind, name = _named(deployment, statefulset, workload) or _only_deployment(cluster, namespace)
        found = adopt(cluster, SystemQuery(namespace=namespace, kind=kind, name=name))
        answering = heard(cluster, found.system)
        text = file_text(found, cluster.facts, str(kubeconfig.resolve()) if kubeconfig else "", answering)
        findings = review_objects(found.raws).findings
        lacks = [*map(_mended, findings), *_own_namespace_lacking(cluster, namespace)]
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}", "name another file with --output") from None
    read_config(output)
    # Beside the commands, which are all that stdout holds.
    print(f"{one_line(answering.words)}\nwrote {output}; see that it is what you mean", file=sys.stderr)  # noqa: T201
    for sentence, apply, patch in lacks:
        print(f"# {sentence}")  # noqa: T201
        if patch:
            print(_command(apply, patch, kube_context))  # noqa: T201


def _mended(finding: Finding) -> tuple[str, str, str]:
    return one_line(finding.sentence), finding.apply, finding.patch


def _command(apply: str, patch: str, context: str) -> str:
    """The command for a cluster, with the patch in its standard input."""
    words = apply.removeprefix("kubectl ").removesuffix(PATCH_FILE)
    return f"kubectl --context {quote(context)} {words}/dev/stdin <<'EOF'\n{patch}EOF"


def _own_namespace_lacking(cluster: Cluster, namespace: str) -> Iterator[tuple[str, str, str]]:
    """What the suite itself lacks; where nobody may look, it is printed to be sure: applying it twice does no harm."""
    own = own_namespace(namespace)
    with suppress(ClusterRefused):
        if cluster.get("Namespace", None, own) is not None:
            return
    made = Patch({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own}}, new=True)
    yield "no namespace for gameday's account and undo journal; `gameday rbac` prints it too", made.command, made.text


def _named(deployment: str, statefulset: str, workload: str) -> tuple[str, str] | None:
    """The kind and the name that were given. Raises `UsageError` for more than one, or no name."""
    given = [("Deployment", deployment)] if deployment else []
    given += [("StatefulSet", statefulset)] if statefulset else []
    try:
        given += [workload_named(workload)] if workload else []
    except ValueError as wrong:
        raise UsageError(f"--workload: {wrong}") from None
    if len(given) > 1:
        raise UsageError(
            "several workloads are named, and a system is one of them",
            "give one of --deployment, --statefulset and --workload",
        )
    return given[0] if given else None


def _only_deployment(cluster: Cluster, namespace: str) -> tuple[str, str]:
    there = sorted(one["metadata"]["name"] for one in cluster.list("Deployment", namespace))
    if len(there) != 1:
        raise UsageError(
            f"namespace {namespace} has {len(there)} Deployments: {', '.join(there) or 'none'}",
            "name one with --deployment, a StatefulSet with --statefulset, or any other with --workload "
            "PLURAL.GROUP/NAME",
        )
    return "Deployment", there[0]
