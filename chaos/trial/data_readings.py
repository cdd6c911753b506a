"""What a replica holds, read in the replica itself: the checksums of files, and an answer generated from them.

Nothing is judged here: readings go to the journal as `read-data` actions, and `DataSurvived` compares them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from chaos.cluster import (
    DRY_RUN,
    Cluster,
    Command,
    DryRunExecutor,
    Executor,
    Journal,
    Ran,
    Recorder,
    execute,
    proxy_path,
)
from chaos.errors import GamedayError, UsageError
from chaos.history.writing.redaction import redacted_message
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.system.spec.compatibility import NO_DATA
from loadgen.answers import BODY_MAX_BYTES, ChatAnswer
from loadgen.profiles import Draw, OpenAiChatProfile, Profile, Texts

__all__ = ["Data", "read_data"]

CHECKSUM_S = 120.0
"""A replica's CPU limit may hold a checksum of its weights back for long; reading may be slow too."""

ANSWER_S = 60.0
ANSWERS = 6
"""Servers that batch requests differ now and then: so often each is asked, for `DataSurvived` to tell that by."""

SEED = 1
NO_TOOL = 127

SHA256 = re.compile(r"[0-9a-f]{64}")
REASON_MAX = 300
"""A command's own words may be anything that a container holds."""

CHECKSUM = 'if command -v sha256sum >/dev/null; then sha256sum "$@"; else busybox sha256sum "$@"; fi'


@dataclass(frozen=True, slots=True)
class Data:
    """What is read: files by their paths in a container, and the request that is sent to the pod's port."""

    container: str
    files: tuple[str, ...]
    port: int
    profile: Profile

    def of(self, files: tuple[str, ...]) -> Data:
        """The same for these files, if there are any. Raises `UsageError` if that leaves none to read."""
        if not files and not self.files:
            raise UsageError(f"trial.read_data: {NO_DATA}", "mark the scenario @pytest.mark.needs('data')")
        return replace(self, files=files) if files else self


def read_data(cluster: Cluster, executor: Executor, journal: Journal, recorder: Recorder, data: Data) -> None:
    """Read every ready replica, all at once; what could not be read is journalled with the reason."""
    ready = [pod for pod in map(PodView, recorder.objects("Pod")) if pod.ready and pod.controller_kind != "Job"]
    pods = [pod.ref for pod in ready]
    with ThreadPoolExecutor(max_workers=max(1, len(pods))) as pool:
        list(pool.map(lambda pod: _read(cluster, executor, journal, pod, data), pods))


def _read(cluster: Cluster, executor: Executor, journal: Journal, pod: Ref, data: Data) -> None:
    with journal.action("read-data", pod, detail={"wanted": list(data.files), "container": data.container}) as entry:
        if isinstance(executor, DryRunExecutor):
            entry.end("fail", reason=DRY_RUN)
            return
        argv = ("sh", "-c", CHECKSUM, "sh", *data.files)
        ran = execute(cluster, executor, journal, Command(pod, data.container, argv, timeout_s=CHECKSUM_S))
        files = _sums(ran, data.files)
        try:
            answers = [_answer(cluster, pod, data) for _ in range(ANSWERS)]
        except GamedayError as error:
            entry.end("info", reason=f"no answer from {pod.name}: {error.what}", files=files)
            return
        said = {"answer": max(answers, key=answers.count), "answers": answers}
        if ran.outcome == "ok":
            entry.end("ok", files=files, **said)
            return
        # A file that cannot be read ends the command with its own code; everything else says nothing of the file.
        known = ran.exit_code is not None and ran.exit_code < NO_TOOL
        reason = redacted_message(" ".join((ran.stderr or ran.reason).split()))[:REASON_MAX]
        entry.end("fail" if known else "info", reason=reason, files=files, **said)


def _sums(ran: Ran, wanted: Iterable[str]) -> dict[str, str]:
    """Checksums by path, as sha256sum prints them; nothing else of what a container prints is kept."""
    pairs = (line.split(maxsplit=1) for line in ran.stdout.splitlines())
    found = {path.lstrip("*").strip(): digest for digest, path in (pair for pair in pairs if len(pair) == 2)}
    return {path: found[path] for path in wanted if SHA256.fullmatch(found.get(path, ""))}


def _answer(cluster: Cluster, pod: Ref, data: Data) -> str:
    """A hash of what this very replica answers, through the API server's proxy: the same if its data are the same.

    Raises `GamedayError` if there is no answer.
    """
    request = data.profile.request(Texts.of(SEED), Draw("data", 0))
    try:
        body: Any = json.loads(request.body) if request.body else None
    except ValueError:
        raise GamedayError("a request whose body is no JSON cannot be sent through the API server") from None
    if isinstance(data.profile, OpenAiChatProfile):
        body = _greedy(body, data.profile.prompts[0])
    path = proxy_path("Pod", pod.namespace, pod.name, data.port) + request.path
    got = cluster.transport.call(request.method, path, body=body, timeout_s=ANSWER_S, pod_max_bytes=BODY_MAX_BYTES)
    if not got.ok:
        raise GamedayError(f"status {got.status}")
    if isinstance(data.profile, OpenAiChatProfile):
        whole = ChatAnswer()
        whole.feed(got.body, 0)
        whole.end(0)
        if whole.cut_off:
            raise GamedayError(f"the answer was cut off by the server: finish reason {whole.finish_reason}")
        try:
            said = str(got.json()["choices"][0]["message"]["content"]).encode(errors="surrogatepass")
        except (KeyError, IndexError, TypeError):
            raise GamedayError(f"no chat completion, with status {got.status}") from None
        return hashlib.sha256(said).hexdigest()
    return hashlib.sha256(got.body).hexdigest()


def _greedy(body: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """The same question each time, answered with the likeliest tokens, whole."""
    kept = {key: value for key, value in body.items() if key != "stream_options"}
    messages = [{"role": "user", "content": prompt}]
    return kept | {"messages": messages, "stream": False, "temperature": 0, "seed": SEED}
