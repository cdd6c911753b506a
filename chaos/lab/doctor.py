"""What keeps the lab from running on this host, each thing with the one command that mends it."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from chaos.lab.host.cgroups import OWN_NAMESPACE
from chaos.lab.host.changes import RAISED
from chaos.lab.host.network import HOST_LINK, METRIC, NODE_RANGE, POD_RANGE, SERVICE_RANGE
from chaos.lab.host.packages import ROOTS_PATH, install_command
from chaos.lab.host_facts import GB, Host, examine

__all__ = ["Complaint", "complaints", "diagnose"]

# The kubelet wants the first four (pkg/kubelet/cm); runc's cgroupfs driver and the freezing of nodes the rest.
CONTROLLERS = {
    1: frozenset({"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "name=systemd"}),
    2: frozenset({"cpu", "cpuset", "memory", "io", "pids"}),
}
RANGES = {NODE_RANGE: "nodes", POD_RANGE: "pods", SERVICE_RANGE: "Services"}
# The reference model's image is made from this distribution's packages, of the host's own sources.
DISTRIBUTION = "debian 12"
PRIVILEGED = "run on the machine itself, or in a container started with --privileged"


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that must be mended first: what it is, and the command (or the sentence, if no command can) for it."""

    what: str
    mend: str


def diagnose() -> list[Complaint]:
    """Examine this host; an empty list means that a lab can run."""
    return complaints(examine())


def complaints(host: Host) -> list[Complaint]:
    """What these facts forbid, the most basic first."""
    if host.system != "Linux":
        return [Complaint(f"the lab runs on Linux, not on {host.system}", "use a Linux machine or virtual machine")]
    if not host.root:
        return [Complaint("the lab makes namespaces, mounts and links, and needs root", "sudo -s"), *_programs(host)]
    rules = (_packages, _distribution, _programs, _disk, _cgroups, _kernel, _limits, _routes)
    return [complaint for rule in rules for complaint in rule(host)]


def _programs(host: Host) -> Iterator[Complaint]:
    yield from (Complaint(*problem) for problem in (host.cache, host.go) if problem)


def _packages(host: Host) -> Iterator[Complaint]:
    if missing := list(host.packages_missing):
        yield Complaint(f"programs of these packages are missing: {', '.join(missing)}", install_command(missing))
    if hidden := host.packages_off_path:
        yield Complaint(f"programs of {', '.join(hidden)} are here, but not on PATH", f"export PATH=$PATH:{ROOTS_PATH}")


def _distribution(host: Host) -> Iterator[Complaint]:
    if host.distribution != DISTRIBUTION:
        yield Complaint(
            f"the reference model's image is made from the packages of {DISTRIBUTION}, and this is {host.distribution}",
            f"use a machine with {DISTRIBUTION}, or a --privileged container of debian:bookworm",
        )


def _disk(host: Host) -> Iterator[Complaint]:
    for _, group in groupby(sorted(host.folders, key=lambda f: f.device), key=lambda f: f.device):
        folders = [folder for folder in group if folder.needed_bytes]
        needed = sum(folder.needed_bytes for folder in folders)
        free = min((folder.free_bytes for folder in folders), default=0)
        if needed > free:
            parts = "; ".join(f"{f.needed_bytes / GB:.1f} GB in {f.path} for {f.purpose}" for f in folders)
            yield Complaint(
                f"{free / GB:.1f} GB are free where {needed / GB:.1f} GB more are needed: {parts}",
                f"free {(needed - free) / GB:.1f} GB there, or set the variable in brackets to a folder with room",
            )


def _cgroups(host: Host) -> Iterator[Complaint]:
    facts = host.cgroups
    if not facts.version:
        yield Complaint("no control groups are mounted", "mount -t cgroup2 none /sys/fs/cgroup")
        return
    for point in facts.read_only:
        yield Complaint(f"control groups in {point} are read-only", f"mount -o remount,rw {point}")
    if facts.confined:
        yield Complaint("the cgroup v2 tree at hand is that of a cgroup namespace, not the machine's", OWN_NAMESPACE)
        return
    missing = sorted(CONTROLLERS[facts.version] - facts.controllers)
    if facts.version == 2 and missing:
        yield Complaint(
            f"the cgroup v2 tree at hand lacks the controllers {' '.join(missing)}",
            PRIVILEGED + " --cgroupns=host, with a kernel that has them enabled",
        )
        return
    for name in missing:
        point = f"/sys/fs/cgroup/{name.removeprefix('name=')}"
        options = f"none,{name}" if name.startswith("name=") else name
        yield Complaint(
            f"cgroup v1 is in use here without its controller {name}",
            f"mkdir -p {point} && mount -t cgroup -o {options} none {point}",
        )


def _kernel(host: Host) -> Iterator[Complaint]:
    for feature, said in host.refusals.items():
        mend = PRIVILEGED if feature == "namespaces" or "not permitted" in said else f"modprobe {feature}"
        yield Complaint(f"the kernel refuses {feature}: {said}", mend)


def _limits(host: Host) -> Iterator[Complaint]:
    for name, value in host.limits_stuck.items():
        setting = name.replace("/", ".")
        yield Complaint(
            f"{setting} is {value}, less than {RAISED[name]}, and cannot be raised from here",
            f"sysctl -w {setting}={RAISED[name]}, on the machine itself",
        )


def _routes(host: Host) -> Iterator[Complaint]:
    seen: set[tuple[str, str]] = set()
    for route, range_ in _clashes(host.routes):
        device = route.get("dev", "")
        if device and (device, range_) in seen:
            continue
        seen.add((device, range_))
        named = {"via": route.get("gateway"), "dev": device, "table": route.get("table")}
        pairs = [f"{name} {value}" for name, value in named.items() if value]
        words = " ".join(filter(None, [route.get("type"), route["dst"], *pairs]))
        # A route that the kernel made belongs to an address of the host, and goes with it.
        of_address = device and route.get("protocol") == "kernel"
        yield Complaint(
            f"the lab's {RANGES[range_]} have addresses in {range_}, for which this host has a route: {words}",
            f"ip link set {device} down, unless you reach this machine by it"
            if of_address
            else f"ip route del {words}",
        )


def _clashes(routes: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Routes of others to the lab's addresses. A wider route by a gateway only loses to ours while the lab is up."""
    for route in routes:
        ours = route.get("dev") == HOST_LINK or (route.get("type") == "blackhole" and route.get("metric") == METRIC)
        if ours or route["dst"] == "default":
            continue
        destination = ipaddress.IPv4Network(route["dst"], strict=False)
        for range_ in RANGES:
            lab = ipaddress.IPv4Network(range_)
            on_link = "gateway" not in route and lab.overlaps(destination)
            if on_link or destination.subnet_of(lab):
                yield route, range_
