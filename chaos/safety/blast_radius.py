"""The blast radius: which pods and nodes a fault may hit, and how many at once."""

from collections.abc import Collection
from dataclasses import dataclass

from chaos.errors import NotNow, UsageError, plural
from chaos.objects.base import Ref

__all__ = ["BlastRadius"]

NAMED_MAX = 5
"""How many pods of others a refusal names; the rest it counts."""


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """The bound on a fault's victims.

    `namespace`: where all that is not a node must be. `pods_max`: how many pods may be down at once because of us,
    counting those that an earlier fault took down and that have not been replaced yet. `nodes_max`: how many nodes may
    be out at once because of us, None for any number.
    """

    namespace: str
    pods_max: int
    nodes_max: int | None = None

    def admit(
        self,
        victims: Collection[Ref],
        *,
        ours: Collection[str],
        at_risk: int = 0,
        down: int = 0,
        nodes_out: int = 0,
        foreign: Collection[Ref] = (),
    ) -> None:
        """Refuse victims outside the bound.

        `ours` holds the UIDs of the system's pods and objects, `at_risk` how many of its pods may go beside those among
        the victims, `down` how many of the desired replicas are missing already,
        `nodes_out` how many other nodes are cordoned or not Ready already, `foreign` the pods of others
        that the victim nodes would take along. Raises `UsageError` that names the victim or the number: `NotNow` if the
        fault is within the bound, and only not beside what is down or out already.
        """
        for victim in victims:
            self._admit_one(victim, ours)
        pods = sum(victim.kind == "Pod" for victim in victims) + at_risk
        if pods and pods + down > self.pods_max:
            refused = UsageError if pods > self.pods_max else NotNow
            raise refused(
                f"blast radius: {plural(pods, 'pod')} and {down} already down are more than the {self.pods_max} "
                "allowed at once",
                "aim at fewer pods, or raise --gameday-pods-max; in gameday.toml safety.pods_max, safety.percent_max",
            )
        self._admit_nodes([victim.name for victim in victims if victim.kind == "Node"], nodes_out, foreign)

    def _admit_one(self, victim: Ref, ours: Collection[str]) -> None:
        if victim.kind == "Node":
            return
        if victim.namespace != self.namespace or not victim.uid or victim.uid not in ours:
            raise UsageError(
                f"blast radius: {victim.kind.lower()} {victim.namespace}/{victim.name} "
                f"is not part of the system in {self.namespace}",
                "aim the fault with a pick from chaos.faults.targets, or at what the fixture `system` names",
            )

    def _admit_nodes(self, names: list[str], out: int, foreign: Collection[Ref]) -> None:
        if not names:
            return
        if self.nodes_max is not None and len(names) + out > self.nodes_max:
            refused = UsageError if len(names) > self.nodes_max else NotNow
            raise refused(
                f"blast radius: {plural(len(names), 'node')} and {out} already out are more than the "
                f"{self.nodes_max} allowed at once",
                "aim at fewer nodes, one after the other; in gameday.toml safety.nodes_max",
            )
        if foreign:
            named = sorted(f"{pod.namespace}/{pod.name}" for pod in foreign)
            more = f" and {len(named) - NAMED_MAX} more" if len(named) > NAMED_MAX else ""
            raise UsageError(
                f"blast radius: {plural(len(foreign), 'pod')} of others on {' and '.join(names)}: "
                f"{', '.join(named[:NAMED_MAX])}{more}",
                "choose a node that holds only the system's pods, or agree in the fault to what it does to others: "
                f"whole_namespace=True for those of {self.namespace}, leave_foreign=True for other namespaces",
            )
