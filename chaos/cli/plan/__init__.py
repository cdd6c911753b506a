"""`gameday plan`: what draining each node, pool and pair of nodes would come to, before anything is touched."""

from chaos.cli.plan.planner import POOL_LABEL, make_plan
from chaos.cli.plan.results import Answer, DrainAnswer, Pairs, Plan, Pool, Reason
from chaos.cli.plan.snapshot import Listing
from chaos.cli.plan.snapshot_reader import gather

__all__ = [
    "POOL_LABEL",
    "Answer",
    "DrainAnswer",
    "Listing",
    "Pairs",
    "Plan",
    "Pool",
    "Reason",
    "gather",
    "make_plan",
]
