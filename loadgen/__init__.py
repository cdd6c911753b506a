"""The load generator: open-loop traffic from a process of its own, every arrival accounted for."""
