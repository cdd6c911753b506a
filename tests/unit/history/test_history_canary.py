"""canary.jsonl, and headers that give a replica's address, as a History has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from histories import at, pod
from histories import request as record
from run_folders import Folder

from chaos.errors import UsageError
from chaos.history import REQUEST_SCHEMA, Canary, CanaryRequest, WatchEvent
from chaos.history.reading.canary_log import read_canary
from chaos.history.reading.replica_names import address_in, named

ASKED = '{"at_ns":9,"event":"asked","pod":"p","uid":"u","intended_ns":1,"sent_ns":2,"end_ns":9,"outcome":"ok"}\n'


def written(folder: Path, text: str) -> Path:
    """A file of that text."""
    path = folder / "canary.jsonl"
    path.write_text(text)
    return path


def test_a_run_without_one_had_no_canary(tmp_path: Path) -> None:
    """Runs from before it are read as they were."""
    assert read_canary(tmp_path / "canary.jsonl") == (None, "")


def test_it_is_read_up_to_the_line_that_was_cut(tmp_path: Path) -> None:
    """Its way, its requests, and events of later versions, which say nothing to this one."""
    begun = '{"at_ns":1,"event":"began","way":"its way"}\n{"at_ns":2,"event":"other"}\n'
    canary, remark = read_canary(written(tmp_path, begun + ASKED + ASKED[:30]))
    assert canary == Canary("its way", "", (CanaryRequest("p", "u", 1, 2, 9, "ok"),))
    assert "cut short" in remark
    refused, _ = read_canary(written(tmp_path, '{"at_ns":1,"event":"refused","reason":"no right"}\n'))
    assert refused == Canary(refused="no right")


@pytest.mark.parametrize("line", [ASKED.replace('"ok"', '"fine"'), ASKED.replace('"uid":"u",', ""), "[]\n", "{\n"])
def test_a_line_that_is_not_as_described_is_an_error(tmp_path: Path, line: str) -> None:
    """With its number."""
    with pytest.raises(UsageError, match="line 2"):
        read_canary(written(tmp_path, ASKED + line))


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        (" 10.0.0.1:8000", "10.0.0.1"),
        ("[fd00::1]:8000", "fd00::1"),
        ("FD00:0::1", "fd00::1"),
        ("model-a", ""),
        ("model-a:8000", ""),
        ("10.0.0.1, 10.0.0.2", ""),
        ("[fd00::1", "fd00::1"),
        ("", ""),
    ],
)
def test_an_address_is_read_with_and_without_a_port(value: str, address: str) -> None:
    """IPv6 has its brackets where a port follows."""
    assert address_in(value) == address


def with_ip(uid: str, *ips: str) -> dict[str, Any]:
    """A pod with these addresses."""
    raw = pod(uid, ready=True)
    raw["status"] |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
    return raw


def requests(*rows: tuple[str | None, float, float]) -> pl.DataFrame:
    """Requests with a header, from one second to another."""
    made = [
        record(number, "steady-1", at(begin_s), latency_s=end_s - begin_s) | {"replica": value}
        for number, (value, begin_s, end_s) in enumerate(rows)
    ]
    return pl.DataFrame(made, schema=REQUEST_SCHEMA)


def test_an_address_names_the_pod_that_had_it_then() -> None:
    """Another pod has it after the first has gone; while both may have had it, nobody is named."""
    watch = [
        WatchEvent(at(0), "Pod", "LISTED", with_ip("a", "10.0.0.1", "fd00::1")),
        WatchEvent(at(0), "Pod", "LISTED", with_ip("b", "10.0.0.2", "fd00::2")),
        WatchEvent(at(30), "Pod", "DELETED", with_ip("a", "10.0.0.1", "fd00::1")),
        WatchEvent(at(40), "Pod", "ADDED", with_ip("d", "10.0.0.1", "fd00::9")),
    ]
    table = requests(
        ("10.0.0.1:8000", 1, 2),
        ("10.0.0.1:8001", 41, 42),
        ("[fd00::1]:8000", 1, 2),
        ("10.0.0.2", 1, 2),
        ("10.0.0.1", 29, 41),
        ("10.0.0.7", 1, 2),
        ("10.0.0.1", 35, 36),
        ("model-b", 1, 2),
        (None, 1, 2),
    )
    assert named(table, watch)["replica"].to_list() == [
        *("model-a", "model-d", "model-a", "model-b"),
        *(None, None, None, "model-b", None),
    ]


def test_pods_of_a_nodes_own_network_share_its_address() -> None:
    """It says nothing of which of them answered."""
    watch = [WatchEvent(at(0), "Pod", "LISTED", with_ip(uid, "192.168.0.5")) for uid in "ab"]
    assert named(requests(("192.168.0.5:8000", 1, 2)), watch)["replica"].to_list() == [None]


def test_names_are_left_as_they_are() -> None:
    """The very table, where no value is an address."""
    table = requests(("model-a", 1, 2), (None, 2, 3))
    assert named(table, ()) is table


def test_a_run_folder_has_both(tmp_path: Path) -> None:
    """An address in requests.jsonl is a pod's name in the History, and canary.jsonl is its canary."""
    folder = Folder(tmp_path).lines("requests.jsonl", {**requests(("10.0.0.1:8000", 1, 2)).row(0, named=True)})
    folder.watch((0, "Pod", "LISTED", {"object": with_ip("a", "10.0.0.1")}), (0.1, "Pod", "SYNCED", {"rv": "1"}))
    assert folder.load().canary is None
    (tmp_path / "canary.jsonl").write_text(ASKED)
    history = folder.load()
    assert history.requests["replica"].to_list() == ["model-a"]
    assert history.canary is not None
    assert history.canary.requests[0].answered
