"""Claims that only one node mounts, and model files that each new pod has to fetch again."""

import re
from collections.abc import Iterator

from chaos.review.manifest_set import ManifestSet
from chaos.review.model import Workload
from chaos.review.placement import HOST, kept_apart
from chaos.review.shapes import probe_of, rows, spoken, sub
from chaos.review.violation import Violation

__all__ = ["claims_of_one_node", "volumes"]

ONE_POD = "ReadWriteOncePod"
ONE_NODE = {"ReadWriteOnce", ONE_POD}
MODEL = re.compile(r"model|weight|hugging|\bnim\b|ollama", re.IGNORECASE)
"""Names and paths of volumes that hold model files."""

NO_MODEL = re.compile(r"config|\blogs?\b|\btmp$|socket", re.IGNORECASE)
"""Names and last parts of paths of volumes beside them: `/home/model-server/tmp`, `model-config`."""

DOWNLOAD = re.compile(
    r"download|\bwget\b|\bcurl\b|\bgsutil\b|\brclone\b|\bs3\b|huggingface-cli|git clone", re.IGNORECASE
)

GUARDED = re.compile(r"\b(?:until|while|wait|if|timeout)\b|\btest -|--spider|--max-time|\[ ", re.IGNORECASE)
"""What waits for somebody else, looks first whether the files are there, or gives up in time."""


def volumes(known: ManifestSet) -> Iterator[Violation]:
    """Every violation of a rule about where model files lie."""
    for workload in known.workloads:
        for name, mode in claims_of_one_node(known, workload):
            yield _shared(workload, name, mode)
        yield from _not_kept(workload)
        yield from _downloads(workload)


def claims_of_one_node(known: ManifestSet, workload: Workload) -> list[tuple[str, str]]:
    """The claims that all its replicas share of which only one node can mount each, with their mode, as far as read."""
    found = []
    for volume in rows(workload.pod, "volumes"):
        name = str(sub(volume, "persistentVolumeClaim").get("claimName") or "")
        claim = known.claim(workload, name) if name else None
        modes = claim.spec.get("accessModes") if claim is not None else None
        if isinstance(modes, list) and modes and set(map(str, modes)) <= ONE_NODE:
            found.append((name, ", ".join(map(str, modes))))
    return found


def _shared(workload: Workload, name: str, mode: str) -> Violation:
    most = workload.ceiling or 1
    alone = ONE_POD in mode
    if most < 2:
        where = "does not start beside the first" if alone else "starts on the same node only"
        sentence = f"claim {name} is {mode}: a second replica, or a release's new pod, {where}"
        return Violation("claim-bars-scaling", workload.manifest, sentence)
    sums = ("give each replica a claim of its own (a StatefulSet's volumeClaimTemplates), or one of ReadWriteMany",)
    if HOST in kept_apart(workload):
        sentence = (
            f"claim {name} is {mode}, and anti-affinity wants {most} replicas on {most} nodes: one can ever start"
        )
        return Violation("claim-on-many-nodes", workload.manifest, sentence, sums)
    which = "only one of them can start" if alone else "only pods on one node can start, and go with it"
    sentence = f"{most} replicas share claim {name}, which is {mode}: {which}"
    return Violation("claim-on-one-node", workload.manifest, sentence, sums)


def _not_kept(workload: Workload) -> Iterator[Violation]:
    container, _ = workload.serving
    empty = {
        str(one.get("name"))
        for one in rows(workload.pod, "volumes")
        if "emptyDir" in one and sub(one, "emptyDir").get("medium") != "Memory"
    }
    for mount in rows(container, "volumeMounts"):
        name, path = str(mount.get("name")), str(mount.get("mountPath"))
        other = NO_MODEL.search(name) or NO_MODEL.search(path.rstrip("/").rpartition("/")[2])
        if name in empty and MODEL.search(f"{name} {path}") and not other:
            startup = probe_of(container, "startupProbe")
            window_s = startup.initial_delay_s + startup.failure_threshold * startup.period_s if startup else 0
            sums = (f"the startup probe grants {window_s:g} s = {window_s / 60:.0f} min",) if startup else ()
            sentence = f"{path} is an emptyDir: each new pod downloads the model files again"
            yield Violation("model-not-kept", workload.manifest, sentence, sums)


def _downloads(workload: Workload) -> Iterator[Violation]:
    for one in rows(workload.pod, "initContainers"):
        words = f"{one.get('name')} {spoken(one)}"
        if one.get("restartPolicy") != "Always" and DOWNLOAD.search(words) and not GUARDED.search(words):
            sentence = f"init container {one.get('name')} downloads at each start, and nothing limits how long it takes"
            yield Violation("download-unbounded", workload.manifest, sentence)
