"""The packages that the lab's host needs."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaos.errors import LabError
from chaos.lab.host import packages as host
from chaos.lab.host.packages import (
    PACKAGES,
    install_packages,
    missing_packages,
    packages_off_path,
    remove_dead_policy,
    unpacked_package,
)
from chaos.progress import Silent


@pytest.fixture(autouse=True)
def roots_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of root's programs of the test's own."""
    monkeypatch.setattr(host, "ROOTS_PATH", str(tmp_path / "sbin"))
    (tmp_path / "sbin").mkdir()
    return tmp_path / "sbin"


def test_a_package_is_missing_if_any_of_its_programs_is(tmp_path: Path) -> None:
    """Programs are looked for, not packages: their source does not matter."""
    for program in ("containerd", "ctr", "runc"):
        (tmp_path / program).touch(mode=0o755)
    missing = missing_packages(str(tmp_path))
    assert "containerd" in missing
    assert "runc" not in missing
    (tmp_path / "containerd-shim-runc-v2").touch(mode=0o755)
    assert "containerd" not in missing_packages(str(tmp_path))


def test_programs_of_root_are_found_though_not_on_the_path(
    roots_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is only where root's PATH would look is not missing, but is named as off the path."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "nftables" in missing_packages()
    (roots_path / "nft").touch(mode=0o755)
    assert "nftables" not in missing_packages()
    assert packages_off_path() == ["nftables"]
    (tmp_path / "nft").touch(mode=0o755)
    assert packages_off_path() == []


def test_nothing_is_done_when_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program is run, not even apt-get update."""
    monkeypatch.setattr(host, "missing_packages", list)
    monkeypatch.setenv("PATH", "")
    install_packages(Silent())


def test_a_host_without_apt_is_told_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what must be found, so that another package manager can be used."""
    monkeypatch.setattr(host, "missing_packages", lambda: ["runc", "nftables"])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LabError, match="no apt-get") as caught:
        install_packages(Silent())
    assert caught.value.fix == "install the programs runc, nft"


def test_only_root_installs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Others get the command for root."""
    (tmp_path / "apt-get").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(host, "missing_packages", lambda: ["runc"])
    with pytest.raises(LabError, match="only root") as caught:
        install_packages(Silent())
    assert "apt-get install --yes --no-install-recommends runc" in caught.value.fix


@pytest.mark.parametrize(
    ("line", "how_far"),
    [
        ("dlstatus:1:40.4:Retrieving file 1 of 2", (40, "Retrieving file 1 of 2")),
        ("pmstatus:runc:50.0000:Unpacking runc (amd64)", (150, "Unpacking runc (amd64)")),
        ("W: some warning: 10", None),
    ],
)
def test_apts_status_is_read(line: str, how_far: tuple[int, str] | None) -> None:
    """Downloading is the first half, installing the second; other lines say nothing of it."""
    assert host._how_far(line) == how_far


def fail_while_services_stay_down() -> None:
    """As if apt-get failed."""
    with host._services_stay_down():
        raise OSError("apt")


def test_services_stay_down_only_where_they_could_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under systemd a policy forbids starts during the installation, and is taken back, also after a failure."""
    policy, systemd = tmp_path / "policy-rc.d", tmp_path / "systemd"
    monkeypatch.setattr(host, "POLICY", policy)
    monkeypatch.setattr(host, "SYSTEMD", systemd)
    with host._services_stay_down():
        assert not policy.exists()
    systemd.mkdir()
    with host._services_stay_down():
        assert policy.stat().st_mode & 0o111
    assert not policy.exists()
    with pytest.raises(OSError, match="apt"):
        fail_while_services_stay_down()
    assert not policy.exists()
    policy.write_text("the machine's own")
    with host._services_stay_down():
        pass
    assert policy.read_text() == "the machine's own"


INSTALLS = """
import sys, time
from pathlib import Path
from chaos.lab.host import packages

packages.POLICY, packages.SYSTEMD = Path(sys.argv[1]), Path(sys.argv[2])
with packages._services_stay_down():
    print("installs", flush=True)
    time.sleep(60)
"""


@contextmanager
def installing(policy: Path, systemd: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of an installation; it is killed in the end."""
    argv = [sys.executable, "-c", INSTALLS, str(policy), str(systemd)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "installs\n"
            yield process
        finally:
            process.kill()


def test_a_killed_installation_keeps_no_service_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it left goes with the next command; what another installation is about, or the machine has, stays."""
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(host, "POLICY", policy)
    monkeypatch.setattr(host, "missing_packages", list)
    with installing(policy, tmp_path) as process:
        install_packages(Silent())
        assert subprocess.run([policy, "some.service", "start"], check=False, timeout=10).returncode == 101
        process.kill()
        process.wait()
        assert policy.exists()
        install_packages(Silent())
        assert list(tmp_path.glob("policy*")) == []
    policy.write_text("#!/bin/sh\nexit 101\n")
    remove_dead_policy()
    assert policy.exists()


def test_nobody_but_root_is_stopped_by_what_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not remove it is told nothing of it: the next command of root does."""
    (policy := tmp_path / "policy-rc.d").write_text(host.POLICY_TEXT)
    monkeypatch.setattr(host, "POLICY", policy)

    def denied(path: Path) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "unlink", denied)
    remove_dead_policy()
    assert policy.exists()


def test_every_package_has_programs() -> None:
    """A package without a program to look for could never be found missing."""
    assert all(PACKAGES.values())


POLICY = """echo 'prometheus:'; echo '  Installed: (none)'
[ -e {lists} ] && echo '  Candidate: 2.42.0+ds-5' || echo '  Candidate: (none)'
"""
APT_GET = """echo "$*" >> {log}
case "$*" in
  update) touch {lists};;
  *) touch prometheus_2.42.deb;;
esac
"""
DPKG_DEB = """mkdir -p "$3/usr/bin"; touch "$3/usr/bin/prometheus"
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt that has no lists of packages yet; what apt-get was told."""
    log, programs = tmp_path / "told", tmp_path / "bin"
    programs.mkdir()
    for name, script in (("apt-cache", POLICY), ("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)):
        (programs / name).write_text("#!/bin/sh\n" + script.format(log=log, lists=tmp_path / "lists"))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("GAMEDAY_CACHE", str(tmp_path / "cache"))
    return log


def test_a_package_is_unpacked_once_and_not_installed(apt: Path) -> None:
    """Apt's lists are fetched where it has none; the second time nothing is, and the archive is not kept."""
    root = unpacked_package("prometheus", Silent())
    assert (root / "usr/bin/prometheus").exists()
    assert not list(root.parent.glob("*.deb"))
    assert unpacked_package("prometheus", Silent()) == root
    told = apt.read_text().splitlines()
    assert told == ["update", "-o APT::Sandbox::User=root download prometheus=2.42.0+ds-5"]


def test_another_version_has_an_entry_of_its_own(apt: Path, tmp_path: Path) -> None:
    """The one before stays beside it."""
    former = unpacked_package("prometheus", Silent())
    policy = tmp_path / "bin" / "apt-cache"
    policy.write_text(policy.read_text().replace("2.42.0", "2.53.3"))
    assert unpacked_package("prometheus", Silent()) != former
    assert former.exists()


@pytest.mark.usefixtures("apt")
def test_a_package_that_apt_does_not_know_is_named(tmp_path: Path) -> None:
    """Also after its lists were fetched."""
    policy = tmp_path / "bin" / "apt-cache"
    policy.write_text("#!/bin/sh\necho 'N: Unable to locate package'\n")
    with pytest.raises(LabError, match="apt knows no package prometheus"):
        unpacked_package("prometheus", Silent())


def test_without_apt_the_program_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another source of it is as good."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LabError, match="no apt-get") as caught:
        unpacked_package("prometheus", Silent())
    assert caught.value.fix == "install the program prometheus"
