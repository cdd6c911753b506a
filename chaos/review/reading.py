"""Reads manifests from where people have them: files, folders of folders, standard input. Never stops at a mistake."""

import os
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from chaos.errors import UsageError, one_line, plural
from chaos.objects.base import Raw
from chaos.review.documents import UNREADABLE, chunks, cleaned, documents, objects, reason
from chaos.review.finding import Finding
from chaos.review.model import Manifest
from chaos.review.rules import RULES
from chaos.review.shapes import rows

__all__ = ["Reading", "read"]

STDIN = "-"
BYTE_ORDER_MARK = "\ufeff"
"""At the beginning of a file; files that were put together have it in the middle, too."""

SUFFIXES = (".yaml", ".yml", ".json")
CHART, KUSTOMIZATIONS = "Chart.yaml", ("kustomization.yaml", "kustomization.yml", "Kustomization")
CHANGES = ("patches", "patchesStrategicMerge", "patchesJson6902", "replacements", "transformers", "configurations")
"""Fields of a kustomization whose files only change other objects."""

ACTION = re.compile(r"\{\{-?\s*(?:\.Values\b|\.Release\b|\.Chart\b|include\s+\"|toYaml\s)")
"""What a chart's template has, if it can be read as YAML before it is rendered."""

NO_TEXT = ("file that is no text", "files that are no text")
NO_OBJECT = ("document that is no Kubernetes object", "documents that are no Kubernetes objects")


@dataclass(slots=True)
class Reading:
    """What was read: objects, what could not be read, how much is no manifest, and images that kustomizations tag."""

    manifests: list[Manifest] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    others: Counter[tuple[str, str]] = field(default_factory=Counter)
    tagged: set[str] = field(default_factory=set)
    _told: set[tuple[str, str]] = field(default_factory=set)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was passed over, counted."""
        return tuple(f"passed over {plural(number, *words)}" for words, number in self.others.items())

    def tell(self, rule: str, path: str, line: int, sentence: str) -> None:
        """Add a finding about a file; the same sentence is said once."""
        known = RULES[rule]
        if (rule, sentence) not in self._told:
            self._told.add((rule, sentence))
            self.findings.append(
                Finding(rule, known.severity, f"file {path}", path, line, one_line(sentence), source=known.source)
            )

    def unrendered(self, path: str, line: int, chart: str) -> None:
        """Say how to render a chart."""
        command = f"helm template NAME {quote(chart)} | gameday review -"
        self.tell(
            "template-unrendered",
            path,
            line,
            f"this is a template, and nobody can say what it becomes; with helm: {command}",
        )

    def unbuilt(self, path: str) -> None:
        """Say how to build a kustomization."""
        command = f"kustomize build {quote(str(Path(path).parent))} | gameday review -"
        self.tell("kustomization-unbuilt", path, 1, f"a kustomization changes what stands beside it: {command}")


def read(paths: Sequence[str]) -> Reading:
    """Read files, folders with all below them, and standard input (`-`). Raises `UsageError` for a path not there."""
    reading = Reading()
    for given in paths:
        if given == STDIN:
            _read_text(reading, STDIN, sys.stdin.buffer.read())
        elif Path(given).is_dir():
            _read_folder(reading, given)
        elif Path(given).exists():
            _read_file(reading, given)
        else:
            raise UsageError(f"there is no {given}", "name files or folders of manifests, or - for standard input")
    return reading


def _read_folder(reading: Reading, folder: str) -> None:
    def closed(error: OSError) -> None:
        path = str(error.filename)
        reading.tell("document-unreadable", path, 1, f"{path} cannot be read: {error.strerror}")

    for where, folders, files in os.walk(folder, onerror=closed):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        if CHART in files:
            folders.clear()
            reading.unrendered(str(Path(where) / CHART), 1, where)
            continue
        built = _kustomization(Path(where), files)
        reading.tagged |= {str(one.get("name")) for one in rows(built, "images") if "newTag" in one or "digest" in one}
        skipped = _only_change(built)
        for name in sorted(files):
            if (name.endswith(SUFFIXES) or name in KUSTOMIZATIONS) and name not in skipped:
                path = Path(where) / name
                if path.is_file():  # a link may lead to a device, which never ends
                    _read_file(reading, str(path))
                else:
                    reading.others[NO_TEXT] += 1


def _kustomization(where: Path, files: Sequence[str]) -> Raw:
    """That of a folder; empty without one, and where it cannot be read."""
    path = next((where / one for one in KUSTOMIZATIONS if one in files), None)
    try:
        text = path.read_bytes().decode("utf-8-sig") if path is not None and path.is_file() else ""
        given: Any = next((value for _, value, _ in documents(text)), None)
    except (OSError, *UNREADABLE):
        return {}
    return given if isinstance(given, Mapping) else {}


def _only_change(built: Raw) -> set[str]:
    """The files of a kustomization's folder that only change other objects."""
    lists = [built.get(key) for key in CHANGES]
    parts = [one for some in lists if isinstance(some, list) for one in some]
    named = [one.get("path") if isinstance(one, Mapping) else one for one in parts]
    return {Path(one).name for one in named if isinstance(one, str) and "\n" not in one}


def _read_file(reading: Reading, path: str) -> None:
    if Path(path).name in KUSTOMIZATIONS:
        reading.unbuilt(path)
        return
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        reading.tell("document-unreadable", path, 1, f"{path} cannot be read: {error.strerror}")
        return
    _read_text(reading, path, data)


def _read_text(reading: Reading, path: str, data: bytes) -> None:
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8").replace(BYTE_ORDER_MARK, "")
    except UnicodeDecodeError:
        reading.others[NO_TEXT] += 1
        return
    for line, chunk in chunks(text):
        try:
            for at, value, lines in documents(chunk):
                if ACTION.search(chunk) and not _holds_text(value):
                    reading.unrendered(path, line + at, _chart(path))
                elif value is not None:
                    _take(reading, path, cleaned(value), line + at, [line + one for one in lines])
        except UNREADABLE as error:
            _unreadable(reading, path, line, chunk, error)


def _holds_text(value: Any) -> bool:
    """Whether it is of a kind in which other programs' files stand, templates among them."""
    return isinstance(value, Mapping) and value.get("kind") in ("ConfigMap", "Secret")


def _take(reading: Reading, path: str, value: Any, line: int, lines: list[int]) -> None:
    """Take the objects of a document."""
    for one, at in objects(value, line, lines):
        if one is None:
            reading.others[NO_OBJECT] += 1
        else:
            reading.manifests.append(Manifest(one, path, at))


def _unreadable(reading: Reading, path: str, line: int, chunk: str, error: Exception) -> None:
    if "{{" in chunk:
        reading.unrendered(path, line, _chart(path))
    elif "apiVersion" in chunk and "kind" in chunk:
        begins = line + chunk.startswith(("\n", "\r\n"))
        reading.tell("document-unreadable", path, begins, f"{path} cannot be read: {reason(error, line)}")
    else:
        reading.others[NO_OBJECT] += 1


def _chart(path: str) -> str:
    """The folder of the chart that a template is of, by where charts have them."""
    folder = Path(path).parent
    return str(folder.parent) if folder.name == "templates" and path != STDIN else "CHART"
