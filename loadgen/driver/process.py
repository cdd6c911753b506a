"""A generator as a process of its own: how it is started, for a driver on this host and for the keeper in a pod."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

__all__ = ["CLOSE_WITHIN_S", "start"]

CLOSE_WITHIN_S = 5.0
"""For an orderly end once its input is closed; after that the process is ended."""


def start(
    folder: Path,
    wrap: Callable[[list[str]], list[str]] = list,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[bytes]:
    """Start one whose words go to `folder`/generator.log; it is spoken to through its standard streams.

    `wrap` may put a command before its own (to enter a network namespace), `environ` is added to the environment.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    with (folder / "generator.log").open("ab") as log:
        return subprocess.Popen(
            wrap([sys.executable, "-m", "loadgen.generator.locustfile"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**own, **environ},
            start_new_session=True,  # Ctrl-C at the terminal is for the parent, which decides
        )
