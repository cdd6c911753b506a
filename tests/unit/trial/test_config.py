"""gameday.toml: found, read, and its mistakes told with the file and the key."""

from pathlib import Path

import pytest

from chaos.errors import UsageError
from chaos.faults.infrastructure import OwnMeans
from chaos.safety.abort_conditions import NO_LIMITS, AbortLimits
from chaos.semantics import KUBERNETES
from chaos.slo import Slo
from chaos.trial.config import find_config, pin_of, read_config
from chaos.trial.preflight import adopted_cluster
from loadgen.profiles import HttpProfile

WHOLE = """
[cluster]
context = "staging"
uid = "3f0c"
timings = { hpa_sync_s = 5, node_monitor_grace_s = 40 }

[system]
namespace = "llm"
deployment = "chat"
tolerance = 1

[traffic]
url = "https://chat.example"
profile = "http"
request = { path = "/healthz", timeout_s = 5 }

[slo]
availability = 0.99

[safety]
allow = ["pod-kill"]
pods_max = 2

[node_infrastructure]
off = "virsh suspend {node}"
on = "virsh resume {node}"
"""


def written(folder: Path, text: str, name: str = "gameday.toml") -> Path:
    """A file with that text."""
    path = folder / name
    path.write_text(text)
    return path


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    """Every part comes out as what the suite works with."""
    config = read_config(written(tmp_path, WHOLE))
    query = config.system.query()
    assert (query.kind, query.name, query.namespace, query.tolerance) == ("Deployment", "chat", "llm", 1)
    assert config.traffic.request_profile() == HttpProfile(path="/healthz", timeout_s=5)
    assert config.slo is not None
    assert config.slo.slo() == Slo(availability=0.99)
    timings = config.cluster.timings.timings()
    assert (timings.hpa_sync_s, timings.node_monitor_grace_s, timings.metrics_resolution_s) == (5, 40, 15)
    assert config.node_infrastructure is not None
    assert config.node_infrastructure.infrastructure().manual_on("n7") == "virsh resume n7"
    assert (config.safety.allow, config.safety.pods_max, config.safety.nodes_max) == (("pod-kill",), 2, 1)


def test_what_a_replica_carries_is_stated_with_the_most_that_is_offered(tmp_path: Path) -> None:
    """Both are rates above 0, and absent by default."""
    text = '[system]\nnamespace = "llm"\nstatefulset = "chat"\nreplica_rps = {}\n[safety]\nrps_max = {}\n'
    config = read_config(written(tmp_path, text.format("4.5", "30")))
    assert (config.system.replica_rps, config.safety.rps_max) == (4.5, 30)
    least = read_config(written(tmp_path, '[system]\nnamespace = "llm"\nstatefulset = "chat"\n'))
    assert (least.system.replica_rps, least.safety.rps_max) == (None, None)
    for wrong in (("0", "30"), ("-1", "30"), ("inf", "30"), ("4.5", "0")):
        with pytest.raises(UsageError, match=r"system\.replica_rps|safety\.rps_max"):
            read_config(written(tmp_path, text.format(*wrong)))


def test_what_is_left_out_is_kubernetes_default(tmp_path: Path) -> None:
    """The least file names a workload; the timings are Kubernetes' own, and the profile is left to a fixture."""
    config = read_config(written(tmp_path, '[system]\nnamespace = "llm"\nstatefulset = "chat"\n'))
    assert config.system.query().kind == "StatefulSet"
    assert config.cluster.timings.timings() == KUBERNETES
    assert config.traffic.request_profile() is None
    assert config.slo is None


def test_what_must_survive_is_read(tmp_path: Path) -> None:
    """Files by their paths in the container; without any, no claim is looked at."""
    told = read_config(written(tmp_path, LEAST + 'data = ["/weights/model.gguf", "/weights/a b"]\n')).system.query()
    assert told.data == ("/weights/model.gguf", "/weights/a b")
    assert read_config(written(tmp_path, LEAST)).system.query().data == ()


def test_a_workload_of_any_kind_is_named_as_kubectl_names_it(tmp_path: Path) -> None:
    """Kubernetes' own come by their kind; another stays its resource until a cluster says more."""
    head = '[system]\nnamespace = "llm"\n'
    text = head + 'workload = "leaderworkersets.leaderworkerset.x-k8s.io/chat"\nthrough = ["statefulsets.apps"]\n'
    query = read_config(written(tmp_path, text)).system.query()
    assert (query.kind, query.name) == ("leaderworkersets.leaderworkerset.x-k8s.io", "chat")
    assert query.through == ("StatefulSet",)
    own = read_config(written(tmp_path, head + 'workload = "deployments.apps/chat"\n')).system.query()
    assert (own.kind, own.name, own.through) == ("Deployment", "chat", ())


def test_where_the_load_comes_from_is_read(tmp_path: Path) -> None:
    """Pods with an image, if the file says so; one process of this host else; more workers than may be are refused."""
    assert not read_config(written(tmp_path, WHOLE)).load.in_cluster
    load = read_config(written(tmp_path, WHOLE + '[load]\nin_cluster = true\nimage = "x"\nworkers = 3\n')).load
    assert (load.in_cluster, load.image, load.workers) == (True, "x", 3)
    with pytest.raises(UsageError, match=r"load\.workers"):
        read_config(written(tmp_path, WHOLE + "[load]\nworkers = 65\n"))


LEAST = '[system]\nnamespace = "llm"\ndeployment = "chat"\n'


@pytest.mark.parametrize("text", ["tool = 5\n", "tool = 'gameday'\n", "[[tool]]\ngameday = 1\n"])
def test_a_pyproject_without_tables_of_tools_is_no_file_of_ours(tmp_path: Path, text: str) -> None:
    """It may be of any program, and odd."""
    path = written(tmp_path, text, "pyproject.toml")
    assert find_config(tmp_path) is None
    with pytest.raises(UsageError, match="the field system is missing"):
        read_config(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[sytem]\n", "the field system is missing (also wrong: sytem)"),
        (LEAST + "[safty]\n", "there is no field safty"),
        ('[system]\ndeployment = "chat"\n', "the field system.namespace is missing"),
        (
            '[system]\nnamespace = "llm"\n',
            "give one of deployment, statefulset, workload and roles.engine, and only one",
        ),
        ('[system]\nnamespace = "llm"\nworkload = "rollouts/chat"\n', "'rollouts' has no group"),
        ('[system]\nnamespace = "llm"\nworkload = "chat"\n', "is no PLURAL.GROUP/NAME"),
        (
            LEAST + 'workload = "rollouts.argoproj.io/chat"\n',
            "give one of deployment, statefulset, workload and roles.engine",
        ),
        (LEAST + 'through = ["statefulsets.apps"]\n', "through goes only with workload"),
        (LEAST + "port = 0\n", "system.port"),
        (LEAST + 'data = ["model.gguf"]\n', "must be files by their whole paths in the container"),
        (LEAST + 'data = ["/weights/"]\n', "like /weights/model.gguf, not '/weights/'"),
        (LEAST + 'data = ["/weights/../etc/passwd"]\n', "must be files by their whole paths"),
        (LEAST + '[safety]\npods_max = "many"\n', "safety.pods_max: must be a whole number"),
        (LEAST + '[traffic]\nprofile = "htpp"\n', "profiles: http, openai-chat"),
        (LEAST + '[traffic]\nprofile = "http"\nrequest = { pth = "/" }\n', "pth is not one of its fields"),
        (LEAST + '[traffic]\nrequest = { path = "/" }\n', "request goes only with profile"),
        ("[cluster]\ntimings = { hpa_tolerance = -0.1 }\n" + LEAST, "cluster.timings.hpa_tolerance"),
        ("[cluster]\ntimings = { hpa_downscale_stabilization_s = -1 }\n" + LEAST, "hpa_downscale_stabilization_s"),
        (LEAST + "[slo]\n", "name at least one objective"),
        (LEAST + "[slo]\navailability = 1.5\n", "slo.availability"),
        (LEAST + '[node_infrastructure]\noff = "virsh suspend {node}"\n', "node_infrastructure.on is missing"),
        (
            LEAST + '[node_infrastructure]\noff = "virsh suspend {node}"\non = "virsh resume"\n',
            "does not say which node",
        ),
        (LEAST + "[safety]\nabort_error_budget = 1.0\n", "safety.abort_error_budget goes only with slo.availability"),
        (LEAST + "[slo]\navailability = 0.99\n[safety]\nabort_error_budget = 0\n", "safety.abort_error_budget"),
        (LEAST + '[safety]\nabort_usage = { disk = "1Gi" }\n', "safety.abort_usage"),
        (LEAST + '[safety]\nabort_usage = { memory = "much" }\n', "must be a Kubernetes quantity"),
        ("[system\n", "is no TOML"),
        pytest.param(f"a = {'[' * 5000}{']' * 5000}\n", "is no TOML", id="without end"),
    ],
)
def test_a_mistake_is_told_with_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    """The error begins with the file and names the key and what is allowed."""
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as raised:
        read_config(path)
    assert str(raised.value).startswith(str(path))
    assert told in str(raised.value)


@pytest.mark.parametrize(("tolerance", "window_s"), [(0.05, 60), (0, 0)], ids=["other", "none at all"])
def test_the_flags_of_the_autoscalers_controller_are_read(tmp_path: Path, tolerance: float, window_s: float) -> None:
    """What the file says of its tolerance and its window is declared, and no longer taken as Kubernetes' default."""
    flags = f"hpa_tolerance = {tolerance}, hpa_downscale_stabilization_s = {window_s}"
    told = read_config(written(tmp_path, f"[cluster]\ntimings = {{ {flags} }}\n{LEAST}")).cluster.timings.timings()
    assert (told.hpa_tolerance, told.hpa_downscale_stabilization_s) == (tolerance, window_s)
    assert not {"hpa_tolerance", "hpa_downscale_stabilization_s"} & set(told.assumed)
    least = read_config(written(tmp_path, LEAST)).cluster.timings.timings()
    assert {"hpa_tolerance", "hpa_downscale_stabilization_s"} <= set(least.assumed)


def test_limits_are_read(tmp_path: Path) -> None:
    """A share of the SLO's error budget, and the most of a resource, come out as what a trial watches."""
    limits = '[safety]\nabort_error_budget = 2\nabort_usage = { memory = "900Mi", cpu = 2 }\n'
    config = read_config(written(tmp_path, LEAST + "[slo]\navailability = 0.99\n" + limits))
    assert config.abort_limits() == AbortLimits(2.0, 0.99, {"memory": "900Mi", "cpu": "2"})
    assert read_config(written(tmp_path, LEAST)).abort_limits() == NO_LIMITS


def test_a_file_is_found_beside_the_configuration_of_pytest(tmp_path: Path) -> None:
    """gameday.toml wins over pyproject.toml, which counts only with a table of ours."""
    assert find_config(tmp_path) is None
    pyproject = written(tmp_path, "[tool.other]\n", "pyproject.toml")
    assert find_config(tmp_path) is None
    written(tmp_path, LEAST.replace("[system]", "[tool.gameday.system]"), "pyproject.toml")
    assert find_config(tmp_path) == pyproject
    assert read_config(pyproject).system.deployment == "chat"
    own = written(tmp_path, LEAST)
    assert find_config(tmp_path) == own


def test_a_mistake_in_pyproject_names_the_table(tmp_path: Path) -> None:
    """In pyproject.toml the error names the table too."""
    path = written(tmp_path, "[tool.gameday]\nsystems = 1\n", "pyproject.toml")
    with pytest.raises(UsageError, match=r"pyproject\.toml \[tool\.gameday\]: the field system is missing"):
        read_config(path)


@pytest.mark.parametrize(
    ("context", "uid", "pin"),
    [("staging", "u-1", "u-1"), ("elsewhere", "u-1", ""), ("staging", "", "")],
)
def test_a_file_pins_its_context_for_trials_that_deploy_there(tmp_path: Path, context: str, uid: str, pin: str) -> None:
    """A file of an adopted system knows the cluster, whoever else is tried on it; no other context is meant by it."""
    lines = ["[cluster]", f'context = "{context}"', *([f'uid = "{uid}"'] if uid else [])]
    lines += ["[system]", 'namespace = "llm"', 'deployment = "chat"']
    (tmp_path / "gameday.toml").write_text("\n".join(lines))
    assert pin_of(tmp_path, "staging") == pin


def test_where_no_file_can_be_read_none_pins(tmp_path: Path) -> None:
    """None, or a broken one: then the command line has to say it."""
    assert pin_of(tmp_path, "staging") == ""
    (tmp_path / "gameday.toml").write_text("[cluster")
    assert pin_of(tmp_path, "staging") == ""


@pytest.mark.parametrize(
    ("safety", "namespace", "refused"),
    [
        ('protected = ["payments"]', "payments", True),
        ('protected = ["search", "payments"]', "payments", True),
        ("", "kube-public", True),
        ('protected = ["payments"]', "payments-2", False),
        ('protected = ["payments-2"]', "payments", False),
    ],
)
def test_a_protected_namespace_is_refused_before_a_cluster_is_reached(
    safety: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, refused: bool
) -> None:
    """Whoever names it as the service's own: by its whole name, and no other for it."""
    text = f'[cluster]\ncontext = "staging"\nuid = "3f0c"\n[system]\nnamespace = "{namespace}"\ndeployment = "chat"\n'
    path = written(tmp_path, f"{text}[safety]\n{safety}\n")
    reached: list[str] = []

    def connect(*, context: str, **_: object) -> None:
        reached.append(context)
        raise UsageError("reached")

    monkeypatch.setattr(adopted_cluster, "connect", connect)
    with pytest.raises(UsageError, match=f"namespace {namespace} is protected" if refused else "^reached$"):
        adopted_cluster.open_adoption(path, read_config(path))
    assert reached == ([] if refused else ["staging"])


def test_an_engine_is_one_that_is_known(tmp_path: Path) -> None:
    """Another is refused with the names of those that are; without one nothing is asked directly."""
    text = WHOLE.replace('profile = "http"', 'profile = "http"\nengine = "vllm"\ncanary = true')
    traffic = read_config(written(tmp_path, text)).traffic
    assert (traffic.engine, traffic.canary) == ("vllm", True)
    assert read_config(written(tmp_path, WHOLE)).traffic.canary is False
    with pytest.raises(UsageError, match=r"engine mine is none of vllm, sglang, .*leave it out"):
        read_config(written(tmp_path, text.replace('"vllm"', '"mine"')))


def test_what_a_server_is_told_of_is_read(tmp_path: Path) -> None:
    """A process, commands and an image; a command that nothing takes back is refused, as is an empty word."""
    text = '[system]\nnamespace = "llm"\ndeployment = "chat"\n'
    assert read_config(written(tmp_path, text)).system.own_means() == OwnMeans()
    means = 'process = "VLLM::EngineCore"\ndebug_image = "busybox:1"\n'
    means += 'not_ready = ["touch", "/a b"]\nready = ["rm", "/a b"]\n'
    told = read_config(written(tmp_path, text + means)).system.own_means()
    assert told == OwnMeans("VLLM::EngineCore", ("touch", "/a b"), ("rm", "/a b"), "busybox:1")
    alone = (('ready = ["x"]', "go together"), ('not_ready = ["x"]', "go together"))
    for wrong, why in (*alone, ('process = ""', "process")):
        with pytest.raises(UsageError, match=why):
            read_config(written(tmp_path, f"{text}{wrong}\n"))
