"""Container images made without Docker."""
