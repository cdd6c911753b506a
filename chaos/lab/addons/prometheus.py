"""Prometheus, as Debian builds it: it scrapes the pods that are annotated for it.

Debian leaves discovery in Kubernetes out of its build, so a program of ours writes the list of pods to a file that
Prometheus watches (file_sd). Another counts what the lab's client sends to each Service.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chaos.lab.addons.addon import Addon, AddonProgram, Site
from chaos.lab.control_plane.aggregated import Collected
from chaos.lab.control_plane.authorization import RBAC, access_review, cluster_role, cluster_role_binding
from chaos.lab.control_plane.components import Ports
from chaos.lab.host.cgroups import CLIENT_GROUP
from chaos.lab.host.network import API_ADDRESS, SERVICE_RANGE, client
from chaos.lab.host.packages import ROOTS_PATH, unpacked_package
from chaos.lab.host.processes import Process
from chaos.progress import Progress

__all__ = ["PROMETHEUS", "PROMETHEUS_URL", "SCRAPE_S"]

PORT = 9090
PROMETHEUS_URL = f"http://{API_ADDRESS}:{PORT}"
SCRAPE_S = 2
USER = "gameday:prometheus"
WATCHER, METER = (Path(__file__).with_name(f"{name}.py") for name in ("scrape_targets", "service_traffic"))
METER_PORT = 9101
ASKED_S = 2.0


def _make(progress: Progress) -> Path:
    """The folder with the program: the host's own, else Debian's package unpacked into the cache."""
    found = shutil.which("prometheus", path=f"{os.environ.get('PATH', '')}:{ROOTS_PATH}")
    return Path(found).parent if found else unpacked_package("prometheus", progress) / "usr" / "bin"


def config(targets: Path) -> Mapping[str, Any]:
    """Prometheus' configuration: the pods of the file `targets`, and the traffic to Services, every two seconds."""
    discovery = {"files": [str(targets)], "refresh_interval": f"{SCRAPE_S}s"}
    return {
        "global": {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S}s"},
        "scrape_configs": [
            {"job_name": "pods", "file_sd_configs": [discovery]},
            {"job_name": "services", "static_configs": [{"targets": [f"{client().address}:{METER_PORT}"]}]},
        ],
    }


def _programs(site: Site) -> Sequence[AddonProgram]:
    targets, configured = site.folder / "targets.json", site.folder / "prometheus.json"
    targets.write_text("[]")
    configured.write_text(json.dumps(config(targets), indent=1))
    lister = site.authority.issue("prometheus", user=USER)
    asking = (f"https://{API_ADDRESS}:{Ports().api}", site.authority.certificate, lister.certificate, lister.key)
    meter: list[str | Path] = [sys.executable, "-I", METER, *asking]
    served: list[str | Path] = [
        site.made / "prometheus",
        f"--config.file={configured}",
        f"--storage.tsdb.path={site.folder / 'series'}",
        f"--web.listen-address={API_ADDRESS}:{PORT}",
    ]
    return (
        AddonProgram("prometheus-targets", [sys.executable, "-I", WATCHER, *asking, targets, str(SCRAPE_S)]),
        AddonProgram(
            "service-traffic",
            [*meter, SERVICE_RANGE, client().address, str(METER_PORT)],
            group=CLIENT_GROUP,
            netns=client().netns,
        ),
        AddonProgram("prometheus", served),
    )


def _objects(_site: Site) -> Sequence[Collected]:
    rules = [{"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["list"]}]
    return (
        (f"/apis/{RBAC}/v1/clusterroles", cluster_role(USER, rules)),
        (f"/apis/{RBAC}/v1/clusterrolebindings", cluster_role_binding(USER, role=USER, kind="User", subject=USER)),
    )


def _awaited(_processes: Sequence[Process]) -> str:
    # Not by urllib, which would ask the caller's proxy.
    with contextlib.closing(http.client.HTTPConnection(API_ADDRESS, PORT, timeout=ASKED_S)) as connection:
        try:
            connection.request("GET", "/-/ready")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"Prometheus does not answer: {error}"
    return "" if status == http.client.OK else f"Prometheus answers {status}"


PROMETHEUS = Addon(
    name="prometheus",
    title="Prometheus",
    told=f"{PROMETHEUS_URL} has what pods annotated prometheus.io/scrape=true say, every {SCRAPE_S} s",
    make=_make,
    objects=_objects,
    reviews=(access_review(USER, "list", "pods"), access_review(USER, "list", "services")),
    programs=_programs,
    awaited=_awaited,
)
