"""The lab's nodes: containerd, kubelet, kube-proxy, storage, infrastructure."""
