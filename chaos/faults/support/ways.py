"""Which way a fault is made in a container, or why none will do, decided before anything is done to it. Pure.

From inside a container the kernel delivers neither a stop nor a kill to its process 1 (pid_namespaces(7)), whoever
sends it: an exec, or an ephemeral container that shares its processes. Only the node can. An ephemeral container does
not share the other's memory limit, so that nothing in it fills that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chaos.faults.infrastructure import Infrastructure
from chaos.objects.pod import PodView
from chaos.objects.process import EVERY, ProcessView, chosen, largest

__all__ = ["NO_TOOLS", "Means", "Seen", "Tools", "Way", "asked_for", "crash_way", "hang_way", "hog_way", "shell_way"]

Means = Literal["exec", "node", "debug", "none"]

INITS = frozenset({"tini", "dumb-init", "docker-init", "catatonit", "s6-svscan"})
"""What is process 1 only to start another one and to pass signals on: without it the rest is all of the server."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What an image has of what the scripts need: `sh`, and `sleep` to leave a watchdog with."""

    shell: bool = True
    sleep: bool = True


NO_TOOLS = Tools(shell=False, sleep=False)


@dataclass(frozen=True, slots=True)
class Way:
    """A way, or `none`.

    Attributes:
        words: How it is done, for people, or why it is not and what would allow it.
        process: Which processes: the word of `chaos.objects.process.chosen`.
        name: What people call them.
    """

    means: Means
    words: str
    process: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A container into which somebody could look: of which pod, through what, and the processes there."""

    pod: PodView
    container: str
    means: Means
    processes: tuple[ProcessView, ...]


def asked_for(named: str, below: Infrastructure) -> str:
    """The process that is meant: the scenario's, the file's, or empty for the largest."""
    return named or below.own.process


def shell_way(container: str, tools: Tools | None, below: Infrastructure, *, guarded: bool) -> Way:
    """Through what processes are seen and sent signals. `tools` None: nobody has asked the container yet.

    `guarded`: what is sent is to be taken back by a watchdog, which needs `sleep`.
    """
    needs = "sh and sleep" if guarded else "sh"
    if tools is None:
        return Way("exec", f"by signals through exec, if the image of {container} has {needs}{_otherwise(below)}")
    if tools.shell and (tools.sleep or not guarded):
        return Way("exec", "by signals through exec")
    if below.containers is not None:
        return Way("node", f"by {below.containers.words}")
    if below.own.debug_image:
        return Way(
            "debug", f"by signals from an ephemeral container of {below.own.debug_image}, which stays in the pod"
        )
    lacks = f"has no `sleep`, so that nothing can be left in container {container} that takes it back if this run dies"
    what = f"the image {lacks}" if tools.shell else f"container {container} has no shell (sh) to send a signal with"
    return Way("none", f"{what}; name an image that has {needs}: debug_image under [system] of gameday.toml")


def hang_way(seen: Seen, wanted: str, below: Infrastructure) -> Way:
    """How these processes are stopped: by signals, or all of the container at once by the node."""
    aim = _aim(seen, wanted)
    if aim.means == "none":
        return aim
    hit = set(chosen(seen.processes, aim.process))
    if seen.means != "node" and not _holds_first(aim.process, hit):
        return Way(seen.means, f"SIGSTOP to {aim.name}", aim.process, aim.name)
    if below.containers is None:
        return Way("none", _first_words("STOP", aim.name, seen.container))
    if wanted in ("", EVERY) or hit == set(chosen(seen.processes, EVERY)):
        how = f"all of container {seen.container}, by {below.containers.words}"
        return Way("node", how, EVERY, f"container {seen.container}")
    return Way(
        "none",
        f"only {aim.name} is to be stopped, and {below.containers.words} stops container {seen.container} as a whole: "
        f"process={EVERY!r} asks for that",
    )


def crash_way(seen: Seen, wanted: str, signal: str, below: Infrastructure) -> Way:
    """How these processes are sent a deadly signal."""
    aim = _aim(seen, wanted)
    if aim.means == "none":
        return aim
    if seen.means != "node" and not _holds_first(aim.process, chosen(seen.processes, aim.process)):
        return Way(seen.means, f"SIG{signal} to {aim.name}", aim.process, aim.name)
    if below.containers is None:
        return Way("none", _first_words(signal, aim.name, seen.container))
    return Way("node", f"SIG{signal} to {aim.name} by {below.containers.words}", aim.process, aim.name)


def hog_way(container: str, tools: Tools | None, below: Infrastructure) -> Way:
    """How a container's memory is filled: by its own shell, or by the node."""
    if tools is None:
        otherwise = f", else by {below.containers.words}" if below.containers else ""
        return Way("exec", f"by a script through exec, if the image of {container} has sh{otherwise}")
    if tools.shell:
        return Way("exec", "by a script through exec")
    if below.containers is not None:
        return Way("node", f"by {below.containers.words}")
    return Way(
        "none",
        f"container {container} has no shell (sh) to do it with, and an ephemeral container does not share its memory "
        "limit: on the lab the node does it, else the image needs sh",
    )


def _otherwise(below: Infrastructure) -> str:
    if below.containers is not None:
        return f", else by {below.containers.words}"
    return f", else from an ephemeral container of {below.own.debug_image}" if below.own.debug_image else ""


def _aim(seen: Seen, wanted: str) -> Way:
    """The processes that are meant, as a word for just these; `none` with the reason if there are none."""
    # A node sees those of the container alone.
    if seen.means != "node" and wanted in ("", EVERY) and seen.pod.spec.get("shareProcessNamespace"):
        shared = f"the containers of {seen.pod.name} share their processes, so which are those of {seen.container} "
        return Way("none", f"{shared}is not seen: name one, as process")
    if wanted == EVERY:
        return Way("exec", "", EVERY, "every process")
    if wanted:
        nobody = f"no process called {wanted} in container {seen.container}"
        return Way("exec", "", wanted, wanted) if chosen(seen.processes, wanted) else Way("none", nobody)
    found = largest(seen.processes)
    if found is None:
        return Way("none", f"no process is seen in container {seen.container}")
    return Way("exec", "", found.id, found.name)


def _holds_first(word: str, hit: Sequence[ProcessView] | set[ProcessView]) -> bool:
    """Whether process 1 is among them, and is not just what started the others."""
    return any(one.pid == 1 and not (word == EVERY and one.name in INITS and len(hit) > 1) for one in hit)


def _first_words(signal: str, name: str, container: str) -> str:
    return (
        f"{signal}: {name} is process 1 of container {container}, to which the kernel delivers no such signal from "
        "inside, nor from an ephemeral container; give the image an init, or name a process that is not the first"
    )
