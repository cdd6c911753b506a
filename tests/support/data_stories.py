"""Hand-written histories of replicas whose files are read: before a kill, and afterwards in who came since."""

from collections.abc import Mapping
from typing import Any

from histories import NAMESPACE, PROBED, Story, at, pod

from chaos.history import Action, Outcome
from chaos.objects.base import Ref

PATH = "/weights/model.gguf"
CLAIMED: Mapping[str, Any] = {
    **PROBED,
    "containers": [{**PROBED["containers"][0], "volumeMounts": [{"name": "weights", "mountPath": "/weights"}]}],
    "volumes": [{"name": "weights", "persistentVolumeClaim": {"claimName": "model-weights"}}],
}
SCRATCH: Mapping[str, Any] = {**CLAIMED, "volumes": [{"name": "weights", "emptyDir": {}}]}


def read(
    story: Story,
    uid: str,
    at_s: float,
    *,
    digest: str | None = "aaaa",
    answer: str | None = "Hello",
    outcome: Outcome = "ok",
    reason: str = "",
    container: str = "",
    times: int = 6,
) -> Story:
    """A replica is read; without a digest its file was not found. Its answers are `answer` all `times`."""
    files = {} if digest is None else {PATH: digest}
    detail = {
        "wanted": [PATH],
        "files": files,
        "answer": answer,
        "answers": [] if answer is None else [answer] * times,
        "reason": reason,
        "container": container,
    }
    ref = Ref("Pod", NAMESPACE, f"model-{uid}", uid)
    before = story.parts.get("actions", ())
    action = Action(f"read-{uid}-{at_s}", "read-data", ref, at(at_s), at(at_s + 1), outcome, None, detail)
    return story.has(actions=(*before, action))


def killed_claimant(spec: Mapping[str, Any] = CLAIMED) -> Story:
    """`a` of three is killed at 30 s, and replaced by `d`, Ready at 34 s."""
    story = Story().replicas("a", "b", "c", spec=spec).fault("a")
    story.saw(30.2, "DELETED", pod("a", ready=True, spec=spec))
    return story.replaced("d", 30.3, ready_s=34, spec=spec).traffic()


def own_claims(name: str) -> Mapping[str, Any]:
    """What a StatefulSet's replica mounts: a claim that bears its name and outlives it."""
    volume = {"name": "weights", "persistentVolumeClaim": {"claimName": f"weights-{name}"}}
    helper = {"name": "helper", "volumeMounts": [{"name": "cache", "mountPath": "/weights/model.gguf.d"}]}
    return {**CLAIMED, "containers": [*CLAIMED["containers"], helper], "volumes": [volume]}


def killed_member() -> Story:
    """`a` of two members of a StatefulSet is killed at 30 s, and `d` comes in its place, on its claim."""
    story = Story().replicas("a", spec=own_claims("m-0")).replicas("b", spec=own_claims("m-1")).fault("a")
    story.saw(30.2, "DELETED", pod("a", ready=True, spec=own_claims("m-0")))
    return story.replaced("d", 30.3, ready_s=34, spec=own_claims("m-0")).traffic()


def survived_story() -> Story:
    """Read in two replicas before one is killed, and in its successor afterwards: the same."""
    return read(read(read(killed_claimant(), "a", 20), "b", 21), "d", 50)
