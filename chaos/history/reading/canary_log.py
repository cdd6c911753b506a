"""Reading canary.jsonl, which only some runs have."""

from pathlib import Path
from typing import Any

from chaos.history.canary import Canary, CanaryRequest
from chaos.history.reading.jsonl import read_lines
from chaos.history.reading.measurements import OUTCOMES

__all__ = ["read_canary"]


def read_canary(path: Path) -> tuple[Canary | None, str]:
    """Read it, and give a remark, empty if there is none; None: there was no canary.

    Raises `UsageError`, with the line, for a whole line that is not as docs/run-folder.md says.
    """
    if not path.exists():
        return None, ""
    said: dict[str, str] = {}
    requests: list[CanaryRequest] = []
    held: list[CanaryRequest] = []

    def take(line: dict[str, Any]) -> None:
        match line["event"]:
            case "began":
                said["way"] = str(line["way"])
            case "refused":
                said["refused"] = str(line["reason"])
            case "asked":
                requests.append(_request(line))
            case "held":
                held.append(_request(line))

    remark = read_lines(path, take)
    return Canary(**said, requests=tuple(requests), held=tuple(held)), remark


def _request(line: dict[str, Any]) -> CanaryRequest:
    if line["outcome"] not in OUTCOMES:
        raise ValueError(f"outcome {line['outcome']!r} is not one of {', '.join(OUTCOMES)}")
    times = (int(line["intended_ns"]), int(line["sent_ns"]), int(line["end_ns"]))
    said = (line["outcome"], str(line.get("error") or ""), line.get("status"))
    return CanaryRequest(str(line["pod"]), str(line["uid"]), *times, *said)
