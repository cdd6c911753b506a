"""Load workers as pods: generators inside the cluster, driven and read through the API server alone."""
