"""The generator's plan, and the bytes of each request that follow from it: pure.

The plan travels as one JSON line through the process's standard input, the credentials beside it: neither is ever on a
command line or on disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chaos.clock import Clock
from chaos.errors import UsageError
from loadgen.origin import quotable
from loadgen.profiles import Profile, Request, profile_from_plain

__all__ = ["Place", "Plan", "filled", "place_of", "request_bytes", "request_head", "variables"]

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one generator process is to do.

    Attributes:
        in_flight_max: most requests at once; an arrival above it is recorded as `unsent`.
        duration_max_s: the process ends by itself that long after its start, whatever its commands.
        listeners: modules that the process imports first, so that they can add listeners to `locust.events`.
        worker: of each stream, this process sends the arrivals whose number modulo `workers` is `worker`.
        cores: how many processors it may use.
    """

    clock: Clock
    run_folder: Path
    url: str
    profile: Profile
    seed: int
    in_flight_max: int
    duration_max_s: float
    listeners: tuple[str, ...] = ()
    worker: int = 0
    workers: int = 1
    cores: float = 1.0

    def __post_init__(self) -> None:
        place_of(self.url)
        if not 0 < self.in_flight_max <= 100_000:
            raise UsageError(f"in_flight_max: {self.in_flight_max} is not in (0, 100000]")
        if not 0 < self.duration_max_s <= 7 * 24 * 3600:
            raise UsageError(f"duration_max_s: {self.duration_max_s} is not in (0, one week]")

    def plain(self) -> dict[str, Any]:
        """The plan as plain JSON data."""
        return {
            "clock": {"utc_ns": self.clock.utc_ns, "mono_ns": self.clock.mono_ns},
            "run_folder": os.fspath(self.run_folder),
            "url": self.url,
            "profile": self.profile.plain(),
            "seed": self.seed,
            "in_flight_max": self.in_flight_max,
            "duration_max_s": self.duration_max_s,
            "listeners": list(self.listeners),
            "worker": self.worker,
            "workers": self.workers,
            "cores": self.cores,
        }

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Plan:
        """The plan that `plain` described."""
        return cls(
            clock=Clock(**data["clock"]),
            run_folder=Path(data["run_folder"]),
            url=data["url"],
            profile=profile_from_plain(data["profile"]),
            seed=data["seed"],
            in_flight_max=data["in_flight_max"],
            duration_max_s=data["duration_max_s"],
            listeners=tuple(data["listeners"]),
            worker=data["worker"],
            workers=data["workers"],
            cores=data["cores"],
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests go, taken from a URL."""

    tls: bool
    host: str
    port: int
    prefix: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def place_of(url: str) -> Place:
    """Take a URL apart. Raises `UsageError` if it is not `http(s)://host[:port][/path]`."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise UsageError(f"url: {quotable(url)} has a port that is not in 1..65535") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"url: {quotable(url)} is not an address to send to", "give http(s)://host[:port][/path]")
    return Place(parts.scheme == "https", parts.hostname, port, parts.path.rstrip("/"))


def variables(headers: Mapping[str, str]) -> frozenset[str]:
    """The environment variables that the headers name."""
    return frozenset(name for value in headers.values() for name in _VARIABLE.findall(value))


def filled(headers: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The headers with each `${NAME}` replaced from `environ`. Raises `UsageError` if a variable is not set."""

    def value_of(match: re.Match[str]) -> str:
        if (value := environ.get(match[1])) is None:
            raise UsageError(f"headers: the environment variable {match[1]} is not set", f"export {match[1]}=…")
        if not value.isprintable() or not value.isascii():
            raise UsageError(f"headers: the environment variable {match[1]} holds what a header may not")
        return value

    return {name: _VARIABLE.sub(value_of, value) for name, value in headers.items()}


def request_head(request: Request, place: Place, headers: Mapping[str, str], *, keep: bool) -> bytes:
    """The head of a request as HTTP/1.1 sends it, but for the length of its body; `headers` are final.

    `keep` asks for the connection to stay open.
    """
    lines = {name.lower(): (name, value) for name, value in headers.items()}
    lines.setdefault("host", ("Host", place.authority))
    lines.setdefault("user-agent", ("User-Agent", "gameday"))
    lines.setdefault("accept", ("Accept", "*/*"))
    lines["connection"] = ("Connection", "keep-alive" if keep else "close")
    head = f"{request.method} {place.prefix}{request.path} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.values())
    return head.encode("latin-1")


def request_bytes(request: Request, head: bytes) -> bytes:
    """The whole request, with the head that `request_head` gave for it or for another of its kind."""
    if request.body or request.method in {"POST", "PUT", "PATCH"}:
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(request.body), request.body)
    return head + b"\r\n"
