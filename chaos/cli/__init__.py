"""The `gameday` command."""
