"""The API server's own log of what the suite's accounts asked for: who was refused what is found there at once."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from chaos.lab.host.paths import LabPaths

__all__ = ["audit_flags", "refused"]

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}
"""Service accounts are who scenarios run as; Kubernetes' own controllers, and certificates, are not logged."""

FORBIDDEN = "forbid"
SIZE_MB = 50


def audit_flags(paths: LabPaths) -> tuple[str, ...]:
    """Write the policy, and give the API server's flags for it."""
    policy = paths.control / "audit-policy.yaml"
    policy.write_text(yaml.safe_dump(POLICY))
    return (f"--audit-policy-file={policy}", f"--audit-log-path={paths.audit}", f"--audit-log-maxsize={SIZE_MB}")


def refused(log: Path, user: str) -> tuple[str, ...]:
    """What a user asked for and had no right to, each once: verb, resource, and namespace/name where there is one."""
    told: dict[str, None] = {}
    for file in sorted(log.parent.glob(f"{log.stem}*{log.suffix}")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                # Most lines are of what was allowed: reading only the others costs a fraction.
                if FORBIDDEN in line and (words := _refused(line, user)):
                    told[words] = None
    return tuple(told)


def _refused(line: str, user: str) -> str:
    try:
        event = json.loads(line)
    except ValueError:
        return ""  # the last line may be half written
    decision = (event.get("annotations") or {}).get("authorization.k8s.io/decision")
    if decision != FORBIDDEN or (event.get("user") or {}).get("username") != user:
        return ""
    about = event.get("objectRef") or {}
    what = "/".join(filter(None, (about.get("resource", event.get("requestURI", "")), about.get("subresource"))))
    where = "/".join(filter(None, (about.get("namespace"), about.get("name"))))
    return f"{event.get('verb')} {what}" + (f" ({where})" if where else "")
