"""Credential plugins of a kubeconfig: they are run, have their time, and end in it, at a renewal too."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from api_on_loopback import CREDENTIAL, Api, kubeconfig, plugin, serving

from chaos.cluster import connect
from chaos.cluster import connect as connecting
from chaos.cluster.connect import BOUNDED, _bound_plugin
from chaos.errors import GamedayError
from chaos.wait import until


def test_a_plugin_gives_the_token(tmp_path: Path) -> None:
    """Beside the kubeconfig, with its arguments as they are written."""
    with serving(Api()) as api:
        kubeconfig(path := tmp_path / "config", api.url, plugin(tmp_path / "plugin", CREDENTIAL))
        with connect(kubeconfig=path, context="staging") as cluster:
            assert cluster.facts.uid == "uid-1"


@pytest.mark.parametrize("script", ["sleep 60", "sleep 60 & wait"], ids=["hangs", "its child hangs"])
def test_a_plugin_that_hangs_is_ended(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Together with what it began: else whoever needs credentials would wait for ever."""
    monkeypatch.setattr(sys.modules[connecting.__module__], "PLUGIN_S", 0.5)
    with serving(Api()) as api:
        kubeconfig(path := tmp_path / "config", api.url, plugin(tmp_path / "plugin", script))
        began = time.monotonic()
        with pytest.raises(GamedayError, match="401"):
            connect(kubeconfig=path, context="staging")
    assert time.monotonic() - began < 30
    assert "killpg" in BOUNDED


EXPIRES = f"""
if [ -e hangs ]; then echo $$ > began.new; mv began.new began; sleep 60; fi
{CREDENTIAL}"""


def ended(pid: str) -> bool:
    """Whether a process is gone, or only waits to be reaped."""
    try:
        return (Path("/proc") / pid / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_a_plugin_that_hangs_at_a_renewal_holds_up_nobody_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that are let in go on meanwhile; those that are not end with it, as the server refuses them."""
    limit_s = 3.0
    with serving(Api()) as api:
        kubeconfig(path := tmp_path / "config", api.url, plugin(tmp_path / "plugin", EXPIRES))
        with connect(kubeconfig=path, context="staging") as cluster, ThreadPoolExecutor(2) as pool:
            monkeypatch.setattr(sys.modules[connecting.__module__], "PLUGIN_S", limit_s)
            (tmp_path / "hangs").touch()
            api.lets_in, asked_s = "second", time.monotonic()
            calls = [pool.submit(cluster.transport.call, "GET", "/version") for _ in range(2)]
            until((tmp_path / "began").exists, deadline_s=20, awaited="the plugin to hang")
            until(lambda: [path for path, _ in api.seen].count("/version") == 3, deadline_s=20, awaited="both calls")
            api.lets_in = "first"
            assert cluster.transport.call("GET", "/version").ok
            assert not any(call.done() for call in calls)
            api.lets_in = "second"
            assert [call.result(timeout=20).status for call in calls] == [401, 401]
            assert limit_s <= time.monotonic() - asked_s < 20
    pid = (tmp_path / "began").read_text().strip()
    until(lambda: ended(pid), deadline_s=5, awaited="the plugin to be ended")


@pytest.mark.parametrize(("terminal", "given"), [(True, ["180", ""]), (False, ["30", "alone"])])
def test_a_person_at_a_terminal_has_time_to_log_in(
    monkeypatch: pytest.MonkeyPatch, given: list[str], *, terminal: bool
) -> None:
    """A plugin may ask for a password or wait for a browser there; with nobody there is nobody to wait for."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    login: dict[str, Any] = {"command": "log-in", "args": ["--to", "staging"]}
    _bound_plugin(login)
    assert login["args"][-5:] == [*given, "log-in", "--to", "staging"]
    bounded = subprocess.run(
        [sys.executable, "-I", "-c", BOUNDED, "0.3", given[1], "sleep", "60"],
        check=False,
        timeout=20,
        capture_output=True,
    )
    assert bounded.returncode == 1
