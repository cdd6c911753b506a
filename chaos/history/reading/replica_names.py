"""Which pod a header means that gives an address, `IP` or `IP:port`, as endpoint pickers and gateways do."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

import polars as pl

from chaos.history.model import WatchEvent
from chaos.objects.base import View

__all__ = ["address_in", "named"]


def address_in(value: str) -> str:
    """The IP address that a header's value gives, with or without a port, in its usual form; empty if it gives none."""
    host = value.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


def named(requests: pl.DataFrame, watch: Iterable[WatchEvent]) -> pl.DataFrame:
    """The requests, with the pod's name for each address in `replica`.

    By the watch: the pod that had it while the request was under way. An address of two pods then, or of none, names
    nobody: pods of a node's own network share the node's, and a pod's may be another's soon after it has gone.
    """
    values = requests["replica"].drop_nulls().unique().to_list()
    addresses = {value: address for value in values if (address := address_in(value))}
    if not addresses:
        return requests
    spans = _spans(watch)

    def pod_of(row: Mapping[str, object]) -> str | None:
        value, sent_ns, end_ns = row["replica"], row["sent_ns"], row["end_ns"]
        if not isinstance(value, str) or value not in addresses:
            return value if isinstance(value, str) else None
        begin_ns = sent_ns if isinstance(sent_ns, int) else end_ns
        assert isinstance(begin_ns, int)
        assert isinstance(end_ns, int)
        held = spans.get(addresses[value], ())
        names = {name for name, since, until in held if since <= end_ns and (until is None or until >= begin_ns)}
        return names.pop() if len(names) == 1 else None

    found = [pod_of(row) for row in requests.select("replica", "sent_ns", "end_ns").iter_rows(named=True)]
    return requests.with_columns(pl.Series("replica", found, dtype=pl.String()))


def _spans(watch: Iterable[WatchEvent]) -> dict[str, list[tuple[str, int, int | None]]]:
    """By address the pods that had it: name, since when, and until when (None: to the last).

    Several watches may follow one another, each of other pods.
    """
    since: dict[tuple[str, str], tuple[str, int]] = {}
    spans: dict[str, list[tuple[str, int, int | None]]] = {}
    for event in watch:
        if event.kind != "Pod":
            continue
        pod = View(event.object)
        status = pod.status
        over = event.gone or status.get("phase") in ("Succeeded", "Failed")
        given = [status.get("podIP"), *(one.get("ip") for one in status.get("podIPs") or ())]
        now = set() if over else {address for one in given if one and (address := address_in(str(one)))}
        for uid, address in [key for key in since if key[0] == pod.uid and key[1] not in now]:
            name, begin_ns = since.pop((uid, address))
            spans.setdefault(address, []).append((name, begin_ns, event.at_ns))
        for address in now:
            # What a list tells of was so before.
            since.setdefault((pod.uid, address), (pod.name, 0 if event.type == "LISTED" else event.at_ns))
    for (_, address), (name, begin_ns) in since.items():
        spans.setdefault(address, []).append((name, begin_ns, None))
    return spans
