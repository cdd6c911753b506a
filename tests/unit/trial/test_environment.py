"""What a cluster lacks, told before a scenario that needs it is set up."""

from typing import Any

import pytest

from chaos.errors import UsageError
from chaos.faults import CommandInfrastructure, Infrastructure
from chaos.trial.environment import Environment


class Classes:
    """Stands for a cluster that has one StorageClass."""

    def get(self, kind: str, _namespace: str | None, name: str) -> dict[str, Any] | None:
        """The class `fast`."""
        return {"kind": kind} if (kind, name) == ("StorageClass", "fast") else None


def environment(nodes: CommandInfrastructure | None = None) -> Environment:
    """One of which only the needs are asked."""
    return Environment(cluster=Classes(), infrastructure=Infrastructure(nodes))  # type: ignore[arg-type]  # stands in


def test_node_infrastructure_is_there_or_its_lack_is_told() -> None:
    """Without a means the options that give one are named."""
    assert environment(CommandInfrastructure("off {node}", "on {node}")).lacks("node-infrastructure") == ""
    assert "--gameday-node-off and --gameday-node-on" in environment().lacks("node-infrastructure")


def test_a_storage_class_is_looked_up_by_its_name() -> None:
    """One that is there is no lack; one that is not is named."""
    assert environment().lacks("storage-class:fast") == ""
    assert "there is no StorageClass slow" in environment().lacks("storage-class:slow")


@pytest.mark.parametrize("need", ["power", "storage-class", "storage-class:"])
def test_a_need_that_nobody_knows_is_refused(need: str) -> None:
    """A mistyped need must not pass for one that is met."""
    with pytest.raises(UsageError, match="is not known"):
        environment().lacks(need)
