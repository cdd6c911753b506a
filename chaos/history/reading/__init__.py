"""Reading a run folder into a `History`."""
