"""The lines of watch.jsonl for one kind, as docs/run-folder.md describes them."""

from typing import Any

from pydantic_core import from_json, to_json

from chaos.history.writing.jsonl import AppendFile, as_line
from chaos.history.writing.redaction import without_secrets

__all__ = ["WatchLogWriter"]


class WatchLogWriter:
    """Writes what was received of one kind. Objects go in as the server sent them, but for what may be secret.

    Each method returns the time that stands in the file: the given one, unless another kind's line was later already.
    """

    def __init__(self, kind: str, file: AppendFile) -> None:
        self._file = file
        self._head = b'"kind":"%b",' % kind.encode()

    def listed(self, at_ns: int, raw: bytes) -> int:
        """One object of a list."""
        return self._file.write(at_ns, self._head + b'"type":"LISTED","object":' + _kept(raw) + b"}")

    def synced(self, at_ns: int, rv: str) -> int:
        """The list is complete."""
        return self._write(at_ns, "SYNCED", rv=rv)

    def event(self, at_ns: int, line: bytes) -> int:
        """A watch event, the whole JSON object as it came."""
        return self._file.write(at_ns, self._head + _kept(line)[1:])

    def bookmark(self, at_ns: int, rv: str) -> int:
        """Nothing happened up to this resourceVersion."""
        return self._write(at_ns, "BOOKMARK", rv=rv)

    def resumed(self, at_ns: int, since_ns: int, reason: str) -> int:
        """The watch goes on from where it broke."""
        return self._write(at_ns, "RESUMED", since_ns=since_ns, reason=reason)

    def gap(self, at_ns: int, since_ns: int, reason: str) -> int:
        """States are lost, from `since_ns` until the list that follows is complete."""
        return self._write(at_ns, "GAP", since_ns=since_ns, reason=reason)

    def end(self, at_ns: int) -> int:
        """Nobody watches any more, on purpose."""
        return self._write(at_ns, "END")

    def _write(self, at_ns: int, type_: str, **fields: Any) -> int:
        return self._file.write(at_ns, self._head + as_line({"type": type_, **without_secrets(fields)})[1:])


def _kept(received: bytes) -> bytes:
    parsed = from_json(received)
    kept = without_secrets(parsed)
    for whole, copy in ((parsed, kept), (parsed.get("object"), kept.get("object"))):
        if setters := _replicas_set_by(whole):
            copy["metadata"]["replicasSetBy"] = setters
    return to_json(kept)


def _replicas_set_by(whole: Any) -> list[dict[str, str]]:
    """Of an object's managedFields, which are a third of its size, who set the number of replicas, and when."""
    fields = (whole.get("metadata") or {}).get("managedFields") if isinstance(whole, dict) else None
    return [
        {key: str(one[key]) for key in ("manager", "operation", "subresource", "time") if one.get(key)}
        for one in fields or ()
        if "f:replicas" in ((one.get("fieldsV1") or {}).get("f:spec") or {})
    ]
