"""Cutting the server's bytes: the quick way reads what the full parser reads, however the bytes are chunked."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.cluster.watch.decoder import BadFrame, Frame, cut_page, lines, read_frame

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


def _event(type_: str = "MODIFIED", **metadata: Any) -> dict[str, Any]:
    known = {"name": "model-0", "namespace": "ns", "uid": "u-1", "resourceVersion": "12"} | metadata
    return {"type": type_, "object": {"kind": "Pod", "apiVersion": "v1", "metadata": known}}


def _bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@given(st.lists(TEXT.map(lambda text: _bytes({"text": text})), max_size=8), st.data())
def test_lines_do_not_depend_on_the_chunks(sent: list[bytes], data: st.DataObject) -> None:
    """However a stream is cut into chunks, in the middle of a character too, the same lines come out."""
    stream = b"".join(line + b"\n" for line in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    bounds = [0, *cuts, len(stream)]
    chunks = [stream[begin:end] for begin, end in itertools.pairwise(bounds)]
    assert list(lines(chunks)) == sent


def test_a_line_that_never_ended_is_left_out() -> None:
    """What a broken connection left half-way is no line."""
    assert list(lines([b'{"a":1}\n{"b":', b'2}\n{"c"'])) == [b'{"a":1}', b'{"b":2}']


@given(TEXT, TEXT, st.sampled_from(["ADDED", "MODIFIED", "DELETED"]), st.booleans())
def test_the_quick_way_reads_what_the_parser_reads(name: str, uid: str, type_: str, generated: bool) -> None:  # noqa: FBT001
    """Any names and UIDs, also such as need escapes or look like fields, are read as a JSON parser reads them."""
    metadata = {"name": name} | ({"generateName": name} if generated else {}) | {"uid": uid or "u"}
    event = {
        "type": type_,
        "object": {"kind": "Pod", "apiVersion": "v1", "metadata": metadata | {"resourceVersion": "7"}},
    }
    assert read_frame(_bytes(event)) == Frame(type_, uid or "u", "7")


def test_fields_inside_an_object_are_not_mistaken_for_its_own() -> None:
    """An annotation that spells out another object's UID and version changes nothing."""
    forged = '{"type":"DELETED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","uid":"forged"'
    event = _event(annotations={"last": forged, "uid": "forged", "resourceVersion": "99"})
    assert read_frame(_bytes(event)) == Frame("MODIFIED", "u-1", "12")


def test_fields_in_another_order_are_found() -> None:
    """A custom resource sorts its fields by name; it is read all the same."""
    event = {
        "object": {"metadata": {"annotations": {"uid": "no"}, "resourceVersion": "5", "uid": "u"}},
        "type": "ADDED",
    }
    assert read_frame(_bytes(event)) == Frame("ADDED", "u", "5")


def test_a_bookmark_has_a_version_and_no_uid() -> None:
    """A bookmark carries an object that has nothing but a resourceVersion."""
    event = {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": "12746"}, "status": {}}}
    assert read_frame(_bytes(event)) == Frame("BOOKMARK", "", "12746")


def test_an_error_carries_the_servers_status() -> None:
    """An ERROR event's object is a Status, which is handed on whole."""
    status = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired"}
    assert read_frame(_bytes({"type": "ERROR", "object": status})).status == status


@pytest.mark.parametrize(
    "line", [b"<html>", b"{}", b"[]", b'{"type":"ADDED"}', b'{"type":"ADDED","object":{}}', b"\xff"]
)
def test_what_is_no_event_is_refused(line: bytes) -> None:
    """A gateway's error page or half an object is never taken for an event."""
    with pytest.raises(BadFrame, match="no watch event"):
        read_frame(line)


def test_a_page_is_cut_into_the_bytes_of_its_objects() -> None:
    """Objects keep every byte: numbers, escapes and order as the server wrote them."""
    first = rb'{"metadata":{"uid":"u-1","name":"\u00e4"},"n":1.50,"m":1e3}'
    second = b'{ "metadata" : {"uid":"u-2"} , "text":"],},{"}'
    body = b'{"kind":"PodList","metadata":{"resourceVersion":"9","continue":"abc"},"items":[%b , %b]}\n' % (
        first,
        second,
    )
    page = cut_page(body)
    assert (page.rv, page.following) == ("9", "abc")
    assert [(item.uid, item.raw) for item in page.items] == [("u-1", first), ("u-2", second)]


@given(st.lists(TEXT, max_size=5), st.sampled_from([None, 1]))
def test_a_page_holds_what_a_parser_finds(names: list[str], indent: int | None) -> None:
    """Compact or indented, the objects are those of the JSON, and each is one line."""
    items = [{"metadata": {"uid": f"u-{n}", "name": name}} for n, name in enumerate(names)]
    body = json.dumps({"items": items, "metadata": {"resourceVersion": "1"}}, indent=indent).encode()
    page = cut_page(body)
    assert [json.loads(item.raw) for item in page.items] == items
    assert not any(b"\n" in item.raw for item in page.items)


def test_a_list_without_items_is_empty() -> None:
    """Some servers write null for no objects."""
    assert cut_page(b'{"metadata":{"resourceVersion":"1"},"items":null}').items == ()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"items":[}', b'{"items":[]}', b'{"metadata":{}', b"\xff\xfe"]
)
def test_what_is_no_list_is_refused(body: bytes) -> None:
    """Half a list is never taken for a whole one."""
    with pytest.raises(BadFrame, match="no list"):
        cut_page(body)
