"""Reading logs.jsonl, which says what is kept of each container's log, and the last lines of each file in `logs/`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from chaos.history.reading.jsonl import read_lines
from chaos.history.samples import ContainerLog
from chaos.history.writing.log_lines import shown_line

__all__ = ["TAIL_BYTES", "read_logs"]

TAIL_BYTES = 32 * 1024
"""So much of the end of each file is read: a server's last words and the traceback before them."""

ROLES = ("init", "sidecar", "main")


def read_logs(run: Path) -> tuple[tuple[ContainerLog, ...], str]:
    """The logs that a run folder has, in order of their begin, and a remark; none of a run that kept none.

    Raises `UsageError`, with the line, for a whole line of logs.jsonl that is not as docs/run-folder.md says. A file
    that is missing or unreadable has no tail.
    """
    index = run / "logs.jsonl"
    if not index.exists():
        return (), ""
    found: dict[str, ContainerLog] = {}

    def take(line: dict[str, Any]) -> None:
        file = str(line["file"])
        if file != Path(file).name or file.startswith("."):
            raise ValueError(f"file {file!r:.80} is no name of a file in logs")
        if line["event"] == "begin":
            if line["role"] not in ROLES:
                raise ValueError(f"role {line['role']!r} is not one of {', '.join(ROLES)}")
            pod, uid, container = (str(line[name]) for name in ("pod", "uid", "container"))
            found[file] = ContainerLog(
                file, pod, uid, container, str(line["role"]), int(line["run"]), int(line["at_ns"])
            )
        elif line["event"] == "end":
            found[file] = replace(
                found[file],
                bytes=int(line["bytes"]),
                cut=bool(line["cut"]),
                ended=bool(line["ended"]),
                reason=str(line.get("reason", "")),
            )
        else:
            raise ValueError(f"event {line['event']!r} is not known")

    remark = read_lines(index, take)
    return tuple(replace(one, tail=_tail(run / "logs" / one.file)) for one in found.values()), remark


def _tail(path: Path) -> tuple[str, ...]:
    """The last whole lines of a file, as they may be shown; of a link, which may lead anywhere, none."""
    try:
        if path.is_symlink() or not path.is_file():
            return ()
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            data = file.read(TAIL_BYTES)
    except OSError:
        return ()
    lines = data.decode(errors="replace").split("\n")
    whole = lines if size <= TAIL_BYTES else lines[1:]
    return tuple(shown_line(line) for line in whole if line.strip())
