"""Whom the generator takes for the API server: as the kubeconfig has it, and by its certificate unless it says not."""

from __future__ import annotations

import ssl

import pytest

from loadgen.generator.http_exchange import Transport
from loadgen.generator.tls import tls_context
from loadgen.origin import Credentials
from loadgen.plan import place_of

PLACE = place_of("https://10.0.0.1:6443")


@pytest.mark.parametrize(
    ("credentials", "verified"),
    [(None, True), (Credentials(), True), (Credentials(server_name="x"), True), (Credentials(verified=False), False)],
)
def test_a_certificate_is_looked_at_unless_the_kubeconfig_says_not(
    credentials: Credentials | None, *, verified: bool
) -> None:
    """Never by accident."""
    context = tls_context(credentials)
    assert (context.verify_mode is ssl.CERT_REQUIRED) is verified
    assert context.check_hostname is verified


@pytest.mark.parametrize(("given", "used"), [(None, "10.0.0.1"), ("api.example", "api.example")])
def test_the_certificate_is_to_have_the_name_of_the_kubeconfig(given: str | None, used: str) -> None:
    """The address's own where it gives none."""
    transport = Transport(PLACE, None, lambda: 0, keep=False, replica_header="X-Replica", server_name=given)
    assert transport.server_name == used
