"""From a `SystemSpec` to Kubernetes objects. Pure."""
