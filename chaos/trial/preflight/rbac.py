"""The least that an identity needs for chosen scenarios, as objects to apply. Pure, but for reading their files."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

from chaos.cluster import resource_of
from chaos.errors import UsageError
from chaos.faults.permissions import Action, Right, actions_in, object_names

__all__ = ["HOME", "actions_of_files", "claims_in_files", "deploying_objects", "role_objects"]

NAME = "gameday"
HOME = "gameday"
"""The namespace of the account where each trial makes a namespace of its own."""

GROUP = "rbac.authorization.k8s.io"


def actions_of_files(paths: Iterable[str]) -> tuple[Action, ...]:
    """The faults that scenarios name: each path is a file, a folder, or a file with `::test_name`.

    Raises `UsageError` for a path or a test that is not there.
    """
    found = [action for path in paths for code in _codes(path) for action in actions_in(code)]
    return tuple(dict.fromkeys(found))


def claims_in_files(paths: Iterable[str]) -> bool:
    """Whether any of these scenarios has a system with volumes, by its markers. Raises as `actions_of_files` does."""
    return any(_marks_volumes(statement) for path in paths for tree in _trees(path) for statement in tree.body)


def _codes(path: str) -> list[CodeType]:
    return [compile(tree, path, "exec") for tree in _trees(path)]


def _trees(path: str) -> list[ast.Module]:
    """Each file; where one scenario is named, that one with the file's marks and what it uses of the file."""
    name, _, test = path.partition("::")
    place = Path(name)
    if not place.exists():
        raise UsageError(f"there is no {name}", "name files or folders of scenarios")
    files = sorted(place.rglob("test_*.py")) if place.is_dir() else [place]
    trees = [ast.parse(file.read_text(encoding="utf-8"), str(file)) for file in files]
    if not test:
        return trees
    wanted = test.partition("[")[0]
    if place.is_dir() or wanted not in (defined := _defined(trees[0])):
        raise UsageError(f"{name} has no scenario {wanted}", "name one as pytest does: FILE::NAME")
    return [ast.Module(_used(defined, (wanted, "pytestmark")), [])]


def _defined(tree: ast.Module) -> dict[str, ast.stmt]:
    """What a file defines, by name."""
    found: dict[str, ast.stmt] = {}
    for one in tree.body:
        if isinstance(one, ast.FunctionDef | ast.ClassDef):
            found[one.name] = one
        elif isinstance(one, ast.Assign | ast.AnnAssign):
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            found |= {target.id: one for target in targets if isinstance(target, ast.Name)}
    return found


def _used(defined: Mapping[str, ast.stmt], names: Iterable[str]) -> list[ast.stmt]:
    """These definitions, and those that they name, whatever the depth."""
    kept: dict[str, ast.stmt] = {}
    left = list(names)
    while left:
        name = left.pop()
        if name in defined and name not in kept:
            kept[name] = defined[name]
            left += [node.id for node in ast.walk(defined[name]) if isinstance(node, ast.Name)]
    return list(kept.values())


def _marks_volumes(statement: ast.stmt) -> bool:
    calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
    return any(
        isinstance(call.func, ast.Attribute)
        and call.func.attr in ("system", "deployed")
        and any(keyword.arg == "volumes" for keyword in call.keywords)
        for call in calls
    )


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


def deploying_objects(rights: Sequence[Right], *, account: str = NAME) -> list[dict[str, Any]]:
    """A namespace with a ServiceAccount, and a ClusterRole for it: a namespace that a trial makes can have no Role."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": HOME}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": HOME}},
        _object("ClusterRole", account, "", rules=_rules(rights, {})),
        _object("ClusterRoleBinding", account, "", roleRef=_ref("ClusterRole", account), subjects=[subject]),
    ]


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
    for (kind, subresource, held), used in sorted(verbs.items()):
        plural, group = resource_of(kind)
        rules.append(
            {
                "apiGroups": [group],
                "resources": [f"{plural}/{subresource}" if subresource else plural],
                **({"resourceNames": list(held)} if held else {}),
                "verbs": sorted(used),
            }
        )
    return rules
