"""The names of actions: those that the suite journals are known, and another one is refused at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import chaos
from chaos.checks import Witnessed
from chaos.errors import UsageError
from chaos.history.action_names import ACTION_NAMES

ROOT = Path(str(chaos.__file__)).parent
MAKERS = frozenset({"action", "act", "Mutation"})


def journalled() -> Iterator[str]:
    """Every name that is given to an action in the suite's own code, wherever it stands as a literal."""
    for file in ROOT.rglob("*.py"):
        if {"plugin", "cli"} & set(file.relative_to(ROOT).parts):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0] if called in MAKERS and node.args else None
            named = [word.value for word in node.keywords if word.arg in ("action", "undo_action")]
            for value in [first, *named]:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value


def test_every_action_of_the_suite_is_known_and_no_other() -> None:
    """The list is what the code journals: neither a name too few, which Witnessed would refuse, nor one too many."""
    defaults = {"patch", "restore-part"}
    assert set(journalled()) | defaults == ACTION_NAMES


def test_a_misspelt_action_is_refused_with_the_nearest_name() -> None:
    """As the scenario is written, not by never being seen."""
    with pytest.raises(UsageError) as refused:
        Witnessed("evict-pods")
    assert refused.value.what == "Witnessed: no action is called 'evict-pods'"
    assert refused.value.fix.startswith("did you mean evict-pod? known actions: apply, ")
    assert "uncordon" in refused.value.fix
