"""YAML as data: what DVC reads, or one line; nothing runs, nothing hangs, nothing grows."""

import contextlib
import io
import os
import random
import time

import pytest
from dvc.utils.serialize import YAMLError, dumps_yaml, parse_yaml
from ruamel.yaml import YAML

from dawnchorus.foundation import strict_yaml
from dawnchorus.foundation.errors import InputError


def line_of(content: str | bytes) -> str:
    """Return the one line that says what is wrong with a file of this content, without the file's name."""
    content = content.encode() if isinstance(content, str) else content
    with pytest.raises(InputError) as caught:
        strict_yaml.parse(content, "params.yaml")
    (line,) = str(caught.value).splitlines()
    assert line.startswith("params.yaml:")
    return line.removeprefix("params.yaml:")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", " empty; expected blocks of keys and values"),
        ("# only a comment\n\n", " empty; expected blocks of keys and values"),
        ("---\n", " empty; expected blocks of keys and values"),
        ("- a\n- b\n", "1: a list; expected blocks of keys and values"),
        ("# x\nfive\n", '2: "five"; expected blocks of keys and values'),
        ("seed: 1\n---\nseed: 2\n", "3: a second document; expected one"),
        ("seed: 1\ntrain:\n\tepochs: 5\n", "3: a tab; expected spaces, which YAML indents by"),
        (b"seed: 1\nname: caf\xe9\n", "2: byte 0xE9 is not UTF-8; expected a file saved as UTF-8"),
        ("seed: 1\n".encode("utf-16"), "1: byte 0xFF is not UTF-8; expected a file saved as UTF-8"),
        ("seed: 1\nname: a\x85b: 2\n", "2: character U+0085, a line break to some programs; expected none"),
        ("seed: 1\nname: a\u2028b: 2\n", "2: character U+2028, a line break to some programs; expected none"),
        ("seed: 1\nname: a\u2029b: 2\n", "2: character U+2029, a line break to some programs; expected none"),
        ("seed: 1\nname: \x00\n", "2: character U+0000; expected text"),
        ('seed: 1\nname: "\\0"\n', '2: name: "\\u0000": a control character; expected text or a number'),
        ('seed: 1\nname: "a\\e[2J"\n', '2: name: "a\\u001b[2J": a control character; expected text or a number'),
        ('name: "\\u2028"\n', '1: name: "\\u2028": a control character; expected text or a number'),
        ('name: "\\ud800"\n', '1: name: "\\ud800": a control character; expected text or a number'),
        ('train:\n  "a\\nb": 1\n', '2: train: "a\\nb": an unprintable character in a key; expected a name'),
        ('seed: 1\n"": 1\n', "2: a key without a name; expected a name"),
        ("a: [1\n", "2: no YAML: expected ',' or ']', but got '<stream end>', while parsing a flow sequence in line 1"),
        ("a: b: c\n", "1: no YAML: mapping values are not allowed here; expected keys and values"),
        ("seed: 1\ntrain: *missing\n", "2: train: *missing, an alias; expected the value itself"),
        ("train: &here\n  epochs: 5\n", "1: train: &here, an anchor; expected the value alone"),
        ("&k train: 1\n", "1: a key that is no plain text; expected a name"),
        ("train:\n  1: 2\n", "2: train: 1: a key that is no text; expected a name"),
        ("? [a]\n: 1\n", "1: a key that is no plain text; expected a name"),
        ("train:\n  epochs: 5\n  <<: {epochs: 6}\n", "3: train: <<, a merge key; expected the keys themselves"),
        ("train:\n  epochs: 5\n\n  epochs: 6\n", "4: train.epochs: given twice, first in line 2; expected once"),
        ("seed: !!int 5\n", '1: seed: "tag:yaml.org,2002:int", a tag; expected the value alone'),
        ("seed: !!python/object/apply:os.system [ls]\n", "1: seed: "),
        ("%YAML 1.1\n---\nshuffle: yes\n", "2: a directive (%YAML or %TAG); expected none"),
        ("day: 2024-01-01\n", '1: day: 2024-01-01: a date in YAML; expected a number, or "2024-01-01" for text'),
        ("a: =\n", '1: a: =: not a value in YAML; expected a number, or "=" for text'),
        ("a: 010\n", '1: a: 010: a number that not every program reads alike; expected 10, or "010" for text'),
        ("a: 1_2_3\n", '1: a: 1_2_3: a number that not every program reads alike; expected 123, or "1_2_3" for text'),
        ("a: 0x1F\n", '1: a: 0x1F: a number that not every program reads alike; expected 31, or "0x1F" for text'),
        ("a: 0o17\n", '1: a: 0o17: a number that not every program reads alike; expected 15, or "0o17" for text'),
        ("a: 0b11\n", '1: a: 0b11: a number that not every program reads alike; expected 3, or "0b11" for text'),
        ("a: 1_0.5\n", '1: a: 1_0.5: a number that not every program reads alike; expected 10.5, or "1_0.5" for text'),
        ("a:\n - [0, .nan]\n", "2: a: .nan: not finite; expected a finite number"),
        ("a: -.inf\n", "1: a: -.inf: not finite; expected a finite number"),
        ("a: 1e999\n", "1: a: 1e999: too large for a number; expected a finite one"),
        ("a: " + "9" * 5000, "1: a: 9999"),
        ("a: " + "[" * 100, "1: a: nested more than 20 deep; expected a value"),
        ("a: [" + "1," * 30_000 + "]", "1: more than 20,000 values; expected fewer"),
        ("#" * 1_000_001, " more than 1,000,000 bytes; expected a file of keys and values"),
    ],
)
def test_what_no_file_of_values_needs_is_one_line(content, expected):
    line = line_of(content)
    assert line.startswith(expected)
    assert len(line) < 250


# What YAML 1.1 and 1.2 read differently, and how DVC reads it.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-05", 1e-5),
        ("1E5", 1e5),
        ("1.e+3", 1000.0),
        (".5", 0.5),
        ("-0.0", -0.0),
        ("yes", "yes"),
        ("off", "off"),
        ("1:10", "1:10"),
        ("~", None),
        ("", None),
        ("TRUE", True),
        ("+5", 5),
        ("1.2.3", "1.2.3"),
        ("08:30", "08:30"),
        (".5e3", ".5e3"),
        ('"010"', "010"),
        ("[a, {b: 1}, null]", ["a", {"b": 1}, None]),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ("a\u0301 ö", "a\u0301 ö"),
    ],
)
def test_values_are_those_that_dvc_reads(text, value):
    for content in (f"key: {text}\n", f"\ufeffkey: {text}\n", f"key: {text}\n".replace("\n", "\r\n")):
        found = strict_yaml.parse(content.encode(), "x").values
        assert found == {"key": value}
        assert type(found["key"]) is type(value)
        assert found == parse_yaml(content.replace("\r\n", "\n"), "x")


PIECES = [
    *"0123456789+-._:eExXob~=<>,'\"#!&*?|@%{}[] ",
    "yes",
    "no",
    "null",
    "true",
    "inf",
    "nan",
    "2024-01-01",
    "0x",
    "\n",
    *("\n  ", "\n- ", "\t", "\\x41", "\\/", "\\u00e9", "\x85", "\u2028", "\U0001f426", "a:", "{a: 1}", "|\n  a", "---"),
]


@pytest.mark.long
def test_random_words_are_refused_or_read_as_dvc_does_and_stay_so_when_dvc_writes_the_file():
    """`dvc exp run -S` writes params.yaml anew: what was read before is read after."""
    draw, n_read = random.Random(0), 0
    for _ in range(3000):
        content = f"first: 1\nkey: {''.join(draw.choices(PIECES, k=draw.randint(1, 6)))}\nlast: 2\n"
        try:
            found = strict_yaml.parse(content.encode(), "x").values
        except InputError:
            continue
        n_read += 1
        assert found == parse_yaml(content, "x"), content
        written = io.StringIO()
        YAML().dump(YAML().load(content), written)
        assert strict_yaml.parse(written.getvalue().encode(), "x").values == found, content
    assert n_read > 700


def test_what_dvc_refuses_is_refused_too():
    for content in ("a: [1\n", "a: 1\na: 2\n", "a: *b\n", "a: 1\n---\na: 2\n", "\ta: 1\n"):
        with pytest.raises(YAMLError):
            parse_yaml(content, "x")
        line_of(content)


def test_dvc_writes_a_small_number_and_it_is_read_as_one():
    written = dumps_yaml({"train": {"learning_rate": 0.00001}})
    assert "1e-05" in written
    assert strict_yaml.parse(written.encode(), "x").values == {"train": {"learning_rate": 1e-5}}


def test_each_key_has_its_line():
    document = strict_yaml.parse(b"# x\nseed: 1\n\ntrain:\n  epochs: 5 # y\n  list: [{a: 1}]\n", "x")
    assert document.lines == {"seed": 2, "train": 4, "train.epochs": 5, "train.list": 6, "train.list.[].a": 6}


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)


@pytest.mark.long
@pytest.mark.parametrize(
    "content",
    [
        LAUGHS,
        "[" * 900_000,
        "{a: " * 200_000,
        "- " * 400_000,
        "? " * 400_000,
        '"' + "x" * 900_000,
        "a: '" + "\n" * 900_000,
        "x: [" + "a," * 400_000,
        "a: " + "b " * 400_000,
        "\n" * 900_000,
        "".join(f"k{n}: 1\n" for n in range(80_000)),
    ],
    ids=lambda text: repr(text[:8]),
)
def test_no_file_takes_long_or_much(content):
    started_s = time.monotonic()
    with contextlib.suppress(InputError):
        strict_yaml.parse(content.encode(), "x")
    assert time.monotonic() - started_s < 10


def test_what_is_no_regular_file_is_said_and_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, target in (("zero", "/dev/zero"), ("loop", "loop"), ("dangling", "nowhere")):
        (tmp_path / name).symlink_to(target)
    for name, expected in (
        ("pipe", "a named pipe"),
        ("folder", "a folder"),
        ("zero", "a device"),
        ("loop", "too many levels of symbolic links"),
        ("dangling", "a link to no file"),
        ("absent", "no such file"),
    ):
        with pytest.raises(InputError) as caught:
            strict_yaml.read(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: {expected}; expected a YAML file of keys and values"
