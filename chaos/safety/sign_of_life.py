"""A run's sign of life in each namespace that it made: a ConfigMap that is renewed while its process lives.

Of a process on another host nothing else tells. It is no Lease, as an account that deploys may write ConfigMaps in all
namespaces, for the undo journal, and leases in its own alone.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chaos.clock import utc_iso
from chaos.cluster import Cluster, Executor, mutations, selector_of
from chaos.objects.base import Ref, View
from chaos.safety.owner import CLOCKS_S
from chaos.safety.undo_journal import DEADLINE_S, OURS
from chaos.wait import Ticker

__all__ = ["LOST_AFTER_S", "last_sign", "sign_of_life"]

NAME = "gameday-alive"
LABELS = {**OURS, "gameday.dev/alive": "true"}
RENEWED = "gameday.dev/renewed"
RENEW_S = 30.0
WAIT_S = 30.0

LOST_AFTER_S = DEADLINE_S + CLOCKS_S
"""A run that has not renewed it for so long counts as dead, as one that has not renewed its undo journal."""


@contextmanager
def sign_of_life(executor: Executor, namespace: str, *, forget: bool = False) -> Iterator[None]:
    """Renew it until the block ends; then it stays and grows old, or goes: `forget`.

    Where it cannot be written the run goes on: nobody deletes a namespace in which there is none.
    """

    def renew() -> None:
        metadata = {"name": NAME, "namespace": namespace, "labels": LABELS}
        written = {"annotations": {RENEWED: utc_iso(time.time_ns())}}
        order = mutations.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**metadata, **written}})
        executor.do(replace(order, action="show-life"))

    renewing = Ticker(renew, period_s=RENEW_S, name="sign-of-life", at_once=True)
    renewing.start()
    try:
        yield
    finally:
        # What is under way could bring back what is taken away, or use a connection that is closed by then.
        renewing.stop(wait_s=WAIT_S)
        if forget:
            executor.do(mutations.delete(Ref("ConfigMap", namespace, NAME)))


def last_sign(cluster: Cluster, namespace: str) -> datetime | None:
    """When a namespace's run last showed that it lives, by its own clock; None if it never did, as far as is told.

    Raises `ClusterRefused`.
    """
    found = cluster.list("ConfigMap", namespace, selector=selector_of(LABELS))
    times = [_time(str(View(one).annotations.get(RENEWED, ""))) for one in found]
    return max((one for one in times if one), default=None)


def _time(written: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(written)
    except ValueError:
        return None
    return read.astimezone(UTC) if read.utcoffset() == timedelta(0) else None
