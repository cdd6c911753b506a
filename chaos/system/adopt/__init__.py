"""Find a system that already runs, and read what it is."""
