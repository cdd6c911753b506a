"""What keeps replicas from being Ready, in words. Pure."""
