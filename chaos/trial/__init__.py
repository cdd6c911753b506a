"""One execution of a scenario: set-up, phases, faults, and the judgement at the end."""
