"""A disk that takes no more, or is read-only by now, at each file of a session: all is healed, and the rest is said."""

import errno
import os
from pathlib import Path

import pytest
from child_session import child_session
from plain_service import apply_all, plain_namespace, service_of, snapshot
from simulated_cluster import SimulatedCluster
from staging_ground import Staging
from trial_room import answering

from chaos.checks.judge import read_verdict
from chaos.checks.verdict import Answer
from chaos.cluster import LiveExecutor, NullJournal, connect
from chaos.faults.undo import find_left, undo_all

pytestmark = pytest.mark.timed

FULL = """
import errno
import os

NAME, WHY = os.environ["FULL_FILE"], int(os.environ["FULL_ERRNO"])
opened, wrote, closed, held = os.open, os.write, os.close, set()

def open_(path, flags, mode=0o777, *, dir_fd=None):
    descriptor = opened(path, flags, mode, dir_fd=dir_fd)
    if os.path.basename(os.fsdecode(path)) != NAME or not flags & (os.O_WRONLY | os.O_RDWR):
        return descriptor
    if os.path.exists("full"):
        closed(descriptor)
        if WHY == errno.EROFS:
            raise OSError(WHY, os.strerror(WHY), path)
        return opened("/dev/full", os.O_WRONLY)
    held.add(descriptor)
    return descriptor

def write(descriptor, data):
    if descriptor in held and os.path.exists("full"):
        raise OSError(WHY, os.strerror(WHY))
    return wrote(descriptor, data)

def close(descriptor):
    held.discard(descriptor)
    closed(descriptor)

os.open, os.write, os.close = open_, write, close
"""
"""From when the file `full` is there, one file takes no more: it is as empty, or as long, as it was."""

SCENARIO = """
import os
import resource
from pathlib import Path
from chaos import faults

def test_budget(trial, system, traffic):
    '''The disruption budget may be changed for a moment.'''
    with traffic.steady(rate_rps=10):
        trial.baseline(duration_s=2)
        with trial.fault(faults.BudgetChange(system.disruption_budget, max_unavailable=0)):
            Path("full").touch()
            if os.environ["FULL_FILE"] == "requests.jsonl":  # another process writes it
                resource.prlimit(traffic.generator.pids[0], resource.RLIMIT_FSIZE, (0, 0))
            trial.hold(duration_s=2)
        trial.recovery(settle_s=1)
    trial.judge()
"""

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    ("name", "why", "code", "answer"),
    [
        ("trial.json", errno.ENOSPC, FAILED, None),
        ("actions.jsonl", errno.ENOSPC, FAILED, None),
        ("actions.jsonl", errno.EROFS, FAILED, None),
        ("watch.jsonl", errno.EROFS, FAILED, Answer.UNKNOWN),
        ("requests.jsonl", errno.ENOSPC, FAILED, Answer.UNKNOWN),
        ("verdict.json", errno.EROFS, FAILED, None),
        ("report.html", errno.ENOSPC, FAILED, Answer.PASS),
        ("adopted.json", errno.EROFS, FAILED, Answer.PASS),
        ("session.json", errno.ENOSPC, OK, Answer.PASS),
    ],
)
def test_a_file_that_takes_no_more_prevents_no_heal(
    simulated: SimulatedCluster, tmp_path: Path, name: str, *, why: int, code: pytest.ExitCode, answer: Answer | None
) -> None:
    """The owners' objects are as before, the session is not green without its evidence, and says which file it was."""
    with (
        answering() as url,
        connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as cluster,
        plain_namespace(cluster) as namespace,
    ):
        apply_all(cluster, namespace, service_of("chat", replicas=3))
        service = Staging(cluster, simulated, namespace, url, tmp_path / "no-audit.log")
        service.allow("budget-change")
        before = snapshot(cluster, namespace)
        (folder := tmp_path / "session").mkdir()
        (folder / "gameday.toml").write_text(service.file())
        (folder / "conftest.py").write_text(FULL)
        (folder / "test_scenario.py").write_text(SCENARIO)
        if name == "trial.json":  # which is written before the scenario begins
            (folder / "full").touch()
        with child_session(folder, FULL_FILE=name, FULL_ERRNO=str(why)) as child:
            assert child.end() == code, child.said
        assert snapshot(cluster, namespace) == before
        left = undo_all(cluster, LiveExecutor(cluster, NullJournal()), find_left(cluster, namespace))
        assert [one.words for one in left if one.result != "nothing"] == []
    told = f"{name} cannot be written: {os.strerror(why)}"
    if name == "requests.jsonl":
        told = "the load generator ended with code 1"
    assert told in " ".join(child.said.split())
    assert "Traceback" not in child.said
    assert "INTERNALERROR" not in child.said
    given = [read_verdict(path.parent).answer for path in folder.glob("runs/*/verdict.json") if path.stat().st_size]
    assert given == ([] if answer is None else [answer])
