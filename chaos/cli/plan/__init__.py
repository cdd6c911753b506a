"""`gameday plan`: predict what draining each node, pool and pair of nodes would do."""
