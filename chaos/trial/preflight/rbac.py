"""The least that an identity needs for chosen scenarios, as objects to apply."""

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from chaos.cluster import IN_CLUSTER, resource_of
from chaos.errors import UsageError
from chaos.faults.permissions import Activity, Right, Workload, object_names
from chaos.faults.scenario_analysis import activities_of
from chaos.safety.lease import LEASE_NAME
from chaos.safety.undo_journal import own_namespace
from chaos.system.spec.parts import Autoscale

__all__ = [
    "HOME",
    "HOME_NAMES",
    "activities_of_files",
    "claims_in_files",
    "deploying_objects",
    "keda_in_files",
    "role_objects",
    "undo_cron_job",
]

NAME = "gameday"
HOME = "gameday"
"""The namespace of the ServiceAccount where each trial makes a namespace of its own, and of the lease on nodes."""

HOME_NAMES: Mapping[str, tuple[str, ...]] = {"Lease": (LEASE_NAME,)}
"""The objects there to which rights are held."""

UNDO_EVERY_S = 300
NOBODY = 65534

GROUP = "rbac.authorization.k8s.io"

Scenario = Callable[..., Any]


def activities_of_files(paths: Iterable[str]) -> tuple[Activity, ...]:
    """What scenarios do: each path is a file, a folder, an installed package, or a file with `::test_name`, imported.

    Raises `UsageError` for a path or a test that is not there, and for a file that cannot be imported.
    """
    scenarios = [scenario for path in paths for scenario, _ in _scenarios(path)]
    found = {activity for scenario in scenarios for activity in activities_of(scenario)}
    return tuple(sorted(found, key=lambda activity: activity.name))


def claims_in_files(paths: Iterable[str]) -> bool:
    """Whether any of these scenarios has a system with volumes, by its markers. Raises as `activities_of_files`."""
    return any("volumes" in fields for fields in _fields_in(paths))


def keda_in_files(paths: Iterable[str]) -> bool:
    """Whether KEDA scales the system of any of these scenarios, by its markers. Raises as `activities_of_files`."""
    scales = [Autoscale.model_validate(one) for fields in _fields_in(paths) if (one := fields.get("autoscale"))]
    return any(one.keda for one in scales)


def _fields_in(paths: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """The fields of a system's spec that each marker of these scenarios gives."""
    marks = (mark for path in paths for _, own in _scenarios(path) for mark in own)
    return (mark.kwargs for mark in marks if mark.name in ("system", "deployed"))


def _scenarios(path: str) -> Iterator[tuple[Scenario, Sequence[Any]]]:
    """The scenarios of a path, each with its markers, those of its class and file among them."""
    name, _, test = path.partition("::")
    place, wanted = _place(name), test.partition("[")[0]
    found = False
    for file in sorted(place.rglob("test_*.py")) if place.is_dir() else [place]:
        for called, scenario, marks in _tests(_imported(file), ()):
            if not test or wanted in (called, called.partition("::")[0]):
                found = True
                yield scenario, marks
    if test and not found:
        raise UsageError(f"{name} has no scenario {wanted}", "name one as pytest does: FILE::NAME")


def _place(name: str) -> Path:
    """A file or folder, or the folder of an installed package such as `gameday_scenarios`."""
    if (place := Path(name)).exists():
        return place
    package = importlib.util.find_spec(name) if name.isidentifier() else None
    if package is None or not package.submodule_search_locations:
        raise UsageError(f"there is no {name}", "name files, folders or an installed package of scenarios")
    return Path(next(iter(package.submodule_search_locations)))


def _tests(where: object, outer: Sequence[Any], prefix: str = "") -> Iterator[tuple[str, Scenario, Sequence[Any]]]:
    """The test functions of a module or class by their names, also those of its classes, with all their markers."""
    marks = [*outer, *_marks(where)]
    for name, value in vars(where).items():
        if name.startswith("test") and inspect.isfunction(value):
            yield f"{prefix}{name}", value, [*marks, *_marks(value)]
        elif name.startswith("Test") and inspect.isclass(value):
            yield from _tests(value, marks, f"{prefix}{name}::")


def _marks(where: object) -> Sequence[Any]:
    given = getattr(where, "pytestmark", ())
    # A single one may stand without a list; a decorator of a mark is not yet the mark.
    return [getattr(one, "mark", one) for one in (given if isinstance(given, list | tuple) else [given])]


def _imported(file: Path) -> ModuleType:
    """Import a file as pytest does, so that it finds the modules beside it and in the current folder."""
    folders = [str(file.resolve().parent), str(Path.cwd())]
    spec = importlib.util.spec_from_file_location(f"gameday_rbac_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} is no Python file", "name files or folders of scenarios")
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    sys.path[:0] = folders
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{file} cannot be imported: {type(error).__name__}: {error}", f"pytest {file}") from error
    finally:
        sys.path[:] = before
    return module


def role_objects(
    rights: Sequence[Right], *, namespace: str, workload_kind: str, workload: str, others: Sequence[Workload] = ()
) -> list[dict[str, Any]]:
    """A ServiceAccount in a namespace of its own, and a Role there, in the system's namespace, and in the cluster.

    It does not live in the system's namespace, where whoever may make pods could run them as this account.
    """
    names = object_names(namespace, workload_kind, workload, others=others)
    own, wide = own_namespace(namespace), f"{NAME}-{namespace}"
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": own}
    made = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": own}},
    ]
    for where in (namespace, own):
        held = _rules([one for one in rights if one.within(namespace) == where], names)
        made.append(_object("Role", NAME, where, rules=held))
        made.append(_object("RoleBinding", NAME, where, roleRef=_ref("Role", NAME), subjects=[account]))
    outside = _rules([one for one in rights if one.everywhere], names)
    made.append(_object("ClusterRole", wide, "", rules=outside))
    made.append(_object("ClusterRoleBinding", wide, "", roleRef=_ref("ClusterRole", wide), subjects=[account]))
    return made


def deploying_objects(rights: Sequence[Right], *, account: str = NAME) -> list[dict[str, Any]]:
    """A namespace with a ServiceAccount, and a ClusterRole for it: a namespace that a trial makes can have no Role.

    Rights that are not for all namespaces are for that one, by a Role.
    """
    subject = {"kind": "ServiceAccount", "name": account, "namespace": HOME}
    inside = [one for one in rights if not one.everywhere]
    role = [
        _object("Role", account, HOME, rules=_rules(inside, HOME_NAMES)),
        _object("RoleBinding", account, HOME, roleRef=_ref("Role", account), subjects=[subject]),
    ]
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": HOME}},
        *(role if inside else ()),
        _object("ClusterRole", account, "", rules=_rules([one for one in rights if one.everywhere], {})),
        _object("ClusterRoleBinding", account, "", roleRef=_ref("ClusterRole", account), subjects=[subject]),
    ]


def undo_cron_job(objects: Sequence[Mapping[str, Any]], image: str, *, namespace: str = "") -> dict[str, Any]:
    """A CronJob that heals every five minutes what dead runs left in a namespace, or in all, as the printed account.

    A run that does not live counts as dead after five minutes: ten minutes after its end the cluster is as before.
    """
    (account,) = (one["metadata"] for one in objects if one["kind"] == "ServiceAccount")
    where = ["--namespace", namespace] if namespace else []
    container = {
        "name": "undo",
        "image": image,
        "command": ["gameday", "undo", "--kube-context", IN_CLUSTER, *where, "--unattended"],
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        "serviceAccountName": account["name"],
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": NOBODY, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    # The next one tries again: none may go on beside it.
    job = {"backoffLimit": 0, "activeDeadlineSeconds": UNDO_EVERY_S - 30, "template": {"spec": pod}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": f"{NAME}-undo", "namespace": account["namespace"]},
        "spec": {
            "schedule": f"*/{UNDO_EVERY_S // 60} * * * *",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": UNDO_EVERY_S,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": job},
        },
    }


def _object(kind: str, name: str, namespace: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, **fields}


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"apiGroup": GROUP, "kind": kind, "name": name}


def _rules(rights: Sequence[Right], names: Mapping[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    """One rule for each resource, and one more where some verbs are held to objects of one name."""
    verbs: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for right in rights:
        verbs.setdefault((right.kind, right.subresource, right.held_to(names)), []).append(right.verb)
    rules = []
    for (kind, subresource, held), granted in sorted(verbs.items()):
        plural, group = resource_of(kind)
        rules.append(
            {
                "apiGroups": [group],
                "resources": [f"{plural}/{subresource}" if subresource else plural],
                **({"resourceNames": list(held)} if held else {}),
                "verbs": sorted(granted),
            }
        )
    return rules
