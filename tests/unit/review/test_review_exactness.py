"""Sentences that are exact also in the rarer case, and patches only where they help."""

from typing import Any

import pytest
import yaml
from review_cases_objects import CANARY, SCALER, another, claim, resource
from review_cases_pods import mounted
from review_stories import found, merged, rules_of, service_of

CLAIM_ALONE = claim("ReadWriteOnce") | {"spec": {"replicas": 1}}


def test_a_budget_of_one_replica_is_not_praised() -> None:
    """Its patch lets the only pod go: it counts once there are two."""
    (one,) = found(service_of(spec={"replicas": 1}, without=["PodDisruptionBudget"]), "budget-missing")
    assert one.sums == ("of one replica a budget keeps none: it counts once there are two",)


def test_pods_that_cannot_be_counted_are_not_summed_up() -> None:
    """A number that somebody fills in later is no part of a sum."""
    (one,) = found(service_of(spec={"replicas": "${REPLICAS}"}, others=[CANARY]), "budget-spans-workloads")
    assert one.sums == ()


def test_an_autoscaler_with_another_metric_still_scales_out() -> None:
    """A metric without its request only bars the way down, as long as another one is measured."""
    queue = {"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": {"type": "AverageValue"}}}
    metrics = [resource("cpu", averageUtilization=60), queue]
    (one,) = found(service_of(scaler={"metrics": metrics}, container={"resources": None}), "autoscaler-without-request")
    assert one.sentence.endswith("and never scales in")
    (one,) = found(service_of(scaler=SCALER, container={"resources": None}), "autoscaler-without-request")
    assert one.sentence.endswith("and never scales")


def test_an_autoscaler_that_never_scales_in_is_not_hasty() -> None:
    """With selectPolicy Disabled nothing is taken, however short it looks back."""
    down = {"stabilizationWindowSeconds": 0, "selectPolicy": "Disabled"}
    assert rules_of(service_of(scaler={"behavior": {"scaleDown": down}})) == set()


def test_a_second_replica_is_no_remedy_where_it_could_not_mount_the_claim() -> None:
    """On another node it would wait for a volume that the first one holds."""
    (one,) = found(service_of(**CLAIM_ALONE), "replicas-one")
    assert one.patch == ""
    (one,) = found(service_of(spec={"replicas": 1}), "replicas-one")
    assert one.patch != ""


def test_a_release_with_a_pod_more_is_no_remedy_either() -> None:
    """A new pod on another node would wait for the claim for ever, while the old one waits for it."""
    in_place = {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}, "replicas": 1}
    (one,) = found(service_of(**(CLAIM_ALONE | {"spec": in_place})), "rollout-takes-all")
    assert one.patch == ""
    refused = {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}
    (one,) = found(service_of(**(CLAIM_ALONE | {"spec": refused})), "rollout-impossible")
    assert yaml.safe_load(one.patch)["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_a_claim_of_one_pod_bars_pods_on_its_node_too() -> None:
    """ReadWriteOncePod is not ReadWriteOnce: the node does not matter."""
    (one,) = found(service_of(**claim("ReadWriteOncePod")), "claim-on-one-node")
    assert "only one of them can start" in one.sentence
    (one,) = found(service_of(**(claim("ReadWriteOncePod") | {"spec": {"replicas": 1}})), "claim-bars-scaling")
    assert "does not start beside the first" in one.sentence


@pytest.mark.parametrize(
    "script",
    [
        "until curl -sf http://registry:5000/; do sleep 2; done",
        "wget -q --spider http://chat/",
        "[ -f /models/done ] || huggingface-cli download org/model",
        "if test ! -d /models/m; then aws s3 sync s3://models/m /models/m; fi",
        "timeout 600 curl -O https://models.example/m",
    ],
)
def test_waiting_and_looking_first_is_no_download_at_each_start(script: str) -> None:
    """Nor is what gives up in time without a limit."""
    init: dict[str, Any] = {"name": "prepare", "image": "registry.example/tools:1", "command": ["sh", "-c", script]}
    assert rules_of(service_of(pod={"initContainers": [init]})) == set()


def test_a_pre_stop_that_sleeps_only_at_times_is_not_counted() -> None:
    """How long it takes is decided when it runs."""
    script = "if [ -f /busy ]; then sleep 300; fi"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", script]}}}
    assert rules_of(service_of(container={"lifecycle": hook})) == set()


def test_labels_alone_are_no_selector() -> None:
    """As a Service has them: the patch gives them their place, also for the pods of a ReplicationController."""
    (one,) = found(service_of(spec={"selector": {"app": "chat"}}), "selector-missing")
    assert "no matchLabels" in one.sentence
    assert yaml.safe_load(one.patch)["spec"]["selector"] == {"app": None, "matchLabels": {"app": "chat"}}
    flat = service_of(budget={"selector": {"app": "chat"}})
    (one,) = found(flat, "field-unknown")
    assert rules_of(merged(flat, one.patch)) == set()
    old = service_of(spec={"selector": {"app": "chat"}}, without=["PodDisruptionBudget"])
    old[0] |= {"apiVersion": "v1", "kind": "ReplicationController"}
    (one,) = found(old, "budget-missing")
    assert yaml.safe_load(one.patch)["spec"]["selector"] == {"matchLabels": {"app": "chat"}}


@pytest.mark.parametrize(
    "given",
    [
        {"pod": {"hostNetwork": True}},
        {"container": {"ports": [{"containerPort": 8000, "name": "http", "hostPort": 8000}]}},
    ],
    ids=["hostNetwork", "hostPort"],
)
def test_a_port_of_the_node_keeps_pods_apart_too(given: dict[str, Any]) -> None:
    """The scheduler gives a port of a node to one pod only, so a release's new pod needs a node of its own."""
    (one,) = found(service_of(**given), "rollout-needs-node")
    assert "3 + 1 = 4 nodes, as each pod takes port 8000 of its node" in one.sentence
    assert rules_of(merged(service_of(**given), one.patch)) == set()


@pytest.mark.parametrize(
    ("name", "path"), [("tmp", "/home/model-server/tmp"), ("model-config", "/etc/server"), ("v", "/models/logs/")]
)
def test_what_stands_beside_model_files_is_not_taken_for_them(name: str, path: str) -> None:
    """A server's folder of temporary files is no download."""
    mounts = mounted(name, path, {"emptyDir": {}})
    assert rules_of(service_of(**mounts)) == set()


def test_a_port_that_is_not_declared_is_not_changed_to_one_that_is() -> None:
    """Ports are declared for people: the server may well listen there, as a file of its own says."""
    asks = {"readinessProbe": {"httpGet": {"path": "/ready", "port": 9901}}}
    (one,) = found(service_of(container=asks), "probe-port-undeclared")
    assert one.patch == ""


def test_a_budget_under_an_autoscaler_says_which_number_it_counts() -> None:
    """At its maximum the same bound may be sound."""
    (one,) = found(service_of(scaler={}, budget={"maxUnavailable": 2}), "budget-lets-all-go")
    assert "lets all 2 pods at the autoscaler's minimum go at once" in one.sentence


@pytest.mark.parametrize(
    ("command", "args"), [(["vllm", "serve"], ["m"]), (["python3", "-m", "vllm.entrypoints.openai.api_server"], [])]
)
def test_a_server_is_known_by_its_command_too(command: list[str], args: list[str]) -> None:
    """Many build their own image, whose name says nothing."""
    ports = [{"port": 80, "targetPort": "http"}]
    other = another("Service", "v1", {"selector": {"app": "chat"}, "ports": ports}, "vllm")
    fields = {"image": "registry.example/inference:1", "command": command, "args": args}
    assert rules_of(service_of(container=fields, others=[other])) == {"service-name-taken"}
    router = {**fields, "command": ["router"], "args": ["--backend=vllm"]}
    assert rules_of(service_of(container=router, others=[other])) == set()


def test_a_budget_without_a_bound_lets_none_go() -> None:
    """A chart that leaves out a bound of 0 makes it: the controller then expects no pod, and permits no eviction."""
    bare = service_of(budget={"maxUnavailable": None})
    (one,) = found(bare, "budget-blocks-drains")
    assert "has no bound" in one.sentence
    assert rules_of(merged(bare, one.patch)) == set()


def test_no_traffic_is_said_to_be_sent_where_nobody_asks() -> None:
    """What takes its work from a queue has no port and no Service, and hangs all the same."""
    bare = {"ports": None, "startupProbe": None, "readinessProbe": None, "livenessProbe": None}
    (one,) = found(service_of(container=bare, without=["Service"]), "probes-missing")
    assert one.sentence == "no probes: a release waits for no new pod, and one that hangs is never restarted"
