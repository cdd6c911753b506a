"""This host: what the lab needs of it, and what it changes there."""
