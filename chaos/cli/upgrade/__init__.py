"""What the next version of Kubernetes would do to what runs."""
