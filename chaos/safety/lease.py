"""One run at a time: a Lease in the namespace of the system, held by renewing it.

A run that finds it held waits, and takes it over only when it was not renewed for its whole duration as seen from here,
by our own clock: clocks of two hosts need not agree. A run that cannot renew in time, or finds another holder, has
lost it, and must stop before the other begins.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Self

from chaos.clock import boot_s
from chaos.cluster import Cluster, Done, Executor, mutations
from chaos.errors import ClusterRefused
from chaos.objects.base import Raw, Ref, View

__all__ = ["LEASE_NAME", "RunLease", "holder_of"]

LEASE_NAME = "gameday"
DURATION_S = 15.0
RENEW_S = 5.0
AGAIN_S = 1.0
"""After a renewal that failed."""

PATIENCE_S = 3.0
LOST_AFTER_S = 11.0
"""Without a renewal for so long the run stops, some seconds before anybody may take the lease over."""

LOOK_S = 0.5

HOLDER_MAX = 300
"""No run of gameday's has a longer name; a lease may hold a megabyte."""

FOREIGN_MAX_S = 60.0
"""No run of gameday's writes a longer duration: who did is waited for by nobody."""


def holder_of(lease: Raw | None) -> str:
    """Who holds a lease, in words; empty if nobody does. Of a stranger's words no more than is told."""
    return str(View(lease).spec.get("holderIdentity") or "")[:HOLDER_MAX] if lease else ""


def _renewed(lease: Raw | None) -> object:
    return View(lease or {}).spec.get("renewTime")


class RunLease:
    """A context manager: enter to hold the lease, leave to give it back."""

    def __init__(
        self,
        cluster: Cluster,
        executor: Executor,
        namespace: str,
        holder: str,
        *,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._cluster, self._executor, self._holder, self._say = cluster, executor, holder, say
        self._ref = Ref("Lease", namespace, LEASE_NAME)
        self.taken = False
        self._version = ""
        self._renewed = 0.0
        self._lost = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renewing, name="lease", daemon=True)

    @property
    def lost(self) -> str:
        """Why the lease is not ours any more, empty while it is. Time in which this host slept counts for others."""
        if not self._lost and boot_s() - self._renewed > LOST_AFTER_S:
            self._lost = f"the lease {self._ref.namespace}/{LEASE_NAME} was not renewed for {LOST_AFTER_S:g} s"
        return self._lost

    def held(self) -> bool:
        """Whether somebody holds it, alive or dead. Only reads. Raises `ClusterRefused` if it cannot be read."""
        return bool(holder_of(self._cluster.get("Lease", self._ref.namespace, LEASE_NAME)))

    def __enter__(self) -> Self:
        """Take it. Raises `ClusterRefused` that names the holder of one that is renewed, or says why it cannot be."""
        found = self._cluster.get("Lease", self._ref.namespace, LEASE_NAME)
        if holder := holder_of(found):
            renewed = _renewed(found)
            self._await_expiry(holder, View(found or {}))
            # What is written after this look makes the server refuse ours.
            found = self._cluster.get("Lease", self._ref.namespace, LEASE_NAME)
            if (now := holder_of(found)) and (now, _renewed(found)) != (holder, renewed):
                raise self._conflict(now)
        self._take(found)
        self.taken = True
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        if not self._lost:
            self._give_back()

    def _give_back(self) -> None:
        """Delete it, so that nothing of ours stays; only as we left it: who took it over meanwhile keeps it."""
        order = mutations.delete(self._ref)
        preconditions = {"preconditions": {"resourceVersion": self._version}}
        self._executor.do(replace(order, action="give-lease-back", body={**order.body, **preconditions}))

    def _await_expiry(self, holder: str, seen: View) -> None:
        """Wait until a lease was not renewed for its duration. Raises `ClusterRefused` as soon as it is renewed."""
        lasts_s = float(seen.spec.get("leaseDurationSeconds") or DURATION_S)
        if lasts_s > FOREIGN_MAX_S:
            lease = f"{self._ref.namespace}/{LEASE_NAME}"
            raise ClusterRefused(
                f"the lease {lease} is held for {lasts_s:.0f} s, by no run of gameday's: {holder}",
                f"once you know whose it is: kubectl delete lease -n {self._ref.namespace} {LEASE_NAME}",
            )
        self._say(f"{holder} holds the lease; it is taken over if not renewed within {lasts_s:g} s")
        deadline = time.monotonic() + lasts_s
        while time.monotonic() < deadline:
            if self._stop.wait(LOOK_S):
                return
            now = self._cluster.get("Lease", self._ref.namespace, LEASE_NAME)
            if not holder_of(now):
                return
            if _renewed(now) != seen.spec.get("renewTime"):
                raise self._conflict(holder_of(now))

    def _conflict(self, holder: str) -> ClusterRefused:
        return ClusterRefused(
            f"another run is at work in namespace {self._ref.namespace}: {holder}",
            "wait for its end; gameday status says what it does",
        )

    def _take(self, found: Raw | None) -> None:
        if found is None:
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **self._body(self._holder)}
            body["metadata"] = {"name": LEASE_NAME, "namespace": self._ref.namespace}
            done = self._executor.do(mutations.create(body))
        else:
            self._version = str(View(found).metadata["resourceVersion"])
            done = self._executor.do(mutations.patch(self._ref, self._body(self._holder), action="take-lease"))
        if done.outcome == "fail" and done.status == 409:
            raise self._conflict(holder_of(self._cluster.get("Lease", self._ref.namespace, LEASE_NAME)) or "another")
        if not self._noted(done):
            raise ClusterRefused(
                f"the lease {self._ref.namespace}/{LEASE_NAME} cannot be taken: {done.reason}",
                "ask for the right to create and patch leases: gameday rbac prints it",
            )

    def _renewing(self) -> None:
        pause_s = RENEW_S
        while not self._stop.wait(pause_s) and not self._lost:
            order = mutations.patch(self._ref, self._body(self._holder), action="renew-lease")
            done = self._executor.do(replace(order, timeout_s=PATIENCE_S))
            if self._noted(done):
                pause_s = RENEW_S
                continue
            pause_s = AGAIN_S
            if done.outcome == "fail" and done.status in {404, 409}:
                self._reread()

    def _reread(self) -> None:
        """After a conflict: our own write whose answer was lost, or another holder."""
        try:
            found = self._cluster.get("Lease", self._ref.namespace, LEASE_NAME)
        except ClusterRefused:
            return
        if holder_of(found) == self._holder and found is not None:
            self._version = str(View(found).metadata["resourceVersion"])
        else:
            self._lost = f"the lease is held by {holder_of(found) or 'nobody'} now"

    def _noted(self, done: Done) -> bool:
        if done.outcome != "ok" or isinstance(done.body, str):
            return False
        self._version = str(done.body["metadata"]["resourceVersion"])
        self._renewed = boot_s()
        return True

    def _body(self, holder: str) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": holder, "leaseDurationSeconds": int(DURATION_S), "renewTime": now}
        # The version makes the server refuse a write over somebody else's.
        return {"metadata": {"resourceVersion": self._version}, "spec": spec} if self._version else {"spec": spec}
