"""What an undo entry may ask for: a closed set, so that whoever may write a ConfigMap cannot turn undoing on others.

An entry is read from the cluster, and is executed with this suite's rights. Each kind names the kind of its target, the
parts it may put back and the details it needs; the target is in the namespace that its journal is about, or a node; it
is named by its UID unless it was yet to be made, and then it has a name that we give, and must bear our label when it
is deleted. The command for people is made from what was let pass, never taken from the cluster: somebody would run it.
"""

import ipaddress
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from chaos.safety.undo_journal import ALSO_MAX, TEXT_MAX, UndoEntry, UndoKind

__all__ = ["BACK_SIGNALS", "METRICS_PROGRAMS", "RULES", "Rule", "by_hand", "refusal"]

PROTECTED_PREFIX = "kube-"
"""Namespaces that begin so are Kubernetes' own."""

DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""A DNS-1123 subdomain, as the API server demands of names."""

WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]*")
"""A signal or a container's id: never an option, never a space."""

PROCESS_NAME = re.compile(r"[A-Za-z0-9_(][A-Za-z0-9_.:/()@+=, -]*")
"""A process: many name themselves in several words, as `nginx: worker`; nothing that a shell would read."""

BACK_SIGNALS = ("USR1", "USR2", "HUP", "WINCH", "CONT")
"""Signals by which a process may be told to take something back: none that ends or stops every process."""

METRICS_PROGRAMS = ("metrics-server", "prometheus", "prometheus-adapter", "keda-adapter")
"""What shows autoscalers their metrics, and may be stopped: to go on harms none of them."""

OF_NO_NAMESPACE = ("Node", "APIService")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

REPLICAS_MAX = 10_000

DEPTH_MAX = 64
"""A pod template, the deepest that an entry ever held, has some twenty levels."""

BOUNDS = ("minAvailable", "maxUnavailable")
"""What a fault changes in the spec of a disruption budget."""


def _word(value: object) -> bool:
    return isinstance(value, str) and len(value) <= TEXT_MAX and WORD.fullmatch(value) is not None


def _process(value: object) -> bool:
    return isinstance(value, str) and len(value) <= TEXT_MAX and PROCESS_NAME.fullmatch(value) is not None


def _name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= TEXT_MAX and DNS_NAME.fullmatch(value) is not None


def _address(value: object) -> bool:
    try:
        # Python takes any text after a `%` for the scope of an IPv6 address.
        return "%" not in str(value) and bool(ipaddress.ip_address(str(value)))
    except ValueError:
        return False


def _back_signal(value: object) -> bool:
    return value in BACK_SIGNALS


def _metrics_program(value: object) -> bool:
    return value in METRICS_PROGRAMS


@dataclass(frozen=True, slots=True)
class Rule:
    """What entries of one kind may ask for.

    Attributes:
        targets: The kinds of object, each with the JSON pointers of the parts that may be put back.
        made: How the name begins of a target that we made after the entry was written, so that its UID was not known.
        details: The details that the kind needs, each with what it may be.
        more: Those that it may have beside them.
    """

    targets: Mapping[str, tuple[str, ...]]
    made: str = ""
    details: Mapping[str, Callable[[object], bool]] = field(default_factory=dict)
    more: tuple[str, ...] = ()


def _processes(value: object) -> bool:
    return value == "*" or _process(value)


def _port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536


CONTAINER: Mapping[str, Callable[[object], bool]] = {"container": _name, "container_id": _word}
PROCESS: Mapping[str, Callable[[object], bool]] = {**CONTAINER, "process": _process}
NODE: Mapping[str, Callable[[object], bool]] = {"node": _name, "address": _address}

LATER = ("own_end_s", "through")

PARTS = {"Deployment": ("/spec/replicas", "/spec/template"), "PodDisruptionBudget": ("/spec",)}

RULES: Mapping[UndoKind, Rule] = {
    "uncordon": Rule({"Node": ()}),
    "node-on": Rule({"Node": ()}),
    "restore-part": Rule(PARTS, more=("path", "before", "wanted", "also", "action")),
    # To go on harms no process; any other signal is sent to those alone that were sent one.
    "continue-process": Rule({"Pod": ()}, details={**PROCESS, "process": _processes}, more=("signal", *LATER)),
    "signal-process": Rule({"Pod": ()}, details={**PROCESS, "signal": _back_signal}, more=LATER),
    "thaw-container": Rule({"Pod": ()}, details={**CONTAINER, "node": _name}),
    "run-ready": Rule({"Pod": ()}, details=CONTAINER, more=LATER),
    "pass-probes": Rule({"Pod": ()}, details={**NODE, "port": _port}),
    "reconnect-pod": Rule({"Pod": ()}, details=NODE),
    "delete-policy": Rule({"NetworkPolicy": ()}, made="gameday-cut-", more=("pod",)),
    "delete-job": Rule({"Job": ()}, made="gameday-load-"),
    "continue-metrics": Rule({"APIService": ()}, details={"program": _metrics_program}),
}


def refusal(entry: UndoEntry, namespace: str) -> str:
    """Why an entry of the journal of a namespace is not executed, empty if it may be."""
    rule = RULES.get(entry.kind)
    if rule is None:
        return f"this version does not know how to undo {entry.kind!r}; the one that wrote it does"
    if _is_deep(entry.detail):
        return f"its details are nested deeper than {DEPTH_MAX} levels, as no object of the API is"
    return next(_objections(entry, rule, namespace), "")


def by_hand(entry: UndoEntry) -> str:
    """The command by which a person does what an entry asks for that was not refused."""
    target, detail = entry.target, entry.detail
    there = f"-n {target.namespace} {target.name}"
    if target.kind == "Deployment":
        to_scale = detail.get("path") == "/spec/replicas"
        verb, option = ("scale", f" --replicas {detail.get('before')}") if to_scale else ("rollout undo", "")
        return f"kubectl {verb} deployment {there}{option}"
    if "process" in detail:
        name = detail["signal"] if entry.kind == "signal-process" else "CONT"
        script = shlex.quote(f"kill -{name} {_numbers(str(detail['process']))}")
        return f"kubectl exec {there} -c {detail.get('through') or detail['container']} -- sh -c {script}"
    return {
        "uncordon": f"kubectl uncordon {target.name}",
        "node-on": f"gameday undo --node-on COMMAND --node-off COMMAND (node {target.name})",
        "restore-part": f"kubectl edit poddisruptionbudget {there}",
        "delete-policy": f"kubectl delete networkpolicy {there}",
        "delete-job": f"kubectl delete job {there}",
        "continue-metrics": "gameday lab up",
    }.get(entry.kind, "gameday undo")


def _numbers(process: str) -> str:
    """The processes of a word, as `kill` takes them: -1 is every one that it may reach but process 1."""
    if process == "*":
        return "-1"
    number, colon, _ = process.partition(":")
    return number if colon and number.isdecimal() else f"$(pidof {shlex.quote(process)})"


def _objections(entry: UndoEntry, rule: Rule, namespace: str) -> Iterator[str]:
    target = entry.target
    what = f"{entry.kind} of {target.kind} {target.name!r}"
    if target.kind not in rule.targets:
        yield f"{what}: not a kind of object to which this is done"
        return
    if not _name(target.name):
        yield f"{what}: that is no name of an object"
    if target.namespace != ("" if target.kind in OF_NO_NAMESPACE else namespace):
        yield f"{what}: it is in namespace {target.namespace!r}, the journal is about {namespace}"
    if namespace.startswith(PROTECTED_PREFIX):
        yield f"{what}: namespace {namespace} is Kubernetes' own"
    if not target.uid and not rule.made:
        yield f"{what}: its UID is not given"
    if target.uid and not _word(target.uid):
        yield f"{what}: {target.uid!r} is no UID"
    if not target.name.startswith(rule.made):
        yield f"{what}: names that gameday gives begin with {rule.made}"
    yield from (f"{what}: {words}" for words in _wrong_details(entry, rule, namespace))


def _is_deep(part: object) -> bool:
    """Whether it is so deep that a comparison could end this process; told level by level, which cannot."""
    level = [part]
    for _ in range(DEPTH_MAX):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, Mapping) else one if isinstance(one, list) else ())
        ]
    return bool(level)


def _wrong_details(entry: UndoEntry, rule: Rule, namespace: str) -> Iterator[str]:
    kind, detail = entry.target.kind, entry.detail
    if strange := sorted(set(detail) - {*rule.details, *rule.more}):
        yield f"entries of its kind have no {', '.join(map(repr, strange))}"
    if wrong := [name for name, allowed in rule.details.items() if not allowed(detail.get(name))]:
        yield f"{', '.join(wrong)} cannot be {', '.join(repr(detail.get(name)) for name in wrong)}"
    if not _name(through := detail.get("through", "none")):
        yield f"{through!r} is no container's name"
    path, paths = detail.get("path"), rule.targets[kind]
    if paths and path not in paths:
        yield f"no fault changes {path!r} of it"
    before, also = detail.get("before"), detail.get("also", [])
    if not isinstance(also, list) or len(also) > ALSO_MAX:
        yield f"what is wanted also is no list of at most {ALSO_MAX}"
        also = []
    yield from _wrong_part(kind, path, before, (detail.get("wanted"), *also))
    if not isinstance(detail.get("own_end_s", 0.0), int | float):
        yield "its own end is no number of seconds"
    if "pod" in detail and not _own_pod(detail["pod"], namespace):
        yield f"its pod is not one in {namespace}"


def _wrong_part(kind: str, path: object, before: object, wanted: tuple[object, ...]) -> Iterator[str]:
    if path == "/spec/replicas" and not _replicas(before):
        yield f"{before!r} is no number of replicas"
    if path == "/spec/template" and not _templates(before, *wanted):
        yield "its templates are neither all digests nor all whole"
    if kind == "PodDisruptionBudget" and not all(_same_but_bounds(before, one) for one in wanted):
        yield f"a fault changes nothing but {' and '.join(BOUNDS)} of it"


def _replicas(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= REPLICAS_MAX


def _templates(*told: object) -> bool:
    """Digests; or whole templates, as earlier versions wrote them."""
    digests = all(isinstance(one, str) and DIGEST.fullmatch(one) for one in told)
    return digests or all(isinstance(one, Mapping) for one in told)


def _same_but_bounds(before: object, wanted: object) -> bool:
    if not isinstance(before, Mapping) or not isinstance(wanted, Mapping):
        return False
    one, other = ({key: value for key, value in spec.items() if key not in BOUNDS} for spec in (before, wanted))
    return one == other


def _own_pod(pod: object, namespace: str) -> bool:
    if not isinstance(pod, Mapping) or set(pod) - {"kind", "namespace", "name", "uid"}:
        return False
    same = pod.get("kind") == "Pod" and pod.get("namespace") == namespace
    return same and _name(pod.get("name")) and _word(pod.get("uid"))
