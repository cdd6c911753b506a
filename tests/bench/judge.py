"""How long judging takes: a run folder of 100,000 watch events and 1,000,000 requests, loaded and judged.

Usage: python tests/bench/judge.py [EVENTS] [REQUESTS]. Prints a line a step, and the whole beside the promise of 5 s.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from chaos.checks import Completed, FaultsLanded, Recovered, SloMet, SteadyBefore, Witnessed
from chaos.clock import NS
from chaos.history import load_history
from chaos.slo import Slo

T0 = 1_760_000_000 * NS
TRIAL_S = 1000
PODS = 50
PROMISE_S = 5.0


def pod(number: int, generation: int, *, ready: bool, version: int) -> dict[str, Any]:
    """A pod as the API server sends one: 3 kB, a third of it managedFields."""
    uid = f"{number:08d}-0000-4000-8000-{generation:012d}"
    fields = {
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {"f:containers": {'k:{"name":"m"}': {"f:image": {}}}},
    }
    probe = {"httpGet": {"path": "/health", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 1, "failureThreshold": 60}
    conditions = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"model-6d5f7c9b8d-{number:05d}",
            "generateName": "model-6d5f7c9b8d-",
            "namespace": "gameday-bench",
            "uid": uid,
            "resourceVersion": str(version),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "model", "pod-template-hash": "6d5f7c9b8d"},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "rs", "controller": True}
            ],
            "managedFields": [{"manager": name, "operation": "Update", "fieldsV1": fields} for name in "abcd"],
        },
        "spec": {
            "nodeName": f"n{number % 3}",
            "terminationGracePeriodSeconds": 30,
            "containers": [
                {
                    "name": "m",
                    "image": "model:1",
                    "imagePullPolicy": "Never",
                    "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "500m"}},
                    "startupProbe": probe,
                    "readinessProbe": probe,
                    "livenessProbe": probe,
                    "terminationMessagePath": "/dev/termination-log",
                    "volumeMounts": [{"name": "weights", "mountPath": "/weights", "readOnly": True}],
                }
            ],
            "tolerations": [
                {
                    "key": f"node.kubernetes.io/{why}",
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 300,
                }
                for why in ("not-ready", "unreachable")
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [
                {
                    "type": name,
                    "status": str(ready or name == "PodScheduled"),
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
                for name in conditions
            ],
            "containerStatuses": [
                {
                    "name": "m",
                    "ready": ready,
                    "started": True,
                    "restartCount": 0,
                    "image": "model:1",
                    "imageID": "sha256:" + "a" * 64,
                    "containerID": "containerd://" + "b" * 64,
                    "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                    "lastState": {},
                }
            ],
        },
    }


def write_watch(path: Path, events: int) -> None:
    """Pods that come and go all the time, each replaced five events after it was deleted."""
    owner = [{"kind": "Deployment", "name": "model", "uid": "d", "controller": True}]
    about = {"namespace": "gameday-bench", "labels": {"app": "model"}}
    template = {"spec": pod(0, 0, ready=True, version=0)["spec"]}
    spec = {"replicas": PODS, "selector": {"matchLabels": {"app": "model"}}, "template": template}
    workload = {"metadata": {**about, "name": "model", "uid": "d"}, "spec": spec}
    replica_set = {
        "metadata": {**about, "name": "rs", "uid": "rs", "ownerReferences": owner},
        "spec": {"replicas": PODS},
    }
    with path.open("w") as file:

        def line(at_ns: int, kind: str, type_: str, **more: Any) -> None:
            file.write(json.dumps({"at_ns": at_ns, "kind": kind, "type": type_, **more}) + "\n")

        line(T0, "Deployment", "LISTED", object=workload)
        line(T0, "ReplicaSet", "LISTED", object=replica_set)
        for number in range(PODS):
            line(T0, "Pod", "LISTED", object=pod(number, 0, ready=True, version=1))
        for kind in ("Deployment", "ReplicaSet", "Pod", "Node"):
            line(T0, kind, "SYNCED", rv="1")
        begin_ns = T0 + 60 * NS
        step_ns = (TRIAL_S - 120) * NS // events
        for index in range(events):
            number, generation, turn = index // 5 % PODS, index // 5 // PODS, index % 5
            at_ns = begin_ns + index * step_ns
            if turn == 0:
                line(at_ns, "Pod", "DELETED", object=pod(number, generation, ready=True, version=index))
            else:
                type_ = "ADDED" if turn == 1 else "MODIFIED"
                line(at_ns, "Pod", type_, object=pod(number, generation + 1, ready=turn == 4, version=index))
        for kind in ("Deployment", "ReplicaSet", "Pod", "Node"):
            line(T0 + TRIAL_S * NS, kind, "END")


def write_requests(path: Path, count: int) -> None:
    """A steady stream over the whole trial; one in 500 fails, and streaming gaps are kept for each."""
    rate_rps = count / TRIAL_S
    with path.open("w") as file:
        for number in range(count):
            intended = T0 + round(number * 1e9 / rate_rps)
            end = intended + 80_000_000 + number % 997 * 100_000
            outcome, status = ("failed", 503) if number % 500 == 0 else ("ok", 200)
            file.write(
                f'{{"id":{number},"stream":"steady-1","intended_ns":{intended},"sent_ns":{intended + 90_000},'
                f'"first_byte_ns":{intended + 9_000_000},"first_token_ns":{intended + 20_000_000},"end_ns":{end},'
                f'"outcome":"{outcome}","status":{status},"error":null,"replica":"model-{number % PODS}",'
                f'"tokens_in":12,"tokens_out":8,"token_gaps_ns":[9000000,9100000,9200000,9300000]}}\n'
            )


def write_run(run: Path, events: int, requests: int) -> None:
    """The whole run folder."""
    system = {"namespace": "gameday-bench", "workload": {"kind": "Deployment", "name": "model"}, "service": "model"}
    facts = {"scenario": "bench", "claim": "", "seed": 1, "dry_run": False, "clock": {"utc_ns": T0}, "system": system}
    (run / "trial.json").write_text(json.dumps(facts))
    write_watch(run / "watch.jsonl", events)
    write_requests(run / "requests.jsonl", requests)
    end_ns, fault_ns = T0 + TRIAL_S * NS, T0 + 60 * NS
    victim = {
        "kind": "Pod",
        "namespace": "gameday-bench",
        "name": "model-6d5f7c9b8d-00000",
        "uid": pod(0, 0, ready=True, version=0)["metadata"]["uid"],
    }
    stream = {
        "stream": "steady-1",
        "shape": "steady",
        "rate_rps": requests / TRIAL_S,
        "begin_ns": T0,
        "profile": "http",
    }
    lines = [
        {"at_ns": T0, "event": "traffic-begin", **stream},
        {"at_ns": T0 + NS, "event": "phase-begin", "phase": "baseline"},
        {"at_ns": T0 + 50 * NS, "event": "phase-end", "phase": "baseline"},
        {
            "at_ns": fault_ns - 1,
            "event": "fault-begin",
            "fault": "pod-kill-1",
            "name": "pod-kill",
            "words": "",
            "victims": [victim],
        },
        {"at_ns": fault_ns + NS, "event": "fault-landed", "fault": "pod-kill-1", "proof": "gone by UID"},
        {"at_ns": fault_ns + 9 * NS, "event": "fault-healed", "fault": "pod-kill-1", "outcome": "ok"},
        {"at_ns": end_ns, "event": "traffic-end", "stream": "steady-1", "end_ns": end_ns},
        {"at_ns": end_ns, "event": "trial-end", "wall_step_ns": 0},
    ]
    (run / "actions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    sample = {
        "due": requests,
        "sent": requests,
        "done": requests,
        "in_flight": 0,
        "cpu_share": 0.5,
        "at_ns": end_ns,
        "final": True,
    }
    (run / "generator.jsonl").write_text(json.dumps(sample) + "\n")


def main() -> None:
    """Write, load, judge, and say how long each took."""
    events, requests = (int(text) for text in (sys.argv[1:] or ["100000", "1000000"]))
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        write_run(run, events, requests)
        sizes = {path.name: path.stat().st_size / 1e6 for path in sorted(run.iterdir())}
        print(", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items()))  # noqa: T201  # a command's output
        began = time.perf_counter()
        history = load_history(run)
        took = {"load": time.perf_counter() - began}
        checks = (
            Completed(),
            SteadyBefore(),
            FaultsLanded(),
            Recovered(),
            SloMet(Slo(0.99, 2.0, 1.0)),
            Witnessed("delete-pod"),
        )
        for check in checks:
            step = time.perf_counter()
            finding = check(history)
            took[f"{check.name} {finding.answer.name}"] = time.perf_counter() - step
        for name, seconds in took.items():
            print(f"{seconds:6.2f} s  {name}")  # noqa: T201  # a command's output
        whole_s = sum(took.values())
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{whole_s:6.2f} s  in all, promised {PROMISE_S:g} s; {memory_mb:.0f} MB resident at most")  # noqa: T201


if __name__ == "__main__":
    main()
