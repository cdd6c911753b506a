"""Watching the cluster: list, watch, resume, and record every object as it was sent."""
