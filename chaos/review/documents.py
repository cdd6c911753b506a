"""Cuts text into documents, and documents into objects: YAML of many documents, Lists, JSON, whatever line ends."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

__all__ = ["UNREADABLE", "chunks", "cleaned", "documents", "objects", "reason"]

YAML = "tag:yaml.org,2002:"
NO_BASE_60 = (f"{YAML}int", f"{YAML}float")
TEXT = (f"{YAML}timestamp", f"{YAML}value")


def _as_kubectl_reads(base: Any) -> Any:
    """A loader of PyYAML's that takes plain scalars as go-yaml does: no dates, no `=`, no numbers to the base of 60."""
    resolvers = {
        first: [
            (tag, re.compile(rf"(?!.*:)(?:{known.pattern})", re.VERBOSE) if tag in NO_BASE_60 else known)
            for tag, known in some
            if tag not in TEXT
        ]
        for first, some in base.yaml_implicit_resolvers.items()
    }
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers})


SLOW: Any = _as_kubectl_reads(yaml.SafeLoader)
FAST: Any = _as_kubectl_reads(getattr(yaml, "CSafeLoader", yaml.SafeLoader))
"""libyaml's parser where PyYAML was built with it: ten times as fast."""

UNFIT = (LookupError, AttributeError, TypeError, ArithmeticError)
"""What PyYAML raises for a tag with a value that is not of its kind: `!!bool maybe`, `!!timestamp soon`, `!!int ""`."""

UNREADABLE = (yaml.YAMLError, ValueError, RecursionError, *UNFIT)
"""What reading a document may raise."""

SOLID = re.compile(r"\S")
MARK = re.compile(r"^---(?=\s|\Z)", re.MULTILINE)
DIRECTIVE = re.compile(r"^%.*", re.MULTILINE)

BRACKET, INDENT = re.compile(r"[\[\]{}]"), re.compile(r"^[ ?:-]{1000}", re.MULTILINE)
DEPTH_MAX = 500
"""libyaml's binding calls itself for each level, unchecked; deeper, the slow parser says that it is too much."""

PARTS_MAX = 2_000_000
"""Of one document, aliases counted each time: a few lines of aliases can mean more than fits into memory."""

BITS_MAX = 64
"""Of a number: no field of the API holds more, and Python writes only so many digits."""


def chunks(text: str) -> Iterator[tuple[int, str]]:
    """The parts between document marks, each with its first line from 1: one that is broken spoils no other."""
    line, begin = 1, 0
    for mark in (*MARK.finditer(text), None):
        end = len(text) if mark is None else mark.start()
        part = text[begin:end]
        yield line, part if begin else DIRECTIVE.sub("", part)
        line += part.count("\n")
        begin = end if mark is None else mark.end()


def documents(chunk: str) -> Iterator[tuple[int, Any, list[int]]]:
    """Each document with the line on which it begins, from 0, and those of its items if it is a List.

    Raises one of `UNREADABLE`.
    """
    text = chunk.lstrip()
    if text[:1] in ("{", "["):
        try:
            found = list(_json_values(chunk))
        except ValueError:
            pass  # YAML may begin so, too
        else:
            yield from found
            return
    loader = (SLOW if _nests(chunk) else FAST)(chunk)
    try:
        while loader.check_node():
            node = loader.get_node()
            yield node.start_mark.line, loader.construct_document(node), _lines_of_items(node)
    finally:
        loader.dispose()


def _json_values(chunk: str) -> Iterator[tuple[int, Any, list[int]]]:
    """One value of JSON, or several one after the other, as programs write them into a stream."""
    decoder, line, end = json.JSONDecoder(), 0, 0
    while begin := SOLID.search(chunk, end):
        line += chunk.count("\n", end, begin.start())
        value, after = decoder.raw_decode(chunk, begin.start())
        yield line, value, []
        line += chunk.count("\n", begin.start(), after)
        end = after


def _nests(chunk: str) -> bool:
    """Whether text may nest deeper than `DEPTH_MAX`; brackets in text count, too."""
    if chunk.count("[") + chunk.count("{") > DEPTH_MAX:
        depth = 0
        for mark in BRACKET.finditer(chunk):
            depth += 1 if mark[0] in "[{" else -1
            if depth > DEPTH_MAX:
                return True
    return INDENT.search(chunk) is not None


def _lines_of_items(node: Any) -> list[int]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    held = next((value for key, value in pairs if key.value == "items"), None)
    return [one.start_mark.line for one in held.value] if isinstance(held, yaml.SequenceNode) else []


def cleaned(value: Any) -> Any:
    """The value as the API server reads it: without nulls, with text as keys. Raises `ValueError` for too much."""
    return _cleaned(value, {})[0]


def _cleaned(value: Any, known: dict[int, tuple[Any, int]]) -> tuple[Any, int]:
    """The same, and of how many parts it is. What occurs twice is cleaned once."""
    if isinstance(value, int) and value.bit_length() > BITS_MAX:
        return hex(value), 1
    if isinstance(value, str | int | float):
        return value, 1
    if not isinstance(value, Mapping | list):
        return str(value), 1
    if id(value) not in known:
        if isinstance(value, Mapping):
            pairs = {str(key): _cleaned(one, known) for key, one in value.items() if one is not None}
            made: Any = {key: one for key, (one, _) in pairs.items()}
            size = 1 + sum(number for _, number in pairs.values())
        else:
            parts = [_cleaned(one, known) for one in value if one is not None]
            made = [one for one, _ in parts]
            size = 1 + sum(number for _, number in parts)
        if size > PARTS_MAX:
            raise ValueError(f"more than {PARTS_MAX} parts")
        known[id(value)] = made, size
    return known[id(value)]


def objects(value: Any, line: int, lines: list[int]) -> Iterator[tuple[Mapping[str, Any] | None, int]]:
    """The objects of a document, each with its line; None for what is no Kubernetes object."""
    if isinstance(value, list):
        value = {"kind": "List", "items": value}
    if not isinstance(value, Mapping):
        yield None, line
        return
    kind, items = str(value.get("kind") or ""), value.get("items")
    if isinstance(items, list) and (not kind or kind.endswith("List")):
        for index, one in enumerate(items):
            typed = {"apiVersion": value.get("apiVersion", ""), "kind": kind.removesuffix("List")}
            inner = {**typed, **one} if isinstance(one, Mapping) and kind not in ("", "List") else one
            yield from objects(inner, lines[index] if index < len(lines) else line, [])
        return
    metadata = value.get("metadata")
    yield value if kind and isinstance(metadata, Mapping) and metadata.get("name") else None, line


def reason(error: Exception, line: int) -> str:
    """Why a document that begins on this line cannot be read, in one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {line + error.problem_mark.line}: {error.problem}"
    if isinstance(error, UNFIT):
        return "a value is not what its tag says"
    return "it nests too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
