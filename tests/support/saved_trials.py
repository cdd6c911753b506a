"""The facts of a saved trial that recorded nothing else."""

__all__ = ["TRIAL"]

TRIAL = {
    "schema": 2,
    "run": "saved",
    "scenario": "test_claim",
    "nodeid": "test_scenario.py::test_claim",
    "claim": "a claim",
    "seed": 7,
    "dry_run": False,
    "clock": {"utc_ns": 1, "mono_ns": 1},
    "cluster": {"kind": "lab", "context": "lab", "server": "", "version": "", "uid": "", "nodes": []},
    "timings": {"name": "lab"},
    "system": {
        "namespace": "n",
        "workload": {"kind": "Deployment", "name": "model"},
        "service": "model",
        "port": 80,
        "selector": {"app": "model"},
        "profile": "http",
        "origin": "lab client",
    },
    "spec": {},
    "versions": {},
}
