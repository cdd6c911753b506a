"""Ready-made scenarios; installed as `gameday_scenarios`: pytest --pyargs gameday_scenarios."""
