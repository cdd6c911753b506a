"""`gameday plan`: predict what draining each node, pool and pair of nodes would do."""

from chaos.cli.plan.listing import Listing, gather
from chaos.cli.plan.planner import POOL_LABEL, make_plan
from chaos.cli.plan.results import Answer, DrainAnswer, Pairs, Plan, Pool, Reason

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
