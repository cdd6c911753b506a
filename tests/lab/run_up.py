"""run_up.py NODES: start the lab, saying each step, then the facts; for tests that start or kill another process."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from chaos.lab import Lab
from chaos.progress import Silent, Step


class Spoken:
    """Says each step as it begins."""

    @contextmanager
    def step(self, name: str, *, estimate_s: float | None = None) -> Iterator[Step]:  # noqa: ARG002  # the role's shape
        """Say the step."""
        sys.stdout.write(f"step {name}\n")
        sys.stdout.flush()
        with Silent().step(name) as step:
            yield step


if __name__ == "__main__":
    facts = Lab().up(nodes=int(sys.argv[1]), progress=Spoken())
    sys.stdout.write(f"up {' '.join(facts.nodes)}\n")
