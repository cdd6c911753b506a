"""How long what is in the way is waited for."""

from chaos.objects.readiness_blockers import Blocker
from chaos.system.deploy.wait import Patience

ABSENT = Blocker("image", "model-a", "image model:1 cannot be pulled: not found", 30)
BACK_OFF = Blocker("image", "model-a", "image model:1 cannot be pulled: back-off", 30)
SLOW = Blocker("startup-probe", "model-b", "its startup probe has not passed yet")


def test_an_blocker_is_lost_when_it_has_outlasted_its_patience() -> None:
    """Until its patience is over an blocker is waited for, and then it is given back."""
    patience = Patience()
    assert patience.lost([ABSENT, SLOW], 100) is None
    assert patience.lost([ABSENT, SLOW], 129.9) is None
    assert patience.lost([ABSENT, SLOW], 130) == ABSENT


def test_words_that_change_do_not_start_it_anew() -> None:
    """The same kind of blocker in the same pod's way stands on, whatever the kubelet calls it now."""
    patience = Patience()
    patience.lost([ABSENT], 0)
    patience.lost([BACK_OFF], 20)
    assert patience.lost([BACK_OFF], 30) == BACK_OFF


def test_an_blocker_that_comes_back_starts_anew() -> None:
    """What went away in between has not stood all the time."""
    patience = Patience()
    patience.lost([ABSENT], 0)
    patience.lost([], 20)
    assert patience.lost([ABSENT], 40) is None
    assert patience.lost([ABSENT], 70) == ABSENT


def test_what_may_come_good_is_never_lost() -> None:
    """An blocker without a patience is waited for until the deadline."""
    patience = Patience()
    patience.lost([SLOW], 0)
    assert patience.lost([SLOW], 1e6) is None
