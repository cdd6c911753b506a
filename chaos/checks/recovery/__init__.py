"""Claims about lost replicas coming back."""
