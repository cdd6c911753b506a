"""Claims about the kubelet's probes."""
