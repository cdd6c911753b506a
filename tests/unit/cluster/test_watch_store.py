"""The store state and waiting on it, without a cluster."""

from __future__ import annotations

import threading
import time

import pytest

from chaos.cluster.watch.store import LOOK_S, State, Store


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
