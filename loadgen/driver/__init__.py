"""The parent's side of a load generator: start it, command it, read what it recorded."""
