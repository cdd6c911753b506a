"""Real pieces of clusters beside Kubernetes that are added to a lab that is up: metrics pipelines, network policies."""
