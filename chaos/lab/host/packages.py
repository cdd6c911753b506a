"""The Debian packages that a real lab needs on its host: which are missing, and how they come in.

Simulated nodes need none of them.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chaos.errors import LabError
from chaos.lab.host.cache import cached, digest
from chaos.lab.host.command import run
from chaos.progress import Progress

__all__ = [
    "PACKAGES",
    "ROOTS_PATH",
    "install_command",
    "install_packages",
    "missing_packages",
    "packages_off_path",
    "remove_dead_policy",
    "unpacked_package",
]

# Each package with the programs that we want of it: another source of the same programs is as good.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "binutils": ("strip",),
    "conntrack": ("conntrack",),
    "containerd": ("containerd", "containerd-shim-runc-v2", "ctr"),
    "containernetworking-plugins": tuple(f"/usr/lib/cni/{plugin}" for plugin in ("host-local", "portmap", "ptp")),
    "iproute2": ("ip",),
    "nftables": ("nft",),
    "runc": ("runc",),
    "util-linux": ("nsenter", "setpriv", "unshare"),
}
ROOTS_PATH = "/usr/sbin:/sbin"
APT_DEADLINE_S = 900.0
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# of gameday, while it installs packages\nexit 101\n"
SYSTEMD = Path("/run/systemd/system")


def missing_packages(path: str | None = None) -> list[str]:
    """The packages of which a program is not found; searched are `path`, else `$PATH`, and the folders of root's."""
    searched = f"{os.environ.get('PATH', '') if path is None else path}:{ROOTS_PATH}"
    return [package for package in PACKAGES if not _found(package, searched)]


def packages_off_path() -> list[str]:
    """The packages that are there, but not all on `$PATH`: that of a user who became root with plain `su`."""
    path = os.environ.get("PATH", "")
    return [package for package in PACKAGES if _found(package, f"{path}:{ROOTS_PATH}") and not _found(package, path)]


def _found(package: str, path: str) -> bool:
    return all(shutil.which(program, path=path) for program in PACKAGES[package])


def install_command(packages: list[str]) -> str:
    """The command that a person would type to install them."""
    return f"apt-get update && apt-get install --yes --no-install-recommends {' '.join(packages)}"


def install_packages(progress: Progress) -> None:
    """Install what is missing, asking nothing; does nothing if nothing is.

    No service is started: the lab runs a containerd of its own for each node. Raises LabError without root or without
    apt, or if apt fails.
    """
    remove_dead_policy()
    packages = missing_packages()
    if not packages:
        return
    fix = install_command(packages)
    if shutil.which("apt-get") is None:
        raise LabError(
            f"the lab needs {', '.join(packages)}, and this host has no apt-get",
            "install the programs " + ", ".join(program for name in packages for program in PACKAGES[name]),
        )
    if os.geteuid() != 0:
        raise LabError(f"the lab needs {', '.join(packages)}, and only root may install them", f"as root: {fix}")
    options = ["-o", "APT::Status-Fd=2", "-o", "DPkg::Lock::Timeout=300"]
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with progress.step("apt-get update", estimate_s=5):
        run(["apt-get", *options, "update"], deadline_s=APT_DEADLINE_S, env=env, fix=fix)
    with _services_stay_down(), progress.step(f"install {', '.join(packages)}", estimate_s=15) as step:

        def on_line(line: str) -> None:
            if how_far := _how_far(line):
                step.advance(how_far[0], 200, how_far[1])

        argv = ["apt-get", *options, "install", "--yes", "--no-install-recommends", *packages]
        run(argv, deadline_s=APT_DEADLINE_S, env=env, fix=fix, on_line=on_line)


def unpacked_package(package: str, progress: Progress) -> Path:
    """The files of a Debian package, unpacked into the cache and not installed: no service, user or file on the host.

    Its dependencies are not there either. One entry for each version. Raises LabError without apt, or if it fails.
    """
    if shutil.which("apt-get") is None:
        raise LabError(f"the lab needs {package}, and this host has no apt-get", f"install the program {package}")
    fix = f"apt-get update && apt-get download {package}"
    version = _candidate(package)
    if not version:
        with progress.step("apt-get update", estimate_s=5):
            run(["apt-get", "update"], deadline_s=APT_DEADLINE_S, fix=fix)
        version = _candidate(package)
    if not version:
        raise LabError(f"apt knows no package {package}", f"install the program {package}")

    def build(folder: Path) -> None:
        with progress.step(f"fetch {package} {version}", estimate_s=5):
            # As another user apt could not write to a folder that is ours alone.
            options = ["-o", "APT::Sandbox::User=root"]
            run(
                ["apt-get", *options, "download", f"{package}={version}"],
                deadline_s=APT_DEADLINE_S,
                cwd=folder,
                fix=fix,
            )
            (archive,) = folder.glob("*.deb")
            run(["dpkg-deb", "--extract", archive, folder / "root"], deadline_s=APT_DEADLINE_S)
            archive.unlink()

    return cached(f"debian-{package}", digest(package, version, os.uname().machine), build) / "root"


def _candidate(package: str) -> str:
    """The version of a package that apt would take; empty if it knows none."""
    env = os.environ | {"LC_ALL": "C"}
    said = run(["apt-cache", "policy", package], deadline_s=APT_DEADLINE_S, env=env)
    match = re.search(r"^  Candidate: (\d\S*)$", said, re.MULTILINE)
    return match[1] if match else ""


def _how_far(line: str) -> tuple[int, str] | None:
    """What a line of apt's status says, of 200: download and installation count to 100 each.

    Source: README.progress-reporting in apt's own documentation.
    """
    match = re.match(r"(dl|pm)status:[^:]*:([0-9.]+):(.*)", line)
    return (round(float(match[2])) + (100 if match[1] == "pm" else 0), match[3]) if match else None


@contextmanager
def _services_stay_down() -> Iterator[None]:
    """Where systemd runs, tell packages not to start services, in the way Debian gives for it; then take that back.

    A policy that the machine already has is left in force. Source: Debian policy 9.3.3.
    """
    if not SYSTEMD.exists() or POLICY.exists():
        yield
        return
    scratch = POLICY.with_name(f"{POLICY.name}.gameday")
    scratch.write_text(POLICY_TEXT)
    scratch.chmod(0o755)
    # Only read: a program that is open for writing cannot be run. The kernel gives the lock back however we end.
    with scratch.open("rb") as policy:
        fcntl.flock(policy, fcntl.LOCK_EX)
        scratch.rename(POLICY)
        try:
            yield
        finally:
            POLICY.unlink()


def remove_dead_policy() -> None:
    """Remove the policy that a killed installation left: no service of this host would be started any more."""
    try:
        with POLICY.open("rb") as policy:
            fcntl.flock(policy, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if policy.read() == POLICY_TEXT.encode():
                POLICY.unlink()
    except OSError:  # there is none, it is in force, or not ours to remove
        return
