"""Help for tests that let traffic flow as a trial does, and judge the run folder that it leaves."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loopback import started

from chaos.clock import Clock
from chaos.cluster import Journal
from chaos.history import History, load_history
from chaos.history.reading.run_folder import TRIAL_SCHEMA
from chaos.trial.traffic import Traffic
from loadgen.driver.driver import Generator
from loadgen.driver.workers import WorkerGroup
from loadgen.profiles import Profile


@dataclass(frozen=True, slots=True)
class Run:
    """A run under way: its folder, clock and traffic."""

    folder: Path
    clock: Clock
    traffic: Traffic

    @property
    def generator(self) -> Generator:
        """The generator, which starts with the first stream."""
        assert isinstance(self.traffic.generator, Generator)
        return self.traffic.generator

    def history(self) -> History:
        """What was recorded."""
        return load_history(self.folder)


@contextmanager
def running(folder: Path, url: str, profile: Profile, workers: int = 1) -> Iterator[Run]:
    """A run folder with traffic and a journal, and no cluster; finished in order at the end of the block."""
    clock = Clock.start()
    system = {"namespace": "here", "workload": {"kind": "Deployment", "name": "server"}, "service": "server"}
    trial = {"schema": TRIAL_SCHEMA, "scenario": "loopback", "seed": 1, "clock": asdict(clock), "system": system}
    (folder / "trial.json").write_text(json.dumps(trial))
    journal = Journal(folder / "actions.jsonl", clock)

    def start() -> Generator | WorkerGroup:
        if workers == 1:
            return started(folder, url, profile, clock=clock)
        options: dict[str, Any] = {"run_folder": folder, "url": url, "profile": profile, "seed": 1}
        return WorkerGroup.start(workers=workers, clock=clock, duration_max_s=60.0, **options)

    traffic = Traffic(
        start,
        journal,
        profile=profile.name,
        origin="loopback",
        url=url,
    )
    try:
        yield Run(folder, clock, traffic)
        traffic.finish()
        journal.event("trial-end", wall_step_ns=0)
    finally:
        traffic.close()
        journal.close()
