"""The load generator's own process: the only importer of Locust."""
