"""All of a host that a lab could change, as text that two moments can be compared by."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from chaos.lab.host.cache import cache_root

# What a lab and what is in it may write to, whatever it is told to; the caches are meant to stay.
WATCHED_FOLDERS = ("/run", "/var/lib", "/var/log", "/var/run", "/opt", "/etc/cni", "/etc/kubernetes")
DEEP = ("/run", "/var/lib/cni", "/var/lib/kubelet", "/var/lib/containerd", "/opt")
SETTINGS = ("fs/inotify", "vm", "kernel", "net/ipv4", "net/bridge", "net/netfilter")
# Counters and the like, which change by themselves.
LIVELY = ("random", "ns_last_pid", "nr_", "pty", "sched_domain", "conntrack_count", "stat_refresh", "tcp_fastopen_key")


def host_snapshot() -> dict[str, list[str]]:
    """What there is of processes, namespaces, links, routes, rules, mounts, groups, sockets, settings and files.

    What lives for a while by itself, like a lease of an address, is as if it had no time. The kernel's modules of a lab
    are loaded first, as their settings come with them and stay.
    """
    _load_modules()
    return {
        "processes": _processes(),
        "links": _lines("ip", "-oneline", "link", "show"),
        "addresses": [re.sub(r"(valid|preferred)_lft \S+", "", line) for line in _lines("ip", "-o", "address", "show")],
        "routes": [re.sub(r"expires \S+", "", line) for line in _lines("ip", "route", "show", "table", "all")],
        "namespaces": _lines("ip", "netns", "list"),
        "nftables": _lines("nft", "list", "ruleset"),
        "mounts": sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "groups": sorted(str(path) for path in Path("/sys/fs/cgroup").rglob("*") if path.is_dir() and _named(path)),
        "sockets": sorted(line.split()[7] for line in _unix_sockets() if _named(Path(line.split()[7]))),
        "listeners": sorted(_listeners()),
        "settings": _settings(),
        "files": _files(),
    }


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """What came and what went, a line each."""
    found = []
    for kind, old in before.items():
        new = after[kind]
        found += [f"{kind}: gone: {line}" for line in old if line not in new]
        found += [f"{kind}: new: {line}" for line in new if line not in old]
    return found


@cache
def _load_modules() -> None:
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "-a", "-q", "nf_conntrack", "ip_vs"], check=False, capture_output=True, timeout=20)


def _named(path: Path) -> bool:
    return "gameday" in str(path) or "containerd" in str(path) or "kubepods" in str(path)


def _processes() -> list[str]:
    """The programs that run and could be a lab's; others come and go on any host."""
    names = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            groups = (entry / "cgroup").read_text()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state == "Z" or not command:  # dead and waits for its parent, or its memory is gone and it is ending
            continue
        if "/gameday" in groups or "/run/gameday" in command or "gameday/lab" in command:
            names.append(command)
    return sorted(names)


def _lines(*argv: str) -> list[str]:
    shown = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout
    return sorted(shown.splitlines())


def _unix_sockets() -> list[str]:
    lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    return [line for line in lines if len(line.split()) > 7]


def _listeners() -> list[str]:
    """Local addresses, in the kernel's hexadecimal, where something listens on a port of the lab's."""
    ports = {f"{port:04X}" for port in (2379, 2380, 4443, 6443, 10248, 10249, 10250, 10256, 10257, 10259)}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "0A" and local.rpartition(":")[2] in ports:
                found.append(local)
    return found


def _settings() -> list[str]:
    found = []
    for area in SETTINGS:
        for path in sorted((Path("/proc/sys") / area).rglob("*")):
            if path.is_file() and not any(word in str(path) for word in LIVELY):
                try:
                    found.append(f"{path} = {path.read_text().strip()}")
                except OSError:
                    continue
    return found


def _files() -> list[str]:
    """Names directly in the watched folders that could be a lab's, and everything below those that it writes to."""
    found = {str(path) for folder in WATCHED_FOLDERS if Path(folder).is_dir() for path in Path(folder).iterdir()}
    for folder in DEEP:
        if Path(folder).is_dir():
            found |= {str(path) for path in Path(folder).rglob("*")}
    state = Path.home() / ".local/state/gameday"
    found |= {str(path) for path in state.rglob("*")} if state.exists() else set()
    caches = str(cache_root())
    return sorted(path for path in found if not path.startswith(caches))
