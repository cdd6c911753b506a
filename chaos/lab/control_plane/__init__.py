"""etcd, API server, controller manager, scheduler and metrics-server of a cluster of ours."""
