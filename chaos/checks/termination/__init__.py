"""Claims about how pods end."""
