"""The control plane's certificates and command lines: one source for the lab and for the simulated cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.lab.control_plane.pki import Authority, private_folder, service_account_keys, write_kubeconfig
from chaos.lab.host.network import FIRST_SERVICE, SERVICE_RANGE
from chaos.semantics.timings import Timings

__all__ = ["ADMINS", "KUBELET_CLIENT", "ControlPlane", "Ports"]

# The group of the suite's own user. Not system:masters: that one escapes the API server's fair queuing, so a flood of
# our own calls would not be slowed as a user's is.
ADMINS = "gameday:admins"
KUBELET_CLIENT = "gameday:apiserver-kubelet-client"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of the control plane; 0 for the last two means that they serve nothing."""

    api: int = 6443
    etcd: int = 2379
    etcd_peer: int = 2380
    controller_manager: int = 10257
    scheduler: int = 10259


class ControlPlane:
    """The components' command lines, with the certificates that they name written below `folder`.

    The API server listens on `bind` and is reached at `advertised`. `api_server_flags` are added to its own;
    `client_flags` to those of the controller manager and the scheduler (their rate of calls).
    """

    def __init__(
        self,
        folder: Path,
        *,
        bind: str,
        advertised: str,
        timings: Timings,
        ports: Ports | None = None,
        api_server_flags: Sequence[str] = (),
        client_flags: Sequence[str] = (),
    ) -> None:
        self.folder, self.bind, self.advertised, self.timings = folder, bind, advertised, timings
        self.ports = ports or Ports()
        self.api_server_flags, self.client_flags = api_server_flags, client_flags
        self.pki = private_folder(private_folder(folder) / "pki")
        self.authority = Authority(self.pki, "ca")
        self.etcd_authority = Authority(self.pki, "etcd-ca")
        self.front_authority = Authority(self.pki, "front-proxy-ca")
        self.service_accounts = service_account_keys(self.pki)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.advertised}:{self.ports.api}"

    def kubeconfig(self, name: str, *, user: str, groups: Sequence[str] = (), context: str = "gameday-lab") -> Path:
        """Issue a client certificate and write NAME.kubeconfig for it."""
        credential = self.authority.issue(name, user=user, groups=groups)
        return write_kubeconfig(
            self.pki / f"{name}.kubeconfig",
            server=self.server,
            authority=self.authority.certificate,
            credential=credential,
            context=context,
        )

    def etcd(self) -> list[str]:
        """Arguments of etcd: one member, TLS both ways. Its data are thrown away, so it never waits for the disk."""
        name = "gameday"
        served = self.etcd_authority.issue("etcd", user="etcd", addresses=[LOOPBACK], hosts=["localhost"])
        trusted = self.etcd_authority.certificate
        client, peer = f"https://{LOOPBACK}:{self.ports.etcd}", f"https://{LOOPBACK}:{self.ports.etcd_peer}"
        return [
            "etcd",
            f"--name={name}",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster={name}={peer}",
            "--client-cert-auth",
            f"--cert-file={served.certificate}",
            f"--key-file={served.key}",
            f"--trusted-ca-file={trusted}",
            "--peer-client-cert-auth",
            f"--peer-cert-file={served.certificate}",
            f"--peer-key-file={served.key}",
            f"--peer-trusted-ca-file={trusted}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def api_server(self) -> list[str]:
        """Arguments of kube-apiserver. Without a client certificate nobody is let in, not even to ask for health."""
        served = self.authority.issue(
            "kube-apiserver",
            user="kube-apiserver",
            addresses=sorted({LOOPBACK, self.advertised, FIRST_SERVICE}),
            hosts=["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"],
        )
        etcd = self.etcd_authority.issue("etcd-client", user="kube-apiserver")
        kubelet = self.authority.issue("kubelet-client", user=KUBELET_CLIENT)
        front = self.front_authority.issue("front-proxy-client", user="front-proxy-client")
        seconds = self.timings
        return [
            "kube-apiserver",
            f"--bind-address={self.bind}",
            f"--advertise-address={self.advertised}",
            f"--secure-port={self.ports.api}",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            f"--etcd-servers=https://{LOOPBACK}:{self.ports.etcd}",
            f"--etcd-cafile={self.etcd_authority.certificate}",
            f"--etcd-certfile={etcd.certificate}",
            f"--etcd-keyfile={etcd.key}",
            f"--tls-cert-file={served.certificate}",
            f"--tls-private-key-file={served.key}",
            f"--client-ca-file={self.authority.certificate}",
            "--anonymous-auth=false",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--service-account-key-file={self.service_accounts.certificate}",
            f"--service-account-signing-key-file={self.service_accounts.key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--kubelet-certificate-authority={self.authority.certificate}",
            f"--kubelet-client-certificate={kubelet.certificate}",
            f"--kubelet-client-key={kubelet.key}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={self.front_authority.certificate}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={front.certificate}",
            f"--proxy-client-key-file={front.key}",
            "--enable-aggregator-routing=true",
            "--allow-privileged=true",
            f"--default-not-ready-toleration-seconds={seconds.not_ready_toleration_s}",
            f"--default-unreachable-toleration-seconds={seconds.unreachable_toleration_s}",
            *self.api_server_flags,
        ]

    def controller_manager(self) -> list[str]:
        """Arguments of kube-controller-manager, with the timings that it decides by."""
        kubeconfig = self.kubeconfig("kube-controller-manager", user="system:kube-controller-manager")
        seconds = self.timings
        return [
            "kube-controller-manager",
            *_served(kubeconfig, self.ports.controller_manager),
            f"--service-account-private-key-file={self.service_accounts.key}",
            f"--root-ca-file={self.authority.certificate}",
            "--use-service-account-credentials",
            f"--cluster-signing-cert-file={self.authority.certificate}",
            f"--cluster-signing-key-file={self.authority.key}",
            f"--node-monitor-period={seconds.node_monitor_period_s}s",
            f"--node-monitor-grace-period={seconds.node_monitor_grace_s}s",
            f"--horizontal-pod-autoscaler-sync-period={seconds.hpa_sync_s}s",
            f"--horizontal-pod-autoscaler-cpu-initialization-period={seconds.hpa_cpu_initialization_s}s",
            f"--horizontal-pod-autoscaler-initial-readiness-delay={seconds.hpa_initial_readiness_s}s",
            *self.client_flags,
        ]

    def scheduler(self) -> list[str]:
        """Arguments of kube-scheduler."""
        kubeconfig = self.kubeconfig("kube-scheduler", user="system:kube-scheduler")
        return ["kube-scheduler", *_served(kubeconfig, self.ports.scheduler), *self.client_flags]


def _served(kubeconfig: Path, port: int) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        "--leader-elect=false",
    ]
