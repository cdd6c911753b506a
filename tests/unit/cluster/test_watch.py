"""What a watch is made of: decoding, the store, the heartbeat."""

import itertools
import json
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.cluster.watch.decoder import BadFrame, Frame, cut_page, lines, read_frame
from chaos.cluster.watch.heartbeat import Listed, behind
from chaos.cluster.watch.store import LOOK_S, State, Store

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


def _state(name: str, *, event: bool = False) -> State:
    obj = f'{{"metadata":{{"name":"{name}"}}}}'
    return State((f'{{"type":"ADDED","object":{obj}}}' if event else obj).encode(), event=event)


def _names(store: Store) -> set[str]:
    return {obj["metadata"]["name"] for obj in store.objects("Pod")}


def test_listed_and_watched_objects_look_the_same() -> None:
    """Whether it came in a list or an event, an object says its kind and version."""
    store = Store(["Pod"])
    store.put("Pod", "1", _state("a"))
    listed = store.objects("Pod")
    store.put("Pod", "1", _state("a", event=True))
    assert listed == store.objects("Pod") == ({"metadata": {"name": "a"}, "kind": "Pod", "apiVersion": "v1"},)


def test_a_new_list_replaces_everything() -> None:
    """What the list lacks is gone; what it has stays."""
    store = Store(["Pod"])
    store.put("Pod", "1", _state("a"))
    store.put("Pod", "2", _state("b"))
    store.replace("Pod", {"2": _state("b"), "3": _state("c")})
    assert _names(store) == {"b", "c"}
    store.drop("Pod", "3")
    store.drop("Pod", "never")
    assert _names(store) == {"b"}


def test_a_change_wakes_who_waits() -> None:
    """The wait ends with the change, not with the deadline."""
    store = Store(["Pod"])
    changer = threading.Timer(0.05, store.put, ("Pod", "1", _state("a")))
    changer.start()
    assert store.wait_for(lambda: _names(store) == {"a"}, 30)
    changer.join()


def test_a_change_during_the_look_is_not_missed() -> None:
    """What changes between the look and the sleep is looked at again."""
    store = Store(["Pod"])

    def look() -> bool:
        if not _names(store):
            store.put("Pod", "1", _state("a"))
            return False
        return True

    assert store.wait_for(look, 30)


def test_in_vain_is_false_after_the_deadline() -> None:
    """Nothing changes: false, and no earlier than the deadline."""
    began = time.monotonic()
    assert not Store(["Pod"]).wait_for(lambda: False, 0.1)
    assert time.monotonic() - began >= 0.1


def test_what_the_predicate_raises_is_passed_on() -> None:
    """A broken harness is not a wait in vain."""
    with pytest.raises(ZeroDivisionError):
        Store(["Pod"]).wait_for(lambda: 1 / 0, 30)


def test_a_storm_of_changes_is_looked_at_now_and_then() -> None:
    """Ten thousand changes cost a waiter few looks, and the last change is seen all the same."""
    store, looks = Store(["Pod"]), []

    def storm() -> None:
        for _ in range(10_000):
            store.put("Pod", "1", _state("a"))
        store.put("Pod", "1", _state("z"))

    def look() -> bool:
        looks.append(1)
        return _names(store) == {"z"}

    began = time.monotonic()
    thread = threading.Thread(target=storm)
    thread.start()
    assert store.wait_for(look, 30)
    thread.join()
    assert len(looks) <= (time.monotonic() - began) / LOOK_S + 2


LISTED = Listed(100, {"a": 40, "b": 90})


@pytest.mark.parametrize(
    ("known", "owes"),
    [
        ({"a": 40, "b": 90}, False),
        ({"a": 41, "b": 95}, False),  # changed since the list was made
        ({"a": 40, "b": 80}, True),  # a state that never came
        ({"a": 40}, True),  # an object that never came
        ({"a": 40, "b": 90, "c": 70}, True),  # a deletion that never came
        ({"a": 40, "b": 90, "c": 101}, False),  # made since the list was made
        ({}, True),
    ],
)
def test_a_watch_is_behind_if_it_owes_a_state_or_a_deletion(known: dict[str, int], *, owes: bool) -> None:
    """What happened after the list is nobody's debt; everything in it is."""
    assert behind(known, 99, LISTED) is owes


def test_of_an_empty_list_nothing_is_owed() -> None:
    """An idle kind is no dead watch."""
    assert not behind({}, 0, Listed(100, {}))


def test_what_was_listed_and_is_gone_again_is_not_owed() -> None:
    """Its deletion came with a later resourceVersion, so the watch is past the list."""
    assert not behind({"b": 90}, 101, LISTED)
    assert behind({"b": 90}, 99, LISTED)
