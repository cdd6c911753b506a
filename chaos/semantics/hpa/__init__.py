"""The HorizontalPodAutoscaler's rules, as autoscaling/v2 computes them. Pure."""
