"""Claims about releases of a Deployment."""
