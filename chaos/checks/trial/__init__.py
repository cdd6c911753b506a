"""Claims about the trial itself: it was steady before, its faults landed, it came to its end."""
