"""Typed views of Kubernetes API objects. Pure."""
