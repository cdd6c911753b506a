"""`gameday plan`: what draining each node, pool and pair of nodes would come to, before anything is touched."""

from chaos.plan.answers import Answer, DrainAnswer, Pairs, Plan, Pool, Reason
from chaos.plan.gather import gather
from chaos.plan.listing import Listing
from chaos.plan.planner import POOL_LABEL, make_plan

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
