"""What the API server's refusals of our objects are turned into."""

from typing import Any

import pytest

from chaos.cluster import Done
from chaos.errors import ClusterRefused, GamedayError, UsageError
from chaos.objects.base import Ref
from chaos.system.deploy.apply import refusal

MODEL = Ref("Deployment", "here", "model")


def refused(status: int, message: str, *causes: dict[str, str]) -> Done:
    """A refusal as the API server words it."""
    body: dict[str, Any] = {"kind": "Status", "status": "Failure", "message": message, "details": {"causes": causes}}
    return Done("fail", status, body, f"{status} {message}")


@pytest.mark.parametrize(
    ("done", "kind", "words"),
    [
        (
            refused(422, "Deployment is invalid", {"field": "spec.replicas", "message": "must be 0 or more"}),
            UsageError,
            ("Deployment here/model is invalid", "spec.replicas: must be 0 or more", "correct the system's spec"),
        ),
        (refused(400, "json: cannot unmarshal"), UsageError, ("is invalid: json: cannot unmarshal",)),
        (
            refused(
                409, "conflict", {"reason": "FieldManagerConflict", "field": ".spec.replicas", "message": "kubectl"}
            ),
            ClusterRefused,
            ("others own fields", ".spec.replicas (kubectl)", "force"),
        ),
        (
            refused(403, "forbidden: because it is being terminated", {"reason": "NamespaceTerminating"}),
            ClusterRefused,
            ("Deployment here/model was not applied", "namespace is being deleted"),
        ),
        (
            refused(403, 'User "ci" cannot patch resource "deployments"'),
            ClusterRefused,
            ("Deployment here/model is forbidden", 'User "ci" cannot patch', "ask for that right"),
        ),
        (refused(404, 'namespaces "here" not found'), ClusterRefused, ("create namespace here first",)),
        (refused(429, "slow down"), ClusterRefused, ("was not applied: 429 slow down",)),
        (Done("fail", reason="dry_run: nothing was done"), ClusterRefused, ("was not applied: dry_run",)),
        (Done("info", reason="the connection broke"), ClusterRefused, ("nobody can know", "the connection broke")),
        (Done("fail", 502, "<html>", "502 bad gateway"), ClusterRefused, ("was not applied: 502 bad gateway",)),
    ],
)
def test_a_refusal_names_the_object_and_the_cause(done: Done, kind: type[GamedayError], words: tuple[str, ...]) -> None:
    """Each kind of refusal becomes an error of its kind, in at most two lines that name the object and what to do."""
    error = refusal("applied", MODEL, done)
    assert type(error) is kind
    assert all(word in str(error) for word in (*words, "here/model"))
    assert len(str(error).splitlines()) <= 2


def test_what_has_no_namespace_is_named_without_one() -> None:
    """A namespace itself is named plainly."""
    error = refusal("created", Ref("Namespace", "", "gameday-x"), refused(409, "already exists"))
    assert str(error) == "Namespace gameday-x was not created: 409 already exists"
