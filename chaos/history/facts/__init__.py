"""Facts that follow from a trial's record. Pure."""
