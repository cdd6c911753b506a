"""Reading the cluster: objects, lists, rights and logs. Changes go through an executor, watching through a recorder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import tenacity

from chaos.cluster.resources import Kind, complete, kind_of, path_of, served_kind
from chaos.cluster.transport import Answer, Broken, NotSent, Query, Transport
from chaos.errors import ClusterRefused

__all__ = ["Cluster", "ClusterFacts", "NodeFacts"]

PAGE = 500
READ_ATTEMPTS = 4
LOG_LINE_BYTES = 16 * 1024
"""What container runtimes write of a line at most before they begin the next (containerd's default)."""

BUSY = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node as it was when the suite connected."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """Which cluster this is. `uid`, of its namespace kube-system, tells clusters of the same name apart."""

    context: str
    server: str
    version: str
    uid: str
    nodes: tuple[NodeFacts, ...]


class Cluster:
    """A connection to one cluster. Objects are plain dicts, as the server sends them.

    A kind is named as in `KINDS`, or with its group (`Rollout.argoproj.io`) where it was added to the API: such a kind
    is looked up at the server once.

    Reads are tried a few times within about two seconds where the connection breaks or the server is busy. What then
    remains is raised as `ClusterRefused`. Safe to use from many threads.
    """

    def __init__(self, transport: Transport, facts: ClusterFacts) -> None:
        self.transport = transport
        self.facts = facts
        self._served: dict[str, tuple[Kind, frozenset[str]]] = {}

    def kind(self, name: str) -> Kind:
        """A kind's place in the API. Raises `UsageError` for one that is unknown, or that the server does not serve."""
        return self._found(name)[0] if "." in name else kind_of(name)

    def has_scale(self, name: str) -> bool:
        """Whether the server serves a `/scale` of a kind that is none of `KINDS`."""
        return "scale" in self._found(name)[1]

    def scale(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """The `/scale` of an object, None if there is no such object. Raises `ClusterRefused` where it is refused."""
        answer = self.read(self.kind(kind).path(namespace, name, "scale"))
        return None if _absent(answer) else _object(answer, f"get the scale of {kind} {name}")

    def _found(self, name: str) -> tuple[Kind, frozenset[str]]:
        if name not in self._served:
            self._served[name] = served_kind(self._served_at, name)
        return self._served[name]

    def _served_at(self, path: str) -> dict[str, Any] | None:
        answer = self.read(path)
        return None if answer.status == 404 else _object(answer, f"ask what is served at {path}")

    def get(self, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        """One object, or None if there is none. `namespace` is None for kinds that have none."""
        answer = self.read(self.kind(kind).path(namespace, name))
        if _absent(answer):
            return None
        return complete(kind, _object(answer, f"get {kind} {name}"))

    def list(self, kind: str, namespace: str | None = None, *, selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind, in one namespace or in all; `selector` is a label selector."""
        return [*self.each(kind, namespace, selector=selector)]

    def each(
        self, kind: str, namespace: str | None = None, *, selector: str = "", page: int = PAGE
    ) -> Iterator[dict[str, Any]]:
        """The same one after the other: no more than a `page` of them is held, whatever others have made."""
        query = {"limit": str(page)} | ({"labelSelector": selector} if selector else {})
        path = self.kind(kind).path(namespace)
        while True:
            answer = _object(self.read(path, query), f"list {kind}")
            yield from (complete(kind, item) for item in answer.get("items") or ())
            following = answer["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following

    def may(
        self,
        verb: str,
        kind: str,
        namespace: str | None = None,
        *,
        subresource: str = "",
        name: str = "",
        user: str = "",
    ) -> bool:
        """Whether this user has a right, by the server's own word (SelfSubjectAccessReview); `name`: on that object.

        `user`: whether another has it, for whoever may ask that (SubjectAccessReview).
        """
        known = self.kind(kind)
        wanted = {
            "verb": verb,
            "group": known.group,
            "resource": known.plural,
            "subresource": subresource,
            "name": name,
        }
        about = {"resourceAttributes": wanted | ({"namespace": namespace} if namespace else {})}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview" if user else "SelfSubjectAccessReview",
            "spec": about | ({"user": user} if user else {}),
        }
        path = f"/apis/authorization.k8s.io/v1/{str(review['kind']).lower()}s"
        answer = _patiently(lambda: self.transport.call("POST", path, body=review))
        return bool(_object(answer, f"ask whether {user or 'we'} may {verb} {kind}")["status"].get("allowed"))

    def logs(
        self, namespace: str, pod: str, container: str = "", *, previous: bool = False, tail_lines: int = 1000
    ) -> str:
        """The last lines that a container wrote; `previous` asks for the run before its last restart.

        No more bytes than that many lines have where the runtime cuts long ones: elsewhere one may be without an end.
        """
        query = {"tailLines": str(tail_lines), "limitBytes": str(tail_lines * LOG_LINE_BYTES)}
        query |= {"container": container} if container else {}
        query |= {"previous": "true"} if previous else {}
        answer = self.read(path_of("Pod", namespace, pod, "log"), query)
        if not answer.ok:
            raise _refused(answer, f"read the log of {namespace}/{pod}")
        return answer.body.decode(errors="replace")

    def read(self, path: str, query: Query | None = None) -> Answer:
        """GET a path, patiently; any status is an answer. Raises `ClusterRefused` if none came."""
        return _patiently(lambda: self.transport.call("GET", path, query=query))

    def close(self) -> None:
        """Close the idle connections."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_patiently = tenacity.Retrying(
    retry=tenacity.retry_if_exception_type((NotSent, Broken)) | tenacity.retry_if_result(lambda a: a.status in BUSY),
    wait=tenacity.wait_random_exponential(multiplier=0.1, max=1),
    stop=tenacity.stop_after_attempt(READ_ATTEMPTS),
    retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
)


def _absent(answer: Answer) -> bool:
    """Whether the API server itself says that there is no such object; a gateway's 404 says nothing of objects."""
    body = answer.json() if answer.status == 404 else None
    return isinstance(body, dict) and body.get("kind") == "Status"


def _object(answer: Answer, what: str) -> dict[str, Any]:
    """The JSON object in an answer. Raises `ClusterRefused` for any other answer."""
    if not answer.ok:
        raise _refused(answer, what)
    body = answer.json()
    if not isinstance(body, dict) or not body.get("kind"):
        raise ClusterRefused(f"{what}: the server answered {answer.status} with something that is no object of the API")
    return body


def _refused(answer: Answer, what: str) -> ClusterRefused:
    fix = "ask for that right, or use a context that has it" if answer.status in {401, 403} else ""
    return ClusterRefused(f"{what}: the API server refused: {answer.words()}", fix)
