"""The blast radius: which pods a fault may hit, and how many at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from chaos.errors import UsageError
from chaos.history import Ref

__all__ = ["BlastRadius"]


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """The bound on a fault's victims.

    `namespace`: where all pods must be. `pods_max`: how many pods may be down at once because of us, counting those
    that an earlier fault took down and that have not been replaced yet.
    """

    namespace: str
    pods_max: int

    def admit(self, victims: Collection[Ref], *, ours: Collection[str], down: int = 0) -> None:
        """Refuse victims outside the bound.

        `ours` holds the UIDs of the system's pods, `down` how many of the desired replicas are missing already.
        Raises `UsageError` that names the victim or the number.
        """
        for victim in victims:
            if victim.kind == "Pod" and (victim.namespace != self.namespace or victim.uid not in ours):
                raise UsageError(
                    f"blast radius: pod {victim.namespace}/{victim.name} is not part of the system in {self.namespace}",
                    "aim the fault with a pick from chaos.targets",
                )
        pods = sum(victim.kind == "Pod" for victim in victims)
        if pods + down > self.pods_max:
            raise UsageError(
                f"blast radius: {pods} pods and {down} already down are more than the {self.pods_max} allowed at once",
                "aim at fewer pods, or raise --pods-max",
            )
