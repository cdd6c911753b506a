"""The Job of load pods: what a cluster is asked for, and what it is not."""

import contextlib
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chaos.cluster import Done, Mutation
from chaos.errors import ClusterRefused
from chaos.safety import NoUndoLog
from chaos.trial.load_pods import workers
from chaos.trial.load_pods.job import LoadPods, job_manifest, pod_selector, policy_manifest
from chaos.trial.load_pods.workers import LoadJob, load_job

PODS = LoadPods(
    namespace="llm",
    run="20260101T120000Z-pod-kill-1",
    image="registry.example/load@sha256:1",
    workers=3,
    lasts_s=7200,
    target_namespace="llm",
    target_labels={"app": "chat"},
    aliases={"chat.llm.svc": "10.96.0.7"},
)


@pytest.fixture
def spec() -> dict[str, Any]:
    """The Job's spec."""
    made: dict[str, Any] = job_manifest(PODS, "a digest")["spec"]
    return made


def test_one_pod_a_worker_that_is_never_started_again(spec: dict[str, Any]) -> None:
    """Its arrivals were its own: a successor that began anew would send others. One that fails ends no other."""
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["backoffLimitPerIndex"] == 0


def test_it_ends_and_goes_by_itself(spec: dict[str, Any]) -> None:
    """Should nobody remove it."""
    assert spec["activeDeadlineSeconds"] == 7200
    assert spec["ttlSecondsAfterFinished"] == 600


def test_its_pods_have_no_rights_and_no_privileges(spec: dict[str, Any]) -> None:
    """No token of a service account, as the restricted pod security standard wants it; requests are limits."""
    pod = spec["template"]["spec"]
    [container] = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["resources"]["requests"] == container["resources"]["limits"]


def test_it_keeps_away_from_the_pods_under_test_before_all(spec: dict[str, Any]) -> None:
    """By their labels in their namespace, node by node; by wish only, so that it runs where there are few nodes."""
    anti = spec["template"]["spec"]["affinity"]["podAntiAffinity"]
    terms = anti["preferredDuringSchedulingIgnoredDuringExecution"]
    first = max(terms, key=lambda term: term["weight"])["podAffinityTerm"]
    assert first["labelSelector"]["matchLabels"] == {"app": "chat"}
    assert (first["namespaces"], first["topologyKey"]) == (["llm"], "kubernetes.io/hostname")
    assert len(anti) == 1


def test_its_pods_are_none_of_the_service_s() -> None:
    """No label of the pods under test is on them, or its Service would send users to a load worker."""
    labels = job_manifest(PODS, "a digest")["spec"]["template"]["metadata"]["labels"]
    assert not PODS.target_labels.items() <= labels.items()
    assert pod_selector(PODS) == "gameday.dev/load-job=" + labels["gameday.dev/load-job"]


def test_no_token_is_in_it() -> None:
    """Only the digest that was given: who may read Jobs may not drive the pods."""
    assert json.dumps(job_manifest(PODS, "a digest")).count("a digest") == 1


def pod_of(name: str, index: int, owner: dict[str, Any] | None) -> dict[str, Any]:
    """A ready pod with the label of the Job's, whoever made it."""
    metadata = {"name": name, "namespace": "llm", "uid": f"uid-{name}"}
    metadata |= {"annotations": {"batch.kubernetes.io/job-completion-index": str(index)}}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return {
        "kind": "Pod",
        "metadata": metadata | ({"ownerReferences": [owner]} if owner else {}),
        "spec": {"nodeName": "n1"},
        "status": status,
    }


JOB = {"kind": "Job", "uid": "uid-job", "controller": True}


@pytest.mark.parametrize(
    "owner",
    [
        pytest.param(None, id="nobody's"),
        pytest.param({**JOB, "uid": "another"}, id="another Job's"),
        pytest.param({**JOB, "controller": False}, id="only owned"),
    ],
)
def test_a_pod_that_the_job_did_not_make_gets_no_token(owner: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its label and its index are what anybody may write; the plan holds the headers of users."""
    met: list[str] = []

    class Agent:
        def __init__(self, _cluster: object, pod: Any, _token: str) -> None:
            self.pod = pod

        def do(self, _action: str) -> dict[str, str]:
            met.append(self.pod.name)
            return {"code": workers.code_digest(), "folder": "/records"}

    monkeypatch.setattr(workers, "Agent", Agent)
    pods = [pod_of("stranger", 0, owner), *(pod_of(f"own-{index}", index, JOB) for index in range(3))]
    cluster: Any = SimpleNamespace(list=lambda *_, **__: pods)
    job = LoadJob(cluster, cast("Any", None), PODS, "token", "uid-job")
    assert job._all_here()
    assert met == ["own-0", "own-1", "own-2"]
    assert not LoadJob(cluster, cast("Any", None), PODS, "token", "")._all_here()


def test_a_policy_lets_in_the_named_ranges_alone() -> None:
    """On the control port of these pods, of either family; it goes with the Job, and the Job's own labels are its."""
    policy = policy_manifest(replace(PODS, ingress=("10.0.0.0/28", "fd00::/64")), "uid-job")
    assert policy["metadata"]["namespace"] == "llm"
    assert [(owner["kind"], owner["uid"]) for owner in policy["metadata"]["ownerReferences"]] == [("Job", "uid-job")]
    template = job_manifest(PODS, "a digest")["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= template.items()
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    [rule] = policy["spec"]["ingress"]
    assert [one["ipBlock"]["cidr"] for one in rule["from"]] == ["10.0.0.0/28", "fd00::/64"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8089}]


class Doing:
    """An executor that writes down what it is to do, and refuses what it is told to refuse."""

    def __init__(self, refused: str = "") -> None:
        self.done: list[tuple[str, str]] = []
        self.refused = refused

    def do(self, mutation: Mutation) -> Done:
        """Do it."""
        self.done.append((mutation.method, mutation.target.kind))
        if mutation.target.kind == self.refused:
            return Done("fail", 403, reason="forbidden")
        return Done("ok", 201, {"metadata": {"uid": "uid-job"}})


@pytest.mark.parametrize(
    ("ingress", "refused", "made"),
    [
        pytest.param((), "", ["Job"], id="nobody named addresses"),
        pytest.param(("10.0.0.0/28",), "", ["Job", "NetworkPolicy"], id="named"),
        pytest.param(("10.0.0.0/28",), "NetworkPolicy", ["Job", "NetworkPolicy"], id="refused"),
    ],
)
def test_the_policy_is_made_where_addresses_are_named(ingress: tuple[str, ...], refused: str, made: list[str]) -> None:
    """Where it cannot be made there is no load, and the Job is removed."""
    executor, tidy = Doing(refused), Doing()
    cluster: Any = SimpleNamespace(get=lambda *_: None, list=lambda *_, **__: [])
    options: Any = {"executor": executor, "tidy": tidy, "journal": None, "undo": NoUndoLog()}
    job = load_job(cluster, replace(PODS, ingress=ingress), **options)
    with pytest.raises(ClusterRefused) if refused else contextlib.nullcontext(), job:
        pass
    assert executor.done == [("POST", kind) for kind in made]
    assert tidy.done == [("DELETE", "Job")]
