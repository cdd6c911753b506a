"""What can be set from outside, all of it by environment variables."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

__all__ = ["BadSetting", "Settings"]


class BadSetting(ValueError):
    """An environment variable holds what it may not; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Each field is read from the variable of its name in capitals: `grace_s` from `GRACE_S`."""

    weights: Path  # the GGUF file
    pod_name: str  # sent as `x-served-by` with every answer; `POD_NAME`, else `HOSTNAME`, else the host's name
    host: str = ""  # address to listen on; empty means all, IPv4 and IPv6
    port: int = 8080  # TCP port to listen on; 0 lets the kernel choose
    threads: int = 1  # threads that compute
    slots: int = 4  # answers generated at the same time
    queue_max: int = 16  # requests that may wait for a slot; the next is refused with 503
    context_tokens: int = 512  # prompt and answer together, for each slot. 24 kB of memory a token and slot
    max_tokens: int = 256  # the longest answer that may be asked for
    default_tokens: int = 64  # the longest answer where the request names none
    grace_s: float = 30.0  # time from SIGTERM to SIGKILL: terminationGracePeriodSeconds less the preStop sleep
    settle_s: float = 2.0  # how long after SIGTERM new connections are still taken
    stall_s: float = 10.0  # engine time with work and no progress, after which it counts as stuck
    self_check_s: float = 10.0  # an engine that was idle this long generates one token when liveness is asked for
    load_delay_s: float = 0.0  # how much longer the weights take to come, as if from slow storage

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read all settings; raises BadSetting for a missing, malformed or senseless one."""
        name = environment.get("POD_NAME") or environment.get("HOSTNAME") or socket.gethostname()
        found: dict[str, object] = {"pod_name": name}
        for field in fields(cls):
            variable = field.name.upper()
            if field.name != "pod_name" and variable in environment:
                found[field.name] = _parsed(variable, environment[variable], str(field.type))
        if "weights" not in found:
            raise BadSetting("WEIGHTS is not set: it names the GGUF file")
        settings = cls(**found)  # type: ignore[arg-type]  # _parsed gives each field's own type
        settings._check()
        return settings

    def _check(self) -> None:
        for name in ("threads", "slots", "context_tokens", "max_tokens", "default_tokens", "grace_s", "stall_s"):
            if getattr(self, name) <= 0:
                raise BadSetting(f"{name.upper()} must be greater than 0")
        for name in ("port", "queue_max", "settle_s", "self_check_s", "load_delay_s"):
            if getattr(self, name) < 0:
                raise BadSetting(f"{name.upper()} must not be less than 0")
        if not self.default_tokens <= self.max_tokens < self.context_tokens:
            raise BadSetting("it must be that DEFAULT_TOKENS <= MAX_TOKENS < CONTEXT_TOKENS")


def _parsed(variable: str, text: str, kind: str) -> object:
    try:
        return {"int": int, "float": float, "Path": Path, "str": str}[kind](text)
    except ValueError:
        raise BadSetting(f"{variable} must be a number, not {text!r}") from None
