"""A YAML file as data, and nothing else: the values that DVC reads in it, or one line that says what is wrong with it.

DVC reads params.yaml with ruamel.yaml, as YAML 1.2; so the same parser and the same resolver are used here. A number
that people and other readers (YAML 1.1, such as PyYAML) take for another one than DVC does is refused, with a line that
says what to write instead (`010`, `1_000`, `0x1F`); so are dates. So is what no file of values needs: aliases, anchors
(a small file can stand for gigabytes), tags, merge keys, several documents, numbers that are not finite. No file runs
anything, and none takes more memory or time than its size allows.
"""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError

from dawnchorus.foundation import given_files
from dawnchorus.foundation.errors import InputError, shown

LARGEST_BYTES, MOST_VALUES, DEEPEST = 1_000_000, 20_000, 20

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 40
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Line breaks to libyaml, with which DVC reads where it is installed, and text to ruamel.yaml's own parser.
_LINE_BREAK = re.compile("[\x85\u2028\u2029]")
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """The values of a file, and in which line each key stands: ``lines["train.epochs"]``."""

    values: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)


def read(path: str | os.PathLike, source: str = "") -> Document:
    """Read a file of keys and values; anything wrong with it raises :class:`InputError`, one line ``path:line: ...``.

    ``source``: how messages call the file, if not by its path.
    """
    source = source or str(path)
    if fault := given_files.fault_of_file(path):
        raise InputError(f"{source}: {fault}; expected a YAML file of keys and values")
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{source}: {error.strerror or error}; expected a YAML file of keys and values") from None
    return parse(content, source)


def parse(content: bytes, source: str) -> Document:
    """Return what a file with this content holds; ``source`` is how messages call it."""
    if len(content) > LARGEST_BYTES:
        raise InputError(f"{source}: more than {LARGEST_BYTES:,} bytes; expected a file of keys and values")
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{source}:{line}: byte 0x{content[error.start]:02X} is not UTF-8; expected a file saved as UTF-8"
        ) from None
    # As DVC opens the file.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if found := _LINE_BREAK.search(text):
        line = text.count("\n", 0, found.start()) + 1
        character = f"character U+{ord(found[0]):04X}"
        raise InputError(f"{source}:{line}: {character}, a line break to some programs; expected none")
    return _Reader(source).document(text)


class _Reader:
    """Builds values from the events of the parser, so that no alias is ever followed."""

    def __init__(self, source: str):
        self._source = source
        self._yaml = YAML(typ="safe", pure=True)
        self._lines: dict[str, int] = {}
        self._n_values = 0

    def document(self, text: str) -> Document:
        try:
            events = self._events(text)
            kind, first = next(events)
            if kind == "StreamEnd" or (kind, getattr(first, "value", None)) == ("Scalar", ""):
                raise InputError(f"{self._source}: empty; expected blocks of keys and values")
            values = self._value(kind, first, events, ())
            if not isinstance(values, dict):
                found = "a list" if isinstance(values, list) else shown(values)
                raise self._error(first, (), f"{found}; expected blocks of keys and values")
            for _, event in events:
                raise self._error(event, (), "a second document; expected one")
        except ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            code = error.character if isinstance(error.character, int) else ord(error.character)
            raise InputError(f"{self._source}:{line}: character U+{code:04X}; expected text") from None
        except MarkedYAMLError as error:
            raise InputError(self._of_parser(error)) from None
        except (YAMLError, ValueError, RecursionError) as error:
            raise InputError(f"{self._source}: no YAML: {shown(str(error))}") from None
        return Document(values, self._lines)

    def _of_parser(self, error: MarkedYAMLError) -> str:
        mark, problem = error.problem_mark or error.context_mark, str(error.problem or error.context or "")
        line = f":{mark.line + 1}" if mark else ""
        if "\\t" in problem or "\t" in problem:
            return f"{self._source}{line}: a tab; expected spaces, which YAML indents by"
        context = f", {shown(error.context, quotes=False)}" if error.context and error.context != problem else ""
        if error.context_mark and context and error.context_mark.line != (mark.line if mark else -1):
            context += f" in line {error.context_mark.line + 1}"
        return f"{self._source}{line}: no YAML: {shown(problem, quotes=False)}{context}; expected keys and values"

    def _events(self, text: str) -> Iterator[tuple[str, Any]]:
        """Yield every event that is a value or ends one, with its name; what values do not need is refused."""
        for event in self._yaml.parse(text):
            name = type(event).__name__.removesuffix("Event")
            if name == "DocumentStart" and (event.version or event.tags):
                raise self._error(event, (), "a directive (%YAML or %TAG); expected none")
            if name not in ("StreamStart", "DocumentStart", "DocumentEnd", "StreamEnd"):
                self._n_values += 1
                if self._n_values > MOST_VALUES:
                    raise self._error(event, (), f"more than {MOST_VALUES:,} values; expected fewer")
                yield name, event
        # A file without a document has no other event.
        if not self._n_values:
            yield "StreamEnd", None

    def _error(self, event: Any, path: tuple[str, ...], said: str) -> InputError:
        key = f"{_dotted(path)}: " if path else ""
        return InputError(f"{self._source}:{event.start_mark.line + 1}: {key}{said}")

    def _value(self, kind: str, event: Any, events: Iterator[tuple[str, Any]], path: tuple[str, ...]) -> Any:
        if kind == "Alias":
            raise self._error(event, path, f"*{event.anchor}, an alias; expected the value itself")
        if event.anchor is not None:
            raise self._error(event, path, f"&{event.anchor}, an anchor; expected the value alone")
        if event.tag is not None:
            raise self._error(event, path, f"{shown(str(event.tag))}, a tag; expected the value alone")
        if kind == "Scalar":
            return self._scalar(event, path)
        if len(path) == DEEPEST:
            raise self._error(event, path[:3], f"nested more than {DEEPEST} deep; expected a value")
        if kind == "SequenceStart":
            found = []
            while (of_item := next(events))[0] != "SequenceEnd":
                found.append(self._value(*of_item, events, (*path, "[]")))
            return found
        return self._mapping(events, path)

    def _mapping(self, events: Iterator[tuple[str, Any]], path: tuple[str, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        while (of_key := next(events))[0] != "MappingEnd":
            kind, event = of_key
            if kind != "Scalar" or event.tag is not None or event.anchor is not None:
                raise self._error(event, path, "a key that is no plain text; expected a name")
            key, line = event.value, event.start_mark.line + 1
            where = (*path, key)
            if event.style is None and (tag := self._tag(key)) != "str":
                if tag == "merge":
                    raise self._error(event, path, "<<, a merge key; expected the keys themselves")
                raise self._error(event, path, f"{shown(key, quotes=False)}: a key that is no text; expected a name")
            if not key:
                raise self._error(event, path, "a key without a name; expected a name")
            if not key.isprintable():
                raise self._error(event, path, f"{shown(key)}: an unprintable character in a key; expected a name")
            if key in found:
                raise self._error(event, where, f"given twice, first in line {first_lines[key]}; expected once")
            first_lines[key] = line
            self._lines.setdefault(".".join(where), line)
            found[key] = self._value(*next(events), events, where)
        return found

    def _scalar(self, event: Any, path: tuple[str, ...]) -> Any:
        text = event.value
        if _CONTROL.search(text):
            raise self._error(event, path, f"{shown(text)}: a control character; expected text or a number")
        if event.style is not None:
            return text
        tag = self._tag(text)
        if tag == "str":
            return text
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() == "true"
        if tag == "int" and _INTEGER.fullmatch(text) and len(text) <= _LONGEST_NUMBER:
            return int(text)
        if tag == "float" and _NUMBER.fullmatch(text) and len(text) <= _LONGEST_NUMBER:
            if math.isfinite(number := float(text)):
                return number
            raise self._error(event, path, f"{text}: too large for a number; expected a finite one")
        raise self._error(event, path, f"{shown(text, quotes=False)}: {self._hint(tag, text)}")

    def _tag(self, text: str) -> str:
        """Return what DVC takes a plain word for."""
        return str(self._yaml.resolver.resolve(ScalarNode, text, (True, False))).removeprefix(_TAG)

    def _hint(self, tag: str, text: str) -> str:
        """Say what to write instead of a plain word that not everybody reads alike."""
        as_text = f'"{text}" for text' if len(text) <= _LONGEST_NUMBER else "text in quotes"
        if tag not in ("int", "float"):
            return f"{'a date' if tag == 'timestamp' else 'not a value'} in YAML; expected a number, or {as_text}"
        if len(text) > _LONGEST_NUMBER:
            return f"a number of {len(text)} characters; expected at most {_LONGEST_NUMBER}"
        try:
            number = YAML(typ="safe", pure=True).load(text)
        except (YAMLError, ValueError):
            return f"no number; expected a decimal one, or {as_text}"
        if not math.isfinite(number):
            return "not finite; expected a finite number"
        return f"a number that not every program reads alike; expected {number!r}, or {as_text}"


def _dotted(path: tuple[str, ...]) -> str:
    """Return a key as messages name it."""
    return shown(".".join(part for part in path if part != "[]"), quotes=False)
