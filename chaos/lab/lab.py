"""The lab: real Kubernetes on this host. Start it, look at it, use it for a session, take it down."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from chaos.errors import LabError
from chaos.lab.addons.catalogue import refuse_clash, wanted
from chaos.lab.addons.install import add_addon
from chaos.lab.bring_up import Artefacts, bring_up, usual_artefacts
from chaos.lab.control_plane.api import suite_api
from chaos.lab.control_plane.authorization import refused
from chaos.lab.control_plane.build import Release
from chaos.lab.host.cgroups import CLIENT_GROUP, Cgroups
from chaos.lab.host.lock import User, lab_lock, register_use, users
from chaos.lab.host.network import Machine, client
from chaos.lab.host.network import nodes as machines
from chaos.lab.host.packages import remove_dead_policy
from chaos.lab.host.paths import LabPaths, refuse_shared
from chaos.lab.host.processes import entering, in_netns, processes_recorded, terminated_as_exit
from chaos.lab.images.containerd_root import has_image, import_image
from chaos.lab.images.image_names import full_name
from chaos.lab.images.oci import image_names
from chaos.lab.metrics_path import continue_all
from chaos.lab.nodes.containers import thaw_all
from chaos.lab.nodes.infrastructure import reconnect_all, restore_all
from chaos.lab.nodes.probes import pass_all_probes
from chaos.lab.nodes.volumes import reclaim_volumes
from chaos.lab.status import LabFacts, LabStatus, addons_added, look, read_facts
from chaos.lab.teardown import anything_left, keep_logs, take_down
from chaos.progress import Progress, Silent
from chaos.semantics.timings import LAB

__all__ = ["Lab", "keep_lab", "lab_session"]

SETTLE_S, POLL_S = 10.0, 0.2
"""How long a lab whose programs all run may answer that it is not well, before it counts as a wreck."""


class LabInUse(LabError):
    """The lab cannot be taken down, because somebody uses it."""


class Lab:
    """The lab of this host; there is at most one.

    `release` is the Kubernetes that it must be; None takes the one that runs, and starts the default one.
    `artefacts` gets what it is made of, building it if it must.
    """

    def __init__(
        self, *, release: Release | None = None, artefacts: Callable[[Progress, Release], Artefacts] = usual_artefacts
    ) -> None:
        self.paths = LabPaths.usual()
        self._release = release
        self._artefacts = artefacts

    def up(self, *, nodes: int = 3, progress: Progress) -> LabFacts:
        """Have a lab with that many nodes up, and return its facts; at once if it is up and well.

        A lab that is broken, half-built, of another size or release is taken down first, unless somebody uses it.
        Whoever starts the lab meanwhile is waited for. A start that fails, or is interrupted by Ctrl-C or SIGTERM,
        leaves nothing. Raises LabError that names the component which failed, and UsageError for a number that is not
        allowed.
        """
        with self._held_up(nodes, progress) as facts:
            return facts

    @contextmanager
    def _held_up(self, nodes: int, progress: Progress) -> Iterator[LabFacts]:
        """As `up`; while the block runs, nobody else starts, joins or ends the lab."""
        _must_be_root()
        refuse_shared(self.paths.state, "set XDG_STATE_HOME to a folder that is root's alone, as are those above it")
        wanted = machines(nodes)
        # Building takes minutes where nothing is cached: not while others wait for the lab.
        artefacts = None if self._standing(look(self.paths), nodes) else self._made(progress)
        with terminated_as_exit(), lab_lock("starting the lab", progress):
            self._mend(progress)
            facts = self._standing(self._settled(), nodes)
            yield facts or self._start(wanted, artefacts or self._made(progress), progress)

    def _made(self, progress: Progress) -> Artefacts:
        return self._artefacts(progress, self._release or Release())

    def _settled(self) -> LabStatus:
        """The lab's state, once it is well. One whose programs all run gets some seconds: a single answer may fail."""
        deadline = time.monotonic() + SETTLE_S
        status = look(self.paths)
        while status.may_become_well and time.monotonic() < deadline:
            time.sleep(POLL_S)
            status = look(self.paths)
        return status

    def _mend(self, progress: Progress) -> None:
        """Give nodes, pods and containers back what a killed run took, unless somebody who may mean it uses the lab."""
        if read_facts(self.paths.facts) is None or users(self.paths.uses):
            return
        if mended := (*restore_all(), *reconnect_all(), *thaw_all(), *pass_all_probes(), *continue_all()):
            with progress.step(f"given back what a killed run had taken: {', '.join(mended)}"):
                pass

    def _start(self, wanted: Sequence[Machine], artefacts: Artefacts, progress: Progress) -> LabFacts:
        if lost := addons_added(self.paths):
            with progress.step(f"its add-ons go with the former lab: gameday lab add {' '.join(lost)}"):
                pass
        if anything_left(self.paths):
            take_down(self.paths, progress)
        try:
            return bring_up(self.paths, wanted, artefacts, LAB, progress)
        except LabError as failed:
            kept = keep_logs(self.paths)
            take_down(self.paths, progress)
            raise LabError(failed.what, failed.fix or f"read the logs of this start in {kept}") from failed
        except BaseException:
            take_down(self.paths, progress)
            raise

    def _standing(self, status: LabStatus, nodes: int) -> LabFacts | None:
        """The facts of a lab that can be joined, None if it is to be rebuilt. Raises LabError if neither may be."""
        if status.facts is None or not status.whole:
            if status.users:
                raise LabError(f"{status.words}, and in use by {_named(status.users)}", "gameday lab down --force")
            return None
        stands, other = status.facts, self._release not in {None, status.facts.release}
        if other or len(stands.nodes) != nodes:
            if status.users:
                raise LabError(
                    f"a lab with {len(stands.nodes)} nodes of {stands.release} is in use by {_named(status.users)}",
                    f"wait for its end, or ask for {len(stands.nodes)} nodes of it",
                )
            return None
        # A node that is not Ready under a user's hands is that user's doing; otherwise it is a wreck.
        return status.facts if status.well or status.users else None

    def add(self, names: Sequence[str], progress: Progress) -> tuple[str, ...]:
        """Have add-ons, and those that they need, in the lab that is up; return what is to be known of each.

        What is not built or fetched yet is, first. Those that run stay as they are. Raises UsageError for a name that
        there is not and for two that cannot be in one lab, LabError where there is no lab, or one does not start.
        """
        addons = wanted(names)
        with self.use(f"adding {', '.join(names)}"):
            refuse_clash(addons, addons_added(self.paths))
            made = [addon.make(progress) for addon in addons]
            with terminated_as_exit(), lab_lock(f"adding {', '.join(names)}", progress):
                refuse_clash(addons, addons_added(self.paths))
                facts = self.facts()
                for addon, built in zip(addons, made, strict=True):
                    add_addon(addon, built, paths=self.paths, facts=facts, progress=progress)
        return tuple(f"{addon.name}: {addon.told}" for addon in addons)

    def down(self, *, force: bool = False, progress: Progress) -> None:
        """Take the lab down, or what is left of one. Raises LabInUse if somebody uses it, unless `force` is given.

        What a killed installation of packages left goes too.
        """
        _must_be_root()
        with lab_lock("taking the lab down", progress):
            using = users(self.paths.uses)
            if using and not force:
                raise LabInUse(f"the lab is in use by {_named(using)}", "wait for its end, or gameday lab down --force")
            remove_dead_policy()
            if anything_left(self.paths):
                take_down(self.paths, progress)

    def status(self) -> LabStatus:
        """How the lab is. Changes nothing. Raises LabError without root, who alone may look."""
        _must_be_root()
        return look(self.paths)

    def facts(self) -> LabFacts:
        """The facts of the lab that is up. Raises LabError if none is."""
        _must_be_root()
        facts = read_facts(self.paths.facts)
        if facts is None:
            raise LabError("there is no lab on this host", "gameday lab up")
        return facts

    def component_names(self) -> tuple[str, ...]:
        """The lab's programs, by the names of their logs."""
        self.facts()
        return tuple(process.name for process in processes_recorded(self.paths.processes))

    def logs(self, name: str) -> Path:
        """The log of one of the lab's programs. Raises LabError if there is none of that name."""
        log = self.paths.logs / f"{name}.log"
        if not log.exists():
            there = ", ".join(sorted(path.stem for path in self.paths.logs.glob("*.log"))) or "none, as no lab is up"
            raise LabError(f"no program of the lab is called {name}", f"the programs are: {there}")
        return log

    @contextmanager
    def use(self, words: str, *, nodes: int | None = None, progress: Progress | None = None) -> Iterator[LabFacts]:
        """Keep the lab up while the block runs; `words` tell others what for.

        With `nodes` the lab is first brought up as `up` does, in one hold, so that nobody ends it before it is in use.
        Without, raises LabError if no lab is up.
        """
        _must_be_root()
        with ExitStack() as using:
            if nodes is None:
                with lab_lock("about to use the lab", progress):
                    facts = self.facts()
                    using.enter_context(register_use(self.paths.uses, words))
            else:
                with self._held_up(nodes, progress or Silent()) as facts:
                    using.enter_context(register_use(self.paths.uses, words))
            yield facts

    def reclaim_volumes(self) -> tuple[str, ...]:
        """Empty the volumes whose claims are gone, offer them again, and return their names. Raises LabError."""
        with suite_api(self.paths) as api:
            return reclaim_volumes(self.paths.volumes, api)

    def take_image(self, image: Path, progress: Progress) -> str:
        """Put an image file (OCI layout) on every node that has not got it, and return its name. Raises LabError."""
        names = self.facts().nodes
        with progress.step(f"put {image_names(image)[0]} on {len(names)} nodes", estimate_s=2.0 * len(names)):
            for name in names:
                import_image(self.paths.containerd_socket(name), image)
        return image_names(image)[0]

    def require_image(self, name: str) -> str:
        """The full name of an image that every node has. Raises LabError where one has not."""
        full = full_name(name)
        lacking = [one for one in self.facts().nodes if not has_image(self.paths.containerd_socket(one), full)]
        if lacking:
            raise LabError(
                f"{', '.join(lacking)} of the lab: no image {full}, and nodes of the lab pull none",
                "gameday lab up, then gameday lab load FILE.tar, or gameday lab load --from-containerd NAME",
            )
        return full

    def refused(self, user: str) -> tuple[str, ...]:
        """What this account asked the API server for and had no right to, in words."""
        return refused(self.paths.audit, user)

    def client_command(self, argv: Sequence[str]) -> list[str]:
        """A command that runs `argv` on the lab's client, where Services are reached as from inside the cluster.

        It becomes `argv` and keeps its pid, standard streams and environment; it ends with the lab. Raises LabError
        if no lab is up.
        """
        self.facts()
        return entering(Cgroups().folders(CLIENT_GROUP), in_netns(client().netns), argv)


def _must_be_root() -> None:
    if os.geteuid() != 0:
        raise LabError("the lab needs root, and this is another user", "sudo gameday lab …")


def _named(using: Sequence[User]) -> str:
    return "; ".join(str(user) for user in using)


MARK = "ends-with-session"


@contextmanager
def lab_session(lab: Lab, *, nodes: int, words: str, keep: bool, progress: Progress) -> Iterator[LabFacts]:
    """Have the lab up, in use by `words`, while the block runs. `keep` leaves it running at the end.

    Raises what `Lab.up` and `Lab.use` raise.
    """
    mark = lab.paths.state / MARK
    stood = lab.status().well
    try:
        with lab.use(words, nodes=nodes, progress=progress) as facts:
            if not stood:
                mark.touch(mode=0o600)
            if keep:
                keep_lab(lab)
            yield facts
    finally:
        if mark.exists():
            # Another session may have begun to use it since; then that one takes it down.
            with suppress(LabInUse):
                lab.down(progress=progress)


def keep_lab(lab: Lab) -> None:
    """Let the lab stay until somebody takes it down."""
    (lab.paths.state / MARK).unlink(missing_ok=True)
