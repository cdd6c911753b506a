"""Claims about the HorizontalPodAutoscaler."""
