"""Real Kubernetes on this host: build, images, network, control plane, nodes, teardown."""
