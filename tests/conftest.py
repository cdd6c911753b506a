"""What holds for all tests: property tests have no time limit for one example, since a busy machine is no defect."""

from hypothesis import settings

settings.register_profile("gameday", deadline=None)
settings.load_profile("gameday")
