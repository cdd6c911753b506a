"""Numbers as people write them: in quotes, as placeholders that are filled in later, and longer than any field."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from review_stories import Objects, found, merged, rules_of, service_of

from chaos.review import review

LIVE: dict[str, Any] = {"httpGet": {"path": "/health", "port": "http"}}

QUOTED: dict[str, dict[str, Any]] = {
    "a probe's time": {"container": {"livenessProbe": {**LIVE, "periodSeconds": "10"}}},
    "a probe's port": {"container": {"livenessProbe": {"httpGet": {"path": "/health", "port": "8000"}}}},
    "a gRPC port": {"container": {"livenessProbe": {"grpc": {"port": "8000"}}}},
    "a container's port": {"container": {"ports": [{"containerPort": "8000", "name": "http"}]}},
    "the grace": {"pod": {"terminationGracePeriodSeconds": "120"}},
    "a targetPort": {"service": {"ports": [{"port": 80, "targetPort": "8000"}]}},
    "a Service's port": {"service": {"ports": [{"port": "80", "targetPort": "http"}]}},
}


@pytest.mark.parametrize("given", QUOTED.values(), ids=QUOTED)
def test_a_number_in_quotes_is_told_and_nothing_else(given: dict[str, Any]) -> None:
    """It is read as what was meant, so no arithmetic goes wrong with it; and its patch takes the quotes away."""
    objects = service_of(**given)
    assert rules_of(objects) == {"value-not-number"}
    for one in found(objects, "value-not-number"):
        assert not one.patch or rules_of(merged(objects, one.patch)) == set()


def test_a_window_in_quotes_is_counted() -> None:
    """A long delay of liveness ends no start, also if the API refuses how it is written."""
    patient = {"startupProbe": None, "livenessProbe": {**LIVE, "initialDelaySeconds": "900"}}
    assert rules_of(service_of(container=patient)) == {"value-not-number"}


PLACEHOLDERS: dict[str, dict[str, Any]] = {
    "a probe's port": {"container": {"readinessProbe": {"httpGet": {"path": "/ready", "port": "${PORT}"}}}},
    "a container's port": {
        "container": {
            "ports": [{"containerPort": "${PORT}", "name": "http"}],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8000}},
        }
    },
    "a targetPort": {"service": {"ports": [{"port": 80, "targetPort": "$PORT"}]}},
    "a budget's bound": {"budget": {"maxUnavailable": "${MAX_UNAVAILABLE}"}},
    "an image": {"container": {"image": "${IMAGE}"}},
    "an image to be named": {"container": {"image": "<your image>"}},
    "the number of replicas": {"spec": {"replicas": "${REPLICAS}"}},
}


@pytest.mark.parametrize("given", PLACEHOLDERS.values(), ids=PLACEHOLDERS)
def test_a_placeholder_is_left_to_who_fills_it_in(given: dict[str, Any]) -> None:
    """What envsubst and the like put in its place is not known here."""
    assert rules_of(service_of(**given)) == set()


def test_a_probe_of_another_host_asks_no_port_of_the_pod() -> None:
    """`httpGet.host` leads away from it."""
    asks = {"httpGet": {"path": "/ready", "port": 9000, "host": "10.0.0.1"}}
    assert rules_of(service_of(container={"readinessProbe": asks})) == set()


ODD: tuple[Objects, ...] = (
    service_of(budget={"maxUnavailable": "²"}),
    service_of(spec={"replicas": "²"}),
    service_of(container={"resources": {"limits": {"example.com/device": "²"}}}),
    service_of(container={"readinessProbe": {"grpc": {}}}),
    service_of(container={"readinessProbe": {"httpGet": {"port": [8000]}}}),
)


@pytest.mark.parametrize("objects", ODD)
def test_a_digit_that_is_no_number_breaks_nothing(tmp_path: Path, objects: Objects) -> None:
    """There are digits in text that `int` does not take, and ports of any shape."""
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(objects))
    review([str(tmp_path)])


def test_a_number_of_any_length_breaks_nothing(tmp_path: Path) -> None:
    """YAML's hexadecimal numbers have no limit, and Python refuses to write very long ones in digits."""
    long = "0x" + "f" * 10_000
    text = yaml.safe_dump_all(service_of(spec={"replicas": 77_777}, container={"args": ["--n", 88_888]}))
    text = text.replace("77777", long).replace("88888", long)
    (tmp_path / "all.yaml").write_text(f"{text}---\nkind: x\nmetadata: {{name: y, labels: {{a: {long}}}}}\n")
    assert {"value-not-number"} == {one.rule for one in review([str(tmp_path)]).findings}


def test_a_whole_number_may_be_written_with_a_point() -> None:
    """On its way to the API server 2.0 becomes 2; half a pod is refused."""
    bounds = {"strategy": {"rollingUpdate": {"maxSurge": 1.0, "maxUnavailable": 0.0}}}
    assert rules_of(service_of(budget={"maxUnavailable": 1.0}, spec={"replicas": 2.0, **bounds})) == set()
    (one,) = found(service_of(budget={"maxUnavailable": 0.5}), "budget-bound-invalid")
    assert "maxUnavailable 0.5 is neither" in one.sentence


def test_labels_of_nodes_and_values_of_taints_are_text() -> None:
    """`true` without quotes is a truth value, which the API refuses there."""
    labelled = service_of(pod={"nodeSelector": {"example.com/gpu": True, "pool": "a"}})
    (one,) = found(labelled, "value-not-text")
    assert "nodeSelector: example.com/gpu is true, not text" in one.sentence
    assert rules_of(merged(labelled, one.patch)) == set()
    tolerated = [{"key": "gpu", "operator": "Equal", "value": True}, {"key": "spot", "operator": "Exists"}]
    (one,) = found(service_of(pod={"tolerations": tolerated}), "value-not-text")
    assert "tolerations: the value for gpu is true, not text" in one.sentence


def test_a_truth_value_is_no_annotation_and_a_number_no_label_of_a_selector() -> None:
    """Those of the pods' template are text like the object's own, and a selector's labels are, too."""
    objects = service_of()
    objects[0]["spec"]["template"]["metadata"]["annotations"] = {"sidecar.istio.io/inject": False}
    (one,) = found(objects, "value-not-text")
    assert "spec.template.metadata.annotations: sidecar.istio.io/inject is false, not text" in one.sentence
    (one,) = found(service_of(service={"selector": {"app": 1}}), "value-not-text")
    assert "spec.selector: app is 1, not text" in one.sentence
    (one,) = found(service_of(budget={"selector": {"matchLabels": {"app": 1}}}), "value-not-text")
    assert "spec.selector.matchLabels: app is 1, not text" in one.sentence
