"""Create a system's objects in a namespace of its own, and wait until it is available."""
