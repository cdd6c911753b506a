"""Claims about where pods run."""
