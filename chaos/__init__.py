"""Chaos and resilience verification for replicated model services on Kubernetes."""
