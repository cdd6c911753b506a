"""What a live trial sees of its system: whether all that is Ready is reached, too."""

from types import SimpleNamespace

import pytest
from histories import pod
from probe_stories import endpoints
from trial_contexts import context_with


@pytest.mark.parametrize(
    ("listed", "reached"),
    [(["ab"], True), (["a"], False), (["a", "b"], True), ([], False)],
    ids=["both", "one is missing", "two slices", "no slice"],
)
def test_the_system_is_whole_when_each_ready_pod_has_its_endpoint(listed: list[str], *, reached: bool) -> None:
    """A pod that is not Ready owes none, and endpoints may lie in several slices."""
    slices = [endpoints(*uids) for uids in listed]
    objects = {"Pod": [pod("a", ready=True), pod("b", ready=True), pod("c")], "EndpointSlice": slices}
    context = context_with(recorder=SimpleNamespace(objects=lambda kind: objects[kind]))
    assert context.has_all_endpoints() is reached
