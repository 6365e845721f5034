"""What holds is kept, what does not is computed, on a container of a few lines."""

import json
from contextlib import contextmanager

import pytest

from dawnchorus.foundation import incremental
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import write_whole


class Opened:
    """A JSON file of {name: [signature, value]}; a value of None is damage."""

    def __init__(self, path):
        try:
            self.entries = json.loads(path.read_text())
        except ValueError:
            raise InputError(f"{path.name}: no JSON") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __iter__(self):
        return iter(self.entries)

    def signature(self, name):
        return self.entries[name][0] if name in self.entries else None


class Written(dict):
    def copy(self, name, old):
        if old.entries[name][1] is None:
            raise InputError(f"{name} is damaged")
        self[name] = old.entries[name]


@contextmanager
def written(path):
    entries = Written()
    with write_whole(path) as file:
        yield entries
        json.dump(entries, file)


def update(path, wanted, elsewhere=incremental.nowhere):
    """Update a file with items {name: value}; return what was done, what was computed, and what was said."""
    computed, said, steps = [], [], []

    def compute(item, signature, writer):
        computed.append(item)
        writer[item[0]] = [signature, item[1]]

    items = [(name, (name, value)) for name, value in wanted.items()]
    made = incremental.updating(
        path, items, lambda item: f"of {item[1]}", Opened, written, compute, said.append, steps.append, elsewhere
    )
    done = incremental.ended(made)
    assert [name for name, _ in steps] == list(json.loads(path.read_text())) == list(wanted)
    assert {name: value for name, (_, value) in json.loads(path.read_text()).items()} == wanted
    return done, [name for name, _ in computed], said


def test_an_entry_is_computed_once_and_again_when_its_signature_changes(tmp_path):
    path = tmp_path / "store"
    assert update(path, {"a": 1, "b": 2, "c": 3}) == (incremental.Done(3, 0, ()), ["a", "b", "c"], [])
    assert update(path, {"a": 1, "b": 2, "c": 3}) == (incremental.Done(0, 3, ()), [], [])
    assert update(path, {"c": 3, "b": 5, "d": 4}) == (incremental.Done(2, 1, ("a",)), ["b", "d"], [])
    assert update(path, {}) == (incremental.Done(0, 0, ("b", "c", "d")), [], [])
    assert str(incremental.Done(2, 1, ("a",))) == "2 computed, 1 kept from before, 1 no longer needed"


def test_entries_are_taken_from_elsewhere(tmp_path):
    path, first, second = (tmp_path / name for name in ("store", "first", "second"))
    update(first, {"a": 1, "b": 2, "c": 3, "x": 9})
    update(second, {"c": 4, "d": 5})
    first.write_text(first.read_text().replace('["of 2", 2]', '["of 2", null]'))
    before = first.read_bytes(), second.read_bytes()
    asked = []

    def elsewhere(name):
        asked.append(name)
        return [tmp_path / "none", first, second]

    # Of b the bytes are damaged, of c the first file has another; whatever else is there is not of this file.
    done, computed, said = update(path, {"a": 1, "b": 2, "c": 4, "d": 5, "e": 6}, elsewhere)
    assert (done, computed) == (incremental.Done(2, 3, ()), ["b", "e"])
    assert said == ["b is damaged; making b again"]
    assert (first.read_bytes(), second.read_bytes()) == before
    asked.clear()
    assert update(path, {"a": 1, "b": 3}, elsewhere)[0] == incremental.Done(1, 1, ("c", "d", "e"))
    assert asked == ["b"]


def test_damage_costs_only_what_is_damaged(tmp_path):
    path = tmp_path / "store"
    update(path, {"a": 1, "b": 2})
    path.write_text(json.dumps({"a": ["of 1", None], "b": ["of 2", 2]}))
    done, computed, said = update(path, {"a": 1, "b": 2})
    assert (done.n_kept, computed, said) == (1, ["a"], ["a is damaged; making a again"])
    path.write_text("{half")
    done, computed, said = update(path, {"a": 1, "b": 2})
    assert (done.n_kept, computed, said) == (0, ["a", "b"], ["store: no JSON; starting over"])


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "store"
    update(path, {"a": 1})
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        incremental.ended(incremental.updating(path, [("b", 2)], str, Opened, written, lambda *_: 1 / 0, print))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["store"]


def test_one_that_is_closed_before_its_end_leaves_the_old_file(tmp_path):
    path, computed = tmp_path / "store", []
    update(path, {"a": 1})
    before = path.read_bytes()

    def compute(item, signature, writer):
        computed.append(item)

    made = incremental.updating(path, [("b", 2), ("c", 3)], str, Opened, written, compute, print)
    next(made)
    made.close()
    assert computed == [2]
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["store"]
