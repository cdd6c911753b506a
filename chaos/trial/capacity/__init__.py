"""How many requests a second a system carries within the SLO: the search, and its steps in a trial."""
