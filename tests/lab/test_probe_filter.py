"""The filter that drops a kubelet's readiness requests, by the real kernel, in a network of its own. Needs no lab."""

import os
import shutil
import subprocess
import sys

import pytest

from chaos.lab.nodes.probes import rules

pytestmark = pytest.mark.root

ASK = """
import http.server, subprocess, sys, threading, urllib.request

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
subprocess.run(["nft", "-f", "-"], input=sys.argv[1], text=True, check=True)
for path in sys.argv[2:]:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:8080{path}", timeout=1)
        print(path, "answered")
    except OSError:
        print(path, "dropped")
"""


def asked(written: str, *paths: str) -> dict[str, str]:
    """What becomes of a request for each path, with these rules in force."""
    if os.geteuid() or not all(map(shutil.which, ("nft", "unshare", "ip"))):
        pytest.skip("root, nft, ip and unshare are needed")
    argv = ["unshare", "--net", sys.executable, "-c", ASK, written, *paths]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return dict(line.split() for line in ran.stdout.splitlines())  # type: ignore[misc]  # two words a line


LONG = "/v1/models/chat/versions/1/health/ready?deep=1"


def test_only_requests_that_begin_so_are_dropped() -> None:
    """Another path, a longer one and a shorter one on the same port are answered."""
    said = asked(rules("127.0.0.1", 8080, "GET /readyz "), "/readyz", "/livez", "/readyz2", "/ready")
    assert said == {"/readyz": "dropped", "/livez": "answered", "/readyz2": "answered", "/ready": "answered"}


def test_a_long_path_is_compared_to_its_end() -> None:
    """The kernel compares 16 bytes at once; what differs after those is another request."""
    said = asked(rules("127.0.0.1", 8080, f"GET {LONG} "), LONG, f"{LONG}0", LONG[:-1])
    assert said == {LONG: "dropped", f"{LONG}0": "answered", LONG[:-1]: "answered"}


@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", 8081), ("127.0.0.2", 8080)])
def test_other_ports_and_pods_are_left_alone(address: str, port: int) -> None:
    """Whole ports are dropped where the request cannot be told, and only that port of that pod."""
    assert asked(rules("127.0.0.1", 8080, ""), "/livez") == {"/livez": "dropped"}
    assert asked(rules(address, port, ""), "/livez") == {"/livez": "answered"}
