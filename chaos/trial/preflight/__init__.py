"""What is checked before anything is written on a cluster."""
