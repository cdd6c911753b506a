"""Claims about users' requests and about the load generator."""
