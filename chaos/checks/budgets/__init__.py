"""Claims about PodDisruptionBudgets, evictions and drains."""
