"""Display names for figures, pages and terminals, made from names that may hold anything."""

import unicodedata
from collections.abc import Sequence

_UNPRINTABLE = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


def display_names(ids: Sequence[str], names: Sequence[str], characters: int) -> list[str]:
    """Return one printable display name a class, at most ``characters`` long, no two alike.

    The name, or the id where there is none. A long one keeps its beginning and its end, since species of one
    genus begin alike. Those that would be equal get their id too. Control characters and text-direction
    overrides, which can break an SVG or a layout, become spaces.
    """
    clean_ids = [printable(text) for text in ids]
    full = [printable(name) or clean for name, clean in zip(names, clean_ids, strict=True)]
    short = [_abbreviated(text, characters) for text in full]
    labels = [
        text if short.count(text) == 1 else _with_id(name, clean, characters)
        for text, name, clean in zip(short, full, clean_ids, strict=True)
    ]
    numbered = (_with_id(text, str(number), characters) for number, text in enumerate(labels, 1))
    return [
        text if labels.count(text) == 1 else with_number for text, with_number in zip(labels, numbered, strict=True)
    ]


def printable(text: str) -> str:
    """Return a text in one line, without the characters that could move a cursor or turn the text around."""
    joiners = "\u200c\u200d"
    kept = (c if c in joiners or unicodedata.category(c) not in _UNPRINTABLE else " " for c in text)
    return " ".join("".join(kept).split())


def escaped(text: str) -> str:
    """Return a text in one line that nothing in it can move, turn around or colour: such characters as Python writes
    them, ``\\n`` and ``\\x1b``. So is what a name has that is not UTF-8. Any other text is returned as it is.
    """
    joiners = "\u200c\u200d"
    return "".join(c if c in joiners or unicodedata.category(c) not in _UNPRINTABLE else ascii(c)[1:-1] for c in text)


def _abbreviated(text: str, characters: int) -> str:
    if len(text) <= characters:
        return text
    tail = (characters - 1) // 2
    return text[: characters - 1 - tail].rstrip() + "…" + text[len(text) - tail :].lstrip()


def _with_id(name: str, class_id: str, characters: int) -> str:
    suffix = f" [{_abbreviated(class_id, max(3, characters // 2))}]"
    return _abbreviated(name, max(3, characters - len(suffix))) + suffix
