"""The least that an identity needs for chosen scenarios on an adopted system, as objects to apply. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

from chaos.cluster import KINDS
from chaos.errors import UsageError
from chaos.faults.rights import NAMED_VERBS, Action, Right, actions_in, object_names

__all__ = ["actions_of_files", "role_objects"]

NAME = "gameday"
GROUP = "rbac.authorization.k8s.io"


def actions_of_files(paths: Iterable[str]) -> tuple[Action, ...]:
    """The faults that scenarios name: each path is a file, a folder, or a file with `::test_name`.

    Raises `UsageError` for a path or a test that is not there.
    """
    found = [action for path in paths for code in _codes(path) for action in actions_in(code)]
    return tuple(dict.fromkeys(found))


def _codes(path: str) -> list[CodeType]:
    name, _, test = path.partition("::")
    place = Path(name)
    if not place.exists():
        raise UsageError(f"there is no {name}", "name files or folders of scenarios")
    files = sorted(place.rglob("test_*.py")) if place.is_dir() else [place]
    codes = [compile(ast.parse(file.read_text(encoding="utf-8"), str(file)), str(file), "exec") for file in files]
    if not test:
        return codes
    wanted = test.partition("[")[0]
    inner = [one for code in codes for one in code.co_consts if isinstance(one, CodeType) and one.co_name == wanted]
    if not inner:
        raise UsageError(f"{name} has no scenario {wanted}", "name one as pytest does: FILE::NAME")
    return inner


def role_objects(rights: Sequence[Right], *, namespace: str, workload_kind: str, workload: str) -> list[dict[str, Any]]:
    """A ServiceAccount, a Role in the system's namespace, a ClusterRole for the rest, and both bindings."""
    names = object_names(namespace, workload_kind, workload)
    inside = _rules([one for one in rights if not one.everywhere], names)
    outside = _rules([one for one in rights if one.everywhere], names)
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": namespace}
    wide = f"{NAME}-{namespace}"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": namespace}},
        _object("Role", NAME, namespace, rules=inside),
        _object("RoleBinding", NAME, namespace, roleRef=_ref("Role", NAME), subjects=[account]),
        _object("ClusterRole", wide, "", rules=outside),
        _object("ClusterRoleBinding", wide, "", roleRef=_ref("ClusterRole", wide), subjects=[account]),
    ]


def _object(kind: str, name: str, namespace: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, **fields}


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"apiGroup": GROUP, "kind": kind, "name": name}


def _rules(rights: Sequence[Right], names: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """One rule for each resource, and one more where some verbs are held to one name."""
    verbs: dict[tuple[str, str, bool], list[str]] = {}
    for right in rights:
        held = right.kind in names and right.verb in NAMED_VERBS
        verbs.setdefault((right.kind, right.subresource, held), []).append(right.verb)
    return [
        {
            "apiGroups": [KINDS[kind].group],
            "resources": [f"{KINDS[kind].plural}/{subresource}" if subresource else KINDS[kind].plural],
            **({"resourceNames": list(names[kind])} if held else {}),
            "verbs": sorted(told),
        }
        for (kind, subresource, held), told in sorted(verbs.items())
    ]
