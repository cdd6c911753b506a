"""Writing a run folder's evidence, flushed line by line."""
