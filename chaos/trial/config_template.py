"""The text of gameday.toml for a system that was found, for people to complete. Pure."""

import json
from collections.abc import Iterator

from chaos.cluster import ClusterFacts
from chaos.errors import one_line
from chaos.system import SystemSpec
from chaos.system.adopt.answering import Answering
from chaos.system.adopt.find import Adopted
from loadgen.profile_base import TOKEN, is_path

__all__ = ["file_text"]

NOBODY = Answering()

PROMPTS, TOKENS = ["Say hello.", "Name a colour.", "Count to three."], 8

OWN_MEANS = (
    '# process = "VLLM::EngineCore"  # what hangs and crashes; default: the process that holds the most memory',
    '# not_ready = ["touch", "/srv/drain"]  # in the container: it says that it is not ready; ready takes it back',
    '# ready = ["rm", "-f", "/srv/drain"]',
    '# debug_image = "busybox:1.36"  # for an image without a shell: of an ephemeral container beside it',
)

REST = """\
[traffic]
# url = "https://…"  # how this host reaches the service; without it through the API server's proxy
{request}

# [load]  # from pods in the cluster instead: see docs/load.md
# in_cluster = true
# image = "registry.example/gameday-load@sha256:…"
# workers = 2

[slo]
availability = 0.99
# latency_p99_s = 2.0

[safety]
pods_max = {pods_max}
nodes_max = 1
# percent_max = 50  # of the replicas
# rps_max = 50  # the most requests/s that are ever offered
# allow = ["pod-kill", "evict"]  # within what the annotations in the cluster allow
# protected = ["payments"]  # namespaces that are never touched, beside kube-…
# abort = ["./is-staging-well.sh"]  # run every abort_every_s = 10 seconds: when it fails, the trial stops
# abort_error_budget = 2.0  # times the error budget of slo.availability
# abort_usage = {{ memory = "900Mi" }}  # of any pod of the service, by the metrics API; cpu too

# [node_infrastructure]  # for scenarios of lost nodes: your own commands, run without a shell
# off = "virsh suspend {{node}}"
# on = "virsh resume {{node}}"
"""


def file_text(found: Adopted, facts: ClusterFacts, kubeconfig: str, answering: Answering = NOBODY) -> str:
    """The file, with what people have to fill in as comments. `answering`: what the service said of itself."""
    spec = found.system.spec
    lines = [
        "[cluster]",
        _line("context", facts.context),
        *([_line("kubeconfig", kubeconfig)] if kubeconfig else []),
        f"{_line('uid', facts.uid)}  # of its namespace kube-system: no other cluster has it",
        "# timings = { hpa_sync_s = 15 }  # where the cluster differs from Kubernetes' defaults",
        "",
        *_system(found),
        REST.format(request="\n".join(_traffic(spec, answering)), pods_max=max(1, spec.losses_tolerated)),
    ]
    return "\n".join(lines)


def _system(found: Adopted) -> Iterator[str]:
    system, spec = found.system, found.system.spec
    names = {ref.kind: ref.name for ref in system.objects}
    yield "[system]"
    yield _line("namespace", system.namespace)
    yield from _workload(found)
    yield _line("service", system.service)
    yield f"port = {system.port}"
    optional = {"disruption_budget": "PodDisruptionBudget", "autoscaler": "HorizontalPodAutoscaler"}
    yield from (_line(key, names[kind]) for key, kind in optional.items() if kind in names)
    yield f"tolerance = {spec.losses_tolerated}  # replicas that may be lost at once within the promise to users"
    yield "# replica_rps = 5  # what one replica carries within the SLO; else a ramp learns it, with consent to load"
    yield from _data(spec)
    yield from OWN_MEANS
    yield ""


def _data(spec: SystemSpec) -> list[str]:
    """A line to complete where there are claims: what lies on them, only the owners know."""
    claims = {one.mount_path: one.claim or "one of each replica" for one in spec.volumes if one.claim or one.storage}
    where = ", ".join(f"{_toml(path)} (claim {one_line(claim)})" for path, claim in claims.items())
    shape = ", ".join(_toml(f"{path}/…") for path in claims)
    return [f"# data = [{shape}]  # files that must survive, below {where}"] if claims else []


def _traffic(spec: SystemSpec, answering: Answering) -> Iterator[str]:
    """What a request is and who answers it, as far as the service itself said."""
    # Python takes for a header's name what no request may have.
    header = answering.replica_header if TOKEN.fullmatch(answering.replica_header) else ""
    named = f", replica_header = {_toml(header)}" if header else ""
    if answering.model:
        yield 'profile = "openai-chat"'
        prompts = f"prompts = {_toml(PROMPTS)}, max_tokens = {TOKENS}"
        yield f"request = {{ model = {_toml(answering.model)}, {prompts}{named} }}  # your users' prompts say more"
    else:
        path = next((one.path for one in (spec.readiness, spec.liveness) if one and is_path(one.path)), "/")
        yield "# profiles: http, openai-chat, openai-completions, openai-embeddings, rerank; the last four ask with"
        yield '# {model = "…", prompts = ["…"]}, see docs/load.md'
        yield 'profile = "http"'
        yield f"request = {{ path = {_toml(path)}{named} }}  # a request of your users says more than a probe's path"
    engine = answering.engine
    yield _line("engine", engine.name) if engine else '# engine = "vllm"  # what answers, for the report'
    yield _line("engine_version", answering.version) if answering.version else '# engine_version = "0.32.0"'
    directly = "canary = true  # ask each replica directly, as no header of its answers names it"
    yield directly if answering.reached and not header else f"# {directly}"


def _workload(found: Adopted) -> Iterator[str]:
    ref = found.system.workload
    if ref.kind in ("Deployment", "StatefulSet"):
        yield _line(ref.kind.lower(), ref.name)
        return
    yield _line("workload", f"{found.resource}/{ref.name}")
    if found.through:
        yield f"through = {_toml(found.through)}  # the controllers between it and its pods"


def _line(key: str, value: str) -> str:
    return f"{key} = {_toml(value)}"


def _toml(value: object) -> str:
    """A text, or a list of them, in one line: as JSON has it, but for U+007F, which TOML wants escaped too.

    What stands in the cluster, e.g. a mountPath, may hold anything, and must begin no line of this file.
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
