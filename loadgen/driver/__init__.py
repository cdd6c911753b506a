"""The parent's side of a load generator: start it, tell it what to send, read what it recorded."""
