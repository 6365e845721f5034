"""What a model file says of its model, held against types and ranges: a wrong value is one line with its field."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError, create_model

from dawnchorus import networks
from dawnchorus.features import kinds
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import stretches
from dawnchorus.parameters import dataset, features, fields, presence
from dawnchorus.parameters.base import Block, value

SHOWN_CHARACTERS = 60
Size = Annotated[int, Field(ge=1, le=1_000_000)]
# Keys of the block `features` that say how clips were chosen: nobody asks a model for them.
UNREAD = {"jitter_s", "context_clips", "context_gap_s"}
# What models of other versions say besides does not matter; what is read has to be right.
_LENIENT = ConfigDict(extra="ignore")


class Class(Block):
    """One class of a model, in the order of its outputs."""

    model_config = _LENIENT
    species_id: str = value(meaning="id of the species", min_length=1, max_length=1000)
    species_name: str = value(meaning="its name", max_length=1000)


class Statistics(dataset.Dataset):
    """How clips become the input of the model: the block ``dataset`` as it was used, and what was fitted."""

    model_config = _LENIENT
    frames: int = value(meaning="length of a clip", ge=1, le=100_000)
    fit_on: Any = value(None, required=False)
    offset: list[float] = value(meaning="what is taken away, of each feature or of all", min_length=1)
    scale: list[float] = value(meaning="what is divided by, of each feature or of all", min_length=1)
    features: dict[str, Any] = value(meaning="the block features")
    feature_files: list[str] | None = value(None, "SHA-256 of each file that its kind reads", required=False)


class _Presence(presence.Presence):
    model_config = _LENIENT


class Card(Block):
    """What is read of a card, by whoever reads it."""

    model_config = _LENIENT
    classes: list[dict[str, Any]] = value(meaning="the classes", min_length=1, max_length=100_000)
    model: dict[str, Any] | None = value(None, "the block model", required=False)
    dataset: dict[str, Any] | None = value(None, "how clips become input", required=False)
    presence: dict[str, Any] | None = value(None, "the block presence", required=False)
    features: dict[str, Any] | None = value(None, "the block features, of a network of presence", required=False)
    feature_files: list[str] | None = value(None, "SHA-256 of what its features read", required=False)
    bands_hz: list[Any] | None = value(None, "the band of each class (Hz), or null", required=False)
    input_shape: list[Size] | None = value(None, "frames and features", min_length=2, max_length=2, required=False)
    device: str | None = value(None, "what it was trained on", required=False)
    epochs_trained: int | None = value(None, "epochs", ge=0, required=False)
    training_time_s: float | None = value(None, "of the training", ge=0, required=False)
    versions: dict[str, str] | None = value(None, "of libraries", required=False)


def check(card: dict, path: str | os.PathLike, needs: Sequence[str] = ()) -> None:
    """Raise :class:`InputError` for the first value of a card that is wrong, with the file and the field.

    ``needs``: the keys that have to be there besides ``classes``. Of ``dataset`` only its type is looked at here; see
    :func:`check_dataset`.
    """
    for field, said in _problems(card, needs):
        raise InputError(f"{path}: card: {field}: {said}")


def check_dataset(card: dict, path: str | os.PathLike) -> None:
    """Raise :class:`InputError` unless a card says completely and soundly how sound becomes the input of its model."""
    check(card, path, ("model", "dataset", "input_shape"))
    for field, said in _problems_of_dataset(card["dataset"], card["input_shape"]):
        raise InputError(f"{path}: card: {field}: {said}")


def check_presence(card: dict, path: str | os.PathLike) -> None:
    """Raise :class:`InputError` unless a card of presence says completely and soundly how sound becomes its input."""
    check(card, path, ("presence", "features", "input_shape"))
    for field, said in _problems_of_presence(card["presence"], card["features"], card["input_shape"]):
        raise InputError(f"{path}: card: {field}: {said}")


def _problems_of_presence(block: dict, made: dict, shape: list[int]) -> Iterator[tuple[str, str]]:
    yield from _against(_Presence, block, "presence.")
    kind = str(made.get("kind"))
    if kind not in kinds.names():
        yield "features.kind", f"{_shown(kind)}: expected one of {', '.join(kinds.names())}"
    yield from _against(_features(kind), made, "features.")
    if made["sample_rate_hz"] is None:
        yield "features.sample_rate_hz", "null: expected a number"
    n_frames, _ = stretches.n_frames_of(block, made)
    expected = [n_frames, kinds.get(kind).n_features(made) * (1 + made["deltas"])]
    if shape != expected:
        yield "input_shape", f"{shape}: expected {expected}, as its features are made"


def _problems(card: dict, needs: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield from _against(Card, card, "")
    for key in needs:
        if card.get(key) is None:
            yield key, "missing; expected a model trained by this version"
    for position, row in enumerate(card["classes"]):
        yield from _against(Class, row, f"classes.{position}.")
        if str(row.get("class_index", position)) != str(position):
            yield f"classes.{position}.class_index", f"{_shown(row['class_index'])}: expected {position}, its position"
    for species_id, count in Counter(row["species_id"] for row in card["classes"]).items():
        if count > 1:
            yield "classes", f"species {_shown(species_id)} is there twice; expected each once"
    if (bands := card.get("bands_hz")) is not None:
        if len(bands) != len(card["classes"]):
            yield "bands_hz", f"{len(bands)} bands; expected {len(card['classes'])}, one a class"
        for position, band in enumerate(bands):
            if not (band is None or _is_band(band)):
                yield f"bands_hz.{position}", f"{_shown(band)}: expected null, or two numbers >= 0 (Hz), lower first"
    name = (card.get("model") or {}).get("name")
    if card.get("model") is not None and name not in networks.names():
        yield "model.name", f"{_shown(name)}: expected one of {', '.join(networks.names())}"


def _is_band(found: Any) -> bool:
    if not (isinstance(found, list) and len(found) == 2 and all(type(edge) in (int, float) for edge in found)):
        return False
    return 0 <= found[0] < found[1] < math.inf


def _problems_of_dataset(made: dict, shape: list[int]) -> Iterator[tuple[str, str]]:
    yield from _against(Statistics, made, "dataset.")
    block, where = made["features"], "dataset.features."
    kind = block.get("kind")
    if kind not in kinds.names():
        yield f"{where}kind", f"{_shown(kind)}: expected one of {', '.join(kinds.names())}"
    yield from _against(_features(kind), block, where)
    expected = [made["frames"], kinds.get(kind).n_features(block) * (1 + block["deltas"])]
    if shape != expected:
        yield "input_shape", f"{shape}: expected {expected}, as its features are made"
    for key in ("offset", "scale"):
        if len(made[key]) not in (1, expected[1]):
            yield f"dataset.{key}", f"{len(made[key])} numbers; expected one, or {expected[1]}: one a feature"
    if 0 in made["scale"]:
        yield "dataset.scale", "0 among them; expected numbers to divide by"


@lru_cache
def _features(kind: str) -> type[Block]:
    """Return the model of a block ``features`` of a kind, in which keys may be more than are known here."""

    class Known(kinds.get(kind).Params, features.Features):  # type: ignore[misc]
        model_config = _LENIENT

    return create_model(f"Features_{kind}", __base__=Known)


def _against(model: type[Block], values: dict, where: str) -> Iterator[tuple[str, str]]:
    """Yield the field of each problem of a block, and what it is."""
    try:
        model.model_validate(values)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False):
            key, lacks = str(problem["loc"][0]), problem["type"] == "missing"
            if not (lacks and key in UNREAD):
                yield f"{where}{key}", _said(model, key, problem["msg"], None if lacks else [values[key]])


def _said(model: type[Block], key: str, message: str, found: list | None) -> str:
    """Return what is wrong with a key; ``found``: a list with its value, None where there is none."""
    expected = "expected " + fields.words(fields.rule_of(model, key))
    if found is None:
        return f"missing; {expected}"
    message = message.removeprefix("Value error, ")
    return f"{_shown(found[0])}: {message if message.startswith('expected') else expected}"


def _shown(found: Any) -> str:
    """Return a value as JSON, not the whole of a long one."""
    text = json.dumps(found)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
