"""What is said of a system that does not come up."""

from typing import Any

import pytest

from chaos.system import Blocker, blockers, in_words

RUNNING = {"running": {"startedAt": "2026-01-01T00:01:00Z"}}
BACKING_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}


def pod(
    name: str = "model-a",
    *,
    state: dict[str, Any] | None = None,
    last: dict[str, Any] | None = None,
    owner: str = "rs-2",
    **more: Any,
) -> dict[str, Any]:
    """A pod on node n1 that is not Ready; `more` are further fields of its container's status."""
    status = {"name": "model", "image": "model:1", "ready": False, "restartCount": 0, "state": state or RUNNING, **more}
    if last:
        status["lastState"] = {"terminated": last}
    limits = {"resources": {"limits": {"memory": "512Mi"}}}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "ownerReferences": [{"uid": owner}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "model", **limits}]},
        "status": {
            "phase": "Pending",
            "containerStatuses": [status],
            "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}],
        },
    }


def ready_pod(name: str) -> dict[str, Any]:
    """A pod that is Ready."""
    made = pod(name)
    made["status"]["containerStatuses"][0]["ready"] = True
    made["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    return made


def pending_pod(message: str = "") -> dict[str, Any]:
    """A pod that no node has."""
    made = pod()
    del made["spec"]["nodeName"]
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    made["status"] = {"phase": "Pending", "conditions": [unscheduled] if message else []}
    return made


def event(reason: str, message: str, *, about: str = "uid-model-a", at: str = "2026-01-01T00:00:30Z") -> dict[str, Any]:
    """A raw Event."""
    return {"reason": reason, "message": message, "involvedObject": {"uid": about}, "lastTimestamp": at}


def replicaset(revision: int, *, wants: int = 2, has: int = 2, refused: str = "") -> dict[str, Any]:
    """A ReplicaSet `rs-<revision>`."""
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refused}
    return {
        "metadata": {
            "name": f"model-{revision}",
            "uid": f"rs-{revision}",
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
        },
        "spec": {"replicas": wants},
        "status": {"replicas": has, "conditions": [failure] if refused else []},
    }


def only(**evidence: Any) -> Blocker:
    """The one blocker that the evidence shows."""
    (found,) = blockers(**evidence)
    return found


def test_a_ready_system_has_no_blockers() -> None:
    """Ready pods stand in nobody's way, whatever old events say."""
    events = [event("Unhealthy", "Readiness probe failed: 503", about="uid-a")]
    assert blockers(pods=[ready_pod("a"), ready_pod("b")], replicasets=[replicaset(1)], events=events) == ()


def test_the_schedulers_own_reason_is_told() -> None:
    """A pod that fits no node is told with what the scheduler says of each."""
    found = only(pods=[pending_pod("0/3 nodes are available: 3 Insufficient cpu.")])
    assert (found.kind, found.patience_s) == ("unschedulable", None)
    assert "0/3 nodes are available: 3 Insufficient cpu." in found.words


def test_a_pod_that_the_scheduler_has_not_seen_is_no_refusal() -> None:
    """Without the scheduler's answer nothing is claimed about nodes."""
    assert only(pods=[pending_pod()]).kind == "unscheduled"


def test_a_silent_kubelet_is_named_by_its_node() -> None:
    """A bound pod without any container status waits for its node's kubelet."""
    made = pod()
    made["status"]["containerStatuses"] = []
    found = only(pods=[made])
    assert found.kind == "not-started"
    assert "n1" in found.words


@pytest.mark.parametrize(
    ("waiting", "words", "hopeless"),
    [
        ({"reason": "ErrImageNeverPull"}, "image model:1 is not on node n1", True),
        ({"reason": "InvalidImageName"}, "'model:1' is not a valid image name", True),
        ({"reason": "ErrImagePull", "message": "model:1: not found"}, "cannot be pulled: model:1: not found", True),
        ({"reason": "ErrImagePull", "message": "pull access denied"}, "cannot be pulled: pull access denied", True),
        ({"reason": "ErrImagePull", "message": "dial tcp: i/o timeout"}, "cannot be pulled: dial tcp", False),
        ({"reason": "ImagePullBackOff", "message": "Back-off pulling image"}, "cannot be pulled: Back-off", False),
    ],
)
def test_an_image_that_cannot_be_had_is_told(waiting: dict[str, str], words: str, *, hopeless: bool) -> None:
    """What cannot come good by itself has a patience; a registry out of reach may come back until the deadline."""
    found = only(pods=[pod(state={"waiting": waiting})])
    assert found.kind == "image"
    assert words in found.words
    assert (found.patience_s is not None) == hopeless


def test_the_event_of_the_failed_pull_says_why() -> None:
    """While the kubelet backs off, the event of the try before tells the cause, and that it is hopeless."""
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "model:1"'}
    told = event("Failed", 'Failed to pull image "model:1": manifest unknown')
    found = only(pods=[pod(state={"waiting": waiting})], events=[told])
    assert "manifest unknown" in found.words
    assert found.patience_s is not None


def test_a_container_that_cannot_be_configured_is_told_in_the_kubelets_words() -> None:
    """A missing secret, or an image that would run as root, is told and waited for only a little."""
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "key" not found'}
    found = only(pods=[pod(state={"waiting": waiting})])
    assert (found.kind, found.patience_s is not None) == ("configuration", True)
    assert 'secret "key" not found' in found.words


def test_a_crash_tells_its_exit_code_and_last_line() -> None:
    """A container that ends by itself is told with its exit code, its restarts and what it said last."""
    ended = {"exitCode": 3, "reason": "Error"}
    found = only(
        pods=[pod(state=BACKING_OFF, last=ended, restartCount=2)], last_lines={"model-a": "ValueError: no weights"}
    )
    assert found.kind == "crashing"
    assert "exit code 3, restarted 2 times" in found.words
    assert "ValueError: no weights" in found.words


def test_a_program_that_cannot_be_started_is_hopeless() -> None:
    """A command that the image does not have will never be there."""
    ended = {"exitCode": 128, "reason": "StartError", "message": 'exec: "serve": not found'}
    found = only(pods=[pod(state=BACKING_OFF, last=ended)])
    assert found.patience_s is not None
    assert 'exec: "serve": not found' in found.words


def test_too_little_memory_is_told_with_the_limit() -> None:
    """A container killed for its memory names the limit that it met."""
    found = only(pods=[pod(last={"exitCode": 137, "reason": "OOMKilled"}, restartCount=1)])
    assert found.kind == "out-of-memory"
    assert "its limit of 512Mi, restarted 1 time" in found.words


@pytest.mark.parametrize(
    ("started", "kind", "probe"), [(False, "startup-probe", "Startup"), (True, "readiness-probe", "Readiness")]
)
def test_a_failing_probe_is_told_with_its_last_message(kind: str, probe: str, *, started: bool) -> None:
    """Of a running container, the probe that keeps it from Ready is told, with the latest of its messages."""
    events = [
        event("Unhealthy", f"{probe} probe failed: HTTP probe failed with statuscode: 503", at="2026-01-01T00:00:40Z"),
        event("Unhealthy", f"{probe} probe failed: connection refused", at="2026-01-01T00:00:10Z"),
        event("Unhealthy", f"{probe} probe failed: other pod", about="uid-b", at="2026-01-01T00:00:50Z"),
    ]
    found = only(pods=[pod(started=started)], events=events)
    assert (found.kind, found.patience_s) == (kind, None)
    assert found.words == f"{probe} probe failed: HTTP probe failed with statuscode: 503"


@pytest.mark.parametrize("stuck", ["model", "proxy"])
def test_of_several_containers_the_one_that_is_not_ready_is_named(stuck: str) -> None:
    """What an Event says of another container of the pod is no cause, though it came later."""
    made = pod()
    made["spec"]["containers"].append({"name": "proxy"})
    status = made["status"]["containerStatuses"][0]
    made["status"]["containerStatuses"] = [
        {**status, "name": name, "ready": name != stuck} for name in ("model", "proxy")
    ]
    events = []
    for at, name in ((10, stuck), (20, "proxy" if stuck == "model" else "model")):
        about = {"uid": "uid-model-a", "fieldPath": f"spec.containers{{{name}}}"}
        failed = event("Unhealthy", f"Readiness probe failed: {name}", at=f"2026-01-01T00:01:{at}Z")
        events.append({**failed, "involvedObject": about})
    found = only(pods=[made], events=events)
    assert found.words == f"container {stuck}: Readiness probe failed: {stuck}"


@pytest.mark.parametrize("early", ["FailedMount", "FailedCreatePodSandBox"])
def test_a_pull_for_any_container_shows_that_volumes_and_sandbox_are_there(early: str) -> None:
    """What failed once before the model's image was pulled is not what its sidecar waits for."""
    made = pod()
    made["spec"]["containers"] = [{"name": "proxy"}, {"name": "model"}]
    (status,) = made["status"]["containerStatuses"]
    waiting = {**status, "state": {"waiting": {"reason": "ContainerCreating"}}}
    made["status"]["containerStatuses"] = [{**waiting, "name": "proxy"}, {**waiting, "name": "model"}]
    about = {"uid": "uid-model-a", "fieldPath": "spec.containers{model}"}
    pulling = {**event("Pulling", "Pulling image", at="2026-01-01T00:01:06Z"), "involvedObject": about}
    found = only(pods=[made], events=[event(early, "timed out", at="2026-01-01T00:01:00Z"), pulling])
    assert found.kind == "creating"


def test_a_probe_without_a_message_is_named_all_the_same() -> None:
    """Before its first failure is published, a probe has only not passed yet."""
    assert only(pods=[pod(started=False)]).words == "its startup probe has not passed yet"


def test_a_kill_by_a_probe_is_not_called_a_crash() -> None:
    """A container that the kubelet ended for a probe's sake is told by that probe."""
    ended = {"exitCode": 137, "reason": "Error", "startedAt": "2026-01-01T00:00:00Z"}
    events = [
        event("Unhealthy", "Startup probe failed: connection refused"),
        event("Killing", "Container model failed startup probe, will be restarted"),
    ]
    found = only(pods=[pod(state=BACKING_OFF, last=ended, restartCount=1)], events=events)
    assert found.kind == "startup-probe"
    assert "restarted 1 time: Startup probe failed: connection refused" in found.words


def test_a_crash_after_a_kill_by_a_probe_is_a_crash() -> None:
    """A probe's kill of an earlier run of the container says nothing of the run that ended last."""
    ended = {"exitCode": 1, "reason": "Error", "startedAt": "2026-01-01T00:00:45Z"}
    killed = event("Killing", "Container model failed startup probe, will be restarted")
    assert only(pods=[pod(state=BACKING_OFF, last=ended, restartCount=2)], events=[killed]).kind == "crashing"


@pytest.mark.parametrize(
    ("reason", "message", "kind"),
    [
        ("FailedMount", 'MountVolume.SetUp failed for volume "weights": timed out', "volume"),
        ("FailedAttachVolume", "Multi-Attach error", "volume"),
        ("FailedCreatePodSandBox", "plugin type bridge failed: no address left", "sandbox"),
        ("Pulling", 'Pulling image "model:1"', "creating"),
    ],
)
def test_a_container_in_the_making_is_told_by_its_events(reason: str, message: str, kind: str) -> None:
    """Volumes, the sandbox and a pull under way show only in events."""
    made = pod(state={"waiting": {"reason": "ContainerCreating"}})
    found = only(pods=[made], events=[event(reason, message)])
    assert found.kind == kind
    assert message in found.words


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('pods "model-x" is forbidden: exceeded quota: small', "a quota does not allow its pods"),
        ('pods "model-x" is forbidden: violates PodSecurity "restricted"', "its pods are refused"),
    ],
)
def test_refused_pods_are_told_by_their_replicaset(message: str, words: str) -> None:
    """Where no pod may be made, the ReplicaSet's condition says why, and its event does where there is none."""
    by_condition = only(pods=[], replicasets=[replicaset(1, has=0, refused=message)])
    by_event = only(pods=[], replicasets=[replicaset(1, has=0)], events=[event("FailedCreate", message, about="rs-1")])
    assert by_condition == by_event
    assert by_condition.words == f"{words}: {message}"
    assert by_condition.patience_s is not None


def test_a_refusal_that_is_over_is_not_told() -> None:
    """A ReplicaSet that has all its pods was refused once, and is not any more."""
    past = event("FailedCreate", "exceeded quota", about="rs-1")
    assert blockers(pods=[], replicasets=[replicaset(1, wants=2, has=2)], events=[past]) == ()


def test_only_pods_of_the_newest_replicaset_count() -> None:
    """Pods of an older revision, and pods that are being deleted, are on their way out."""
    never = {"waiting": {"reason": "ErrImageNeverPull"}}
    going = pod("model-c", state=never)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    pods = [pod("model-a", state=never, owner="rs-9"), pod("model-b", started=False, owner="rs-10"), going]
    found = only(pods=pods, replicasets=[replicaset(9), replicaset(10)])
    assert found.who == "model-b"


def test_a_failed_init_container_is_told_before_the_container_behind_it() -> None:
    """The container that waits for an init container is not to blame."""
    made = pod(state={"waiting": {"reason": "PodInitializing"}})
    made["status"]["initContainerStatuses"] = [
        {"name": "fetch", "ready": True, "state": {"terminated": {"exitCode": 0}}},
        {"name": "check", "ready": False, "state": BACKING_OFF, "lastState": {"terminated": {"exitCode": 7}}},
    ]
    assert "exit code 7" in only(pods=[made]).words


def test_an_evicted_pod_is_told_in_the_kubelets_words() -> None:
    """A pod that the kubelet gave up is told with its message."""
    made = pod()
    made["status"].update(phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    assert "low on resource: memory" in only(pods=[made]).words


def test_the_same_blocker_is_told_once() -> None:
    """Pods in the same trouble are told together, the most frequent trouble first."""
    pods = [pod(f"model-{name}", started=False) for name in "abc"] + [pending_pod("0/3 nodes are available.")]
    assert in_words(blockers(pods=pods)) == (
        "model-a and 2 more: its startup probe has not passed yet; model-a: no node takes it: 0/3 nodes are available."
    )
    assert in_words(()) == ""


def test_many_blockers_are_cut_short() -> None:
    """Only the first few troubles are told in full, the others are counted."""
    many = [Blocker("not-ready", f"pod-{number}", f"trouble {number}") for number in range(5)]
    assert in_words(many, at_most=2) == "pod-0: trouble 0; pod-1: trouble 1; and 3 other blockers"
