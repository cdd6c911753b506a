"""The account that scenarios run as on a cluster of ours: no administrator, but what `gameday rbac` prints.

So every run on the lab proves that the printed rights are enough, and each scenario that its own are.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from chaos.cluster import KINDS, Cluster, LiveExecutor, NullJournal, connect, mutations, path_of
from chaos.errors import ClusterRefused, TimedOut
from chaos.faults import ALL_FAULTS
from chaos.faults.permissions import READ_DATA, Right, deploying_rights
from chaos.faults.scenario_analysis import activity_of
from chaos.lab.control_plane.pki import with_token
from chaos.objects.base import Ref
from chaos.objects.scaled_object import SCALED_OBJECT
from chaos.safety.owner import Owner
from chaos.trial.preflight.rbac import HOME, deploying_objects
from chaos.wait import until

__all__ = ["ServiceAccount", "least_privileged"]

TOKEN_S = 7 * 24 * 3600
"""How long an account's token is valid: longer than any session, which nobody could renew it for."""

IN_FORCE_S = 10.0
"""For the API server to act on a role that was changed: it hears of it by a watch, usually within milliseconds."""

MANAGER = "gameday-lab"


class ServiceAccount:
    """One session's account. `cluster` is the cluster as it sees it, `user` its name to the API server."""

    def __init__(self, admin: Cluster, name: str) -> None:
        self._admin = admin
        self._executor = LiveExecutor(admin, NullJournal())
        self._name = name
        self._granted: tuple[Right, ...] = ()
        self._cluster: Cluster | None = None
        self.user = f"system:serviceaccount:{HOME}:{name}"

    @property
    def cluster(self) -> Cluster:
        """The cluster, as this account."""
        assert self._cluster is not None, "open the account first"
        return self._cluster

    def open(self, kubeconfig: Path) -> None:
        """Make the account, with the rights of every fault, and connect as it. Raises `ClusterRefused`."""
        self.grant(deploying_rights((*map(activity_of, ALL_FAULTS), READ_DATA), proxied=False, claims=True))
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        path = path_of("ServiceAccount", HOME, self._name, "token")
        answer = self._admin.transport.call("POST", path, body=wanted | {"spec": {"expirationSeconds": TOKEN_S}}).json()
        if not isinstance(answer, dict) or "token" not in (answer.get("status") or {}):
            raise ClusterRefused(f"the API server gives no token for {self.user}: {answer}")
        with tempfile.TemporaryDirectory(prefix="gameday-account-") as folder:
            own = with_token(kubeconfig, answer["status"]["token"], Path(folder) / "kubeconfig")
            self._cluster = connect(kubeconfig=own, context=self._admin.facts.context)

    def grant(self, rights: Sequence[Right]) -> None:
        """Give it just these rights, and wait until those that are new are in force. Raises `ClusterRefused`.

        What is not in force then is left for the preflight to name.
        """
        wanted = tuple(rights)
        if set(wanted) == set(self._granted):
            return
        for one in deploying_objects(wanted, account=self._name):
            done = self._executor.do(mutations.apply(one, field_manager=MANAGER, force=True))
            if done.outcome != "ok":
                raise ClusterRefused(f"{one['kind']} {one['metadata']['name']} cannot be applied: {done.reason}")
        # What has no kind here (`*.custom.metrics.k8s.io`) may not be served, and is not waited for.
        new = [right for right in wanted if right not in self._granted and right.kind in (*KINDS, SCALED_OBJECT)]
        with suppress(TimedOut):
            until(lambda: all(map(self._may, new)), deadline_s=IN_FORCE_S, awaited=f"the rights of {self.user}")
        self._granted = wanted

    def close(self) -> None:
        """End it: its token is worth nothing without it."""
        if self._cluster is not None:
            self._cluster.close()
        for ref in (
            Ref("ClusterRoleBinding", "", self._name),
            Ref("ClusterRole", "", self._name),
            Ref("ServiceAccount", HOME, self._name),
        ):
            self._executor.do(mutations.delete(ref))

    def _may(self, right: Right) -> bool:
        return self._admin.may(right.verb, right.kind, subresource=right.subresource, user=self.user)


@contextmanager
def least_privileged(admin: Cluster, kubeconfig: Path) -> Iterator[ServiceAccount]:
    """An account for this session; `kubeconfig` is the administrator's, for the server's address.

    Raises `ClusterRefused` if it cannot be made.
    """
    # Sessions may share a lab, and each grants its own scenarios' rights.
    account = ServiceAccount(admin, f"gameday-{Owner.this_process().pid}")
    try:
        account.open(kubeconfig)
        yield account
    finally:
        account.close()
