"""From a judged history to the report's model."""
