"""Data of a service that others deployed, on a disk of theirs: kept data pass, data that are changed are caught."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from adopted_session import ROOT, identity, lab, rows, session, written
from plain_claim import DISK_CLASS, disk_objects
from plain_model import NAME, consent, deploy_plainly, kubectl, settled, spec_with
from test_adopted_set import pytestmark

from chaos.checks.judge import read_verdict
from chaos.checks.verdict import Answer
from chaos.cluster import Cluster, connect
from chaos.history import load_history
from chaos.lab import Lab, LabFacts
from chaos.safety.undo_journal import own_namespace
from chaos.system.adopt.find import SystemQuery, adopt

__all__ = ["lab", "pytestmark"]

TEAM = "team-data"
FILE = "/models/smollm2.gguf"
MODELS = {
    "name": "models",
    "mount_path": "/models",
    "storage": "400Mi",
    "storage_class": DISK_CLASS,
    "access_mode": "ReadOnlyMany",
    "read_only": True,
    "fill": {"command": ["sh", "-c", f'busybox cp "$WEIGHTS" {FILE}'], "files": ["smollm2.gguf"]},
}
SPEC = spec_with({"replicas": 3, "volumes": [MODELS], "env": {"WEIGHTS": FILE}})
KEPT = f"{ROOT / 'scenarios/test_persistence.py'}::test_weights_survive_killed_pods"

CHANGED = """
import pytest
from chaos import faults, targets
from chaos.checks import DataSurvived, Recovered, Witnessed

@pytest.mark.needs("data")
def test_weights_change_meanwhile(trial, system, traffic):
    '''Whoever owns the disk writes one byte more while a pod is killed.'''
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        trial.read_data()
        with trial.fault(faults.PodKill(targets.one(system), grace_s=0)):
            with open({file!r}, "ab") as weights:
                weights.write(b"x")
            trial.hold(duration_s=3)
        trial.recovery()
        trial.read_data()
    trial.judge(DataSurvived(), Recovered(), Witnessed("delete-pod"))
"""


@contextmanager
def served_from(folder: Path, facts: LabFacts) -> Iterator[Cluster]:
    """The team's service, its weights on a volume of the team's in that folder."""
    disk = yaml.safe_dump_all(disk_objects("team-disk-1", folder))
    with connect(kubeconfig=facts.kubeconfig, context=facts.context) as admin:
        kubectl(facts.kubeconfig, "apply", "-f", "-", stdin=disk)
        deploy_plainly(facts.kubeconfig, admin, SPEC, TEAM)
        consent(facts.kubeconfig, TEAM, pods="pod-kill", nodes="none")
        try:
            yield admin
        finally:
            kubectl(facts.kubeconfig, "delete", "namespace", TEAM, own_namespace(TEAM))
            kubectl(facts.kubeconfig, "delete", "-f", "-", stdin=disk)


def test_kept_data_pass_and_changed_data_are_caught(lab: tuple[Lab, LabFacts], tmp_path: Path) -> None:
    """Of another path, class and name than our own scenarios deploy: the same scenario passes; a changed byte fails."""
    running, facts = lab
    disk = tmp_path / "disk"
    with served_from(disk, facts) as admin:
        (changed := tmp_path / "test_changed.py").write_text(CHANGED.format(file=str(disk / "smollm2.gguf")))
        for name, scenario, result in (("kept", KEPT, "PASS"), ("changed", str(changed), "failure")):
            (folder := tmp_path / name).mkdir()
            config = folder / "gameday.toml"
            config.write_text(written(admin, facts, TEAM, folder / "least.kubeconfig", data=SPEC.kept_files))
            identity(facts, config, TEAM, [scenario])
            code = session(running, config, [scenario])
            (row,) = rows(folder / "junit.xml")
            print(f"| {row.scenario} | {row.result} | {row.took_s:.0f} s | {row.reason} |")  # noqa: T201  # for people
            assert (row.result, code == pytest.ExitCode.OK) == (result, result == "PASS"), row.reason
            settled(admin, TEAM)
        (run,) = (one.parent for one in (tmp_path / "changed").glob("runs/*/verdict.json"))
        found = {one.check: one for one in read_verdict(run).findings}
        wrong = [name for name, one in found.items() if one.answer is not Answer.PASS]
        assert wrong == ["data-survived"]
        assert found["data-survived"].answer is Answer.FAIL
        assert f"{FILE} of {NAME}-" in found["data-survived"].reason
        kinds = {event.kind for event in load_history(run).watch}
        assert {"PersistentVolumeClaim", "PersistentVolume"} <= kinds
        adopted = adopt(admin, SystemQuery(namespace=TEAM, kind="Deployment", name=NAME, data=SPEC.kept_files))
        (volume,) = adopted.system.spec.volumes
        assert (volume.storage, volume.storage_class, volume.access_mode) == ("400Mi", DISK_CLASS, "ReadOnlyMany")
        assert running.refused(f"system:serviceaccount:{own_namespace(TEAM)}:gameday") == ()
