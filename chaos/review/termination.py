"""The end of a pod: what preStop leaves of the grace (kubernetes.md A.6; Kubernetes' "Pod Lifecycle", "Termination").

Hook and grace begin together; two seconds are sure after SIGTERM (kubelet: `minimumGracePeriodInSeconds`).
"""

import re
from collections.abc import Iterator

from chaos.objects.base import Raw
from chaos.review.manifest_set import ManifestSet
from chaos.review.model import GRACE_S, Workload
from chaos.review.patches import container_patch, pod_patch
from chaos.review.shapes import sub, whole
from chaos.review.violation import Violation

__all__ = ["OPEN_S", "pre_stop_s", "termination"]

SLEEP = re.compile(r"\bsleep\s+(\d{1,6})([smh]?)\b")
DEPENDS = re.compile(r"\b(?:while|until|for|if|case)\b")
"""Where it stands, how long a program sleeps depends on what is not written."""
UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3600}

OTHERS = {"postStart", "stopSignal"}

OPEN_S = 5
"""For every node to take a leaving replica out of its rules; ours, since Kubernetes promises no time for it."""

ANSWER_S = 115
"""What a patch leaves for answers; ours: long generations take up to two minutes."""

LEAST_S = 10
"""Less than this for answers is reported; ours."""


def termination(known: ManifestSet) -> Iterator[Violation]:
    """Every violation of a rule about the end of a pod."""
    for workload in known.workloads:
        for container in workload.containers:
            yield from _used(workload, container)
        container, _ = workload.serving
        hooks = set(sub(container, "lifecycle"))
        if workload.serves and hooks <= OTHERS and workload.grace_s <= GRACE_S:
            yield _missing(workload, container)


def pre_stop_s(container: Raw) -> int | None:
    """How long a container's preStop hook sleeps; 0 without a hook, None for one whose length is in no spec."""
    hook = sub(container, "lifecycle", "preStop")
    if not hook:
        return 0
    if "sleep" in hook:
        return whole(sub(hook, "sleep").get("seconds"))
    command = sub(hook, "exec").get("command")
    words = " ".join(map(str, command)) if isinstance(command, list) else ""
    slept = SLEEP.findall(words)
    return sum(int(number) * UNIT_S[unit] for number, unit in slept) if slept and not DEPENDS.search(words) else None


def _used(workload: Workload, container: Raw) -> Iterator[Violation]:
    slept_s, grace_s = pre_stop_s(container), workload.grace_s
    if not slept_s:
        return
    about, left_s = workload.manifest, grace_s - slept_s
    patch = pod_patch(workload, {"terminationGracePeriodSeconds": slept_s + ANSWER_S})
    sums: tuple[str, ...] = (
        f"grace {grace_s} s - preStop {slept_s} s = {left_s} s for answers",
        f"the patch: {slept_s} + {ANSWER_S} = {slept_s + ANSWER_S} s, if no answer takes over {ANSWER_S} s",
    )
    where = workload.where(container)
    if left_s < 0:
        cut = f"preStop sleeps {slept_s} s and the grace is {grace_s} s: it is cut at {grace_s} s, SIGTERM leaves 2 s, "
        sums = ("a hook of `sleep` that is longer than the grace is refused by the API", *sums)
        yield Violation("prestop-uses-grace", about, f"{where}{cut}and requests are cut", sums, patch)
    elif left_s == 0:
        sentence = f"{where}preStop uses the whole grace of {grace_s} s: SIGTERM leaves 2 s for answers"
        yield Violation("prestop-uses-grace", about, sentence, sums, patch)
    elif left_s < LEAST_S:
        sentence = f"{where}preStop takes {slept_s} s of a grace of {grace_s} s: {left_s} s are left for answers"
        yield Violation("grace-nearly-used", about, sentence, sums, patch)


def _missing(workload: Workload, container: Raw) -> Violation:
    grace_s = OPEN_S + ANSWER_S
    fields = {"lifecycle": {"preStop": {"sleep": {"seconds": OPEN_S}}}}
    patch = container_patch(workload, container, fields, {"terminationGracePeriodSeconds": grace_s})
    sums = (
        f"preStop {OPEN_S} s, until each node sends it nothing more, + {ANSWER_S} s for answers = {grace_s} s",
        "a load balancer outside the cluster takes longer to learn of it: add its deregistration delay",
        "a hook of `sleep` is known from Kubernetes 1.30 on; before, run the program sleep",
    )
    sentence = (
        f"grace {workload.grace_s} s and no preStop sleep: new requests still come while the server ends, and answers "
        f"that take over {workload.grace_s} s are cut"
    )
    return Violation("prestop-missing", workload.manifest, sentence, sums, patch)
