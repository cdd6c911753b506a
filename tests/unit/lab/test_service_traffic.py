"""What the lab's client sends to each Service, counted by nft, and told to Prometheus by a program of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from served_lists import ServedList

from chaos.lab.addons import service_traffic
from chaos.lab.addons.service_traffic import RULES, counted, exposition
from chaos.lab.control_plane.pki import Authority
from chaos.wait import until

NFT = """#!/bin/sh
case "$1" in
  -f) cat > "$(dirname "$0")/rules" ;;
  *) cat "$(dirname "$0")/set.json" ;;
esac
"""


def element(address: str, port: int, packets: int) -> dict[str, Any]:
    """One element of the set, as nft lists it."""
    return {"elem": {"val": {"concat": [address, port]}, "counter": {"packets": packets, "bytes": 60 * packets}}}


def listed(*elements: dict[str, Any]) -> dict[str, Any]:
    """The set, as nft lists it; without elements it has no such key."""
    return {"nftables": [{"metainfo": {}}, {"set": {"name": "sent", **({"elem": list(elements)} if elements else {})}}]}


def service(name: str, address: str, *ports: int) -> dict[str, Any]:
    """A Service."""
    spec = {"clusterIP": address, "ports": [{"port": port} for port in ports]}
    return {"metadata": {"name": name, "namespace": "llm"}, "spec": spec}


def test_each_service_is_told_with_what_all_its_ports_got() -> None:
    """One that nobody asked is 0, one without an address, too, and what is no Service's is left out."""
    packets = counted(listed(element("10.96.0.7", 80, 3), element("10.96.0.7", 81, 2), element("10.96.9.9", 80, 9)))
    told = exposition(
        [service("chat", "10.96.0.7", 80, 81), service("idle", "10.96.0.8", 80), service("no", "")], packets
    )
    assert told.splitlines()[1:] == [
        'service_packets_total{namespace="llm",service="chat"} 5',
        'service_packets_total{namespace="llm",service="idle"} 0',
        'service_packets_total{namespace="llm",service="no"} 0',
    ]
    assert counted(listed()) == {}


def test_the_program_counts_and_answers_until_its_end(tmp_path: Path) -> None:
    """It gives nft its rules once; while the API server does not answer it says so, and goes on."""
    authority, services = Authority(tmp_path, "ca"), ServedList()
    own = authority.issue("prometheus", user="gameday:prometheus")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "nft").write_text(NFT)
    (tools / "nft").chmod(0o755)
    (tools / "set.json").write_text(json.dumps(listed(element("10.96.0.7", 80, 1))))
    services.items = [service("chat", "10.96.0.7", 80)]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/metrics"

    def asked() -> str:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.reason}"
        except OSError:
            return ""

    with services.serving(authority) as server:
        argv = [sys.executable, "-I", service_traffic.__file__, server, authority.certificate, own.certificate, own.key]
        argv += ["10.96.0.0/16", "127.0.0.1", str(port)]
        with subprocess.Popen(argv, env={"PATH": f"{tools}:/usr/bin:/bin"}, cwd="/") as program:
            try:
                until(lambda: 'service="chat"} 1' in asked(), deadline_s=20, awaited="the count")
                assert (tools / "rules").read_text() == RULES.format(table="gameday-traffic", services="10.96.0.0/16")
                services.status = 403
                assert asked().startswith("503 no counts: 403")
                services.status = 200
                (tools / "set.json").write_text(json.dumps(listed(element("10.96.0.7", 80, 4))))
                assert 'service="chat"} 4' in asked()
                assert program.poll() is None
            finally:
                program.kill()
    assert "gameday:prometheus" in next(iter(services.clients))
