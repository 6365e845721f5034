"""What no single value of params.yaml shows: values that are right by themselves and do not fit each other."""

import shlex
from collections.abc import Iterator

from dawnchorus.features import kinds
from dawnchorus.foundation.errors import shown
from dawnchorus.parameters import fields
from dawnchorus.parameters.data import OPTIONAL, Data

# Where the simulated set lies: what rule simulate writes, the defaults of these keys.
PLACES = ("annotations", "audio_dir", *OPTIONAL)
# Augmentation that takes the frames of a clip to begin with its sound, and the value that turns it off.
OVER_TIME = {"time_shift_frames": 0, "time_stretch": 1, "equalizer_gain": 0, "time_masks": 0}
# What is done to bands and levels of stretches of sound, and the value that turns it off.
OF_BANDS = {"pool_frames": 1, "overlay_share": 0, "band_shift": 0, "equalizer_db": 0, "frequency_masks": 0}
# Linux hands a command at most 131,072 characters in one piece. A rule hands its values twice: record and stage.
LONGEST_VALUES, MOST_TRAININGS = 50_000, 500


def contradictions(params: dict) -> Iterator[str]:
    """Yield one line for each value that another one rules out: ``key: value: expected ..., because ...``."""
    yield from _of_length(params)
    yield from _of_data(params)
    yield from _of_features(params)
    yield from _of_partitions(params)
    yield from _of_training(params)
    yield from _of_presence(params)


def _of_length(params: dict) -> Iterator[str]:
    length = len(shlex.quote(fields.as_text(params)))
    if length > LONGEST_VALUES:
        lengths = {key: len(fields.as_text({"": fields.value_of(params, key)})) for key in fields.keys(params)}
        key = max(lengths, key=lengths.__getitem__)
        value = fields.value_of(params, key)
        what = f"{len(value)} items, " if isinstance(value, list) else ""
        yield (
            f"{key}: {what}{lengths[key]} characters: expected at most {LONGEST_VALUES - length + lengths[key]}, "
            "because a command line holds no more (of groups: name a coarser split.group)"
        )
    folds, seeds = params["cross_validation"]["folds"], params["cross_validation"]["seeds"]
    if folds * seeds > MOST_TRAININGS:
        yield (
            f"cross_validation.seeds: {seeds}: expected at most {MOST_TRAININGS // folds} with cross_validation.folds "
            f"{folds}, because a command line holds no more than {MOST_TRAININGS} trainings"
        )
    n_sizes, draws = len(params["learning_curve"]["labels"]), params["learning_curve"]["draws"]
    if n_sizes * draws > MOST_TRAININGS:
        yield (
            f"learning_curve.draws: {draws}: expected at most {MOST_TRAININGS // n_sizes} with {n_sizes} numbers in "
            f"learning_curve.labels, because a command line holds no more than {MOST_TRAININGS} trainings"
        )


def _of_data(params: dict) -> Iterator[str]:
    data, simulated = params["data"], fields.defaults(Data)
    if data["source"] == "simulated":
        for key in ("format", *PLACES):
            if data[key] != simulated[key]:
                yield (f"data.{key}: {shown(data[key])}: expected {simulated[key]}, because data.source is simulated")
        if not params["simulate"]:
            yield "simulate.set: missing; expected what to simulate (see presets), because data.source is simulated"
    else:
        for key in PLACES:
            if data[key] == simulated[key]:
                yield f"data.{key}: {shown(data[key])}: expected your own, because data.source is table"
        if params["simulate"]:
            yield "simulate.set: given; expected `simulate: {}`, because data.source is table"
    if data["columns"] and data["format"] in ("rfcx", "audacity"):
        yield f"data.columns: {shown(data['columns'])}: expected {{}}, because data.format is {data['format']}"


def _of_features(params: dict) -> Iterator[str]:
    features, rate_hz = params["features"], params["features"]["sample_rate_hz"]
    # A window may hold an annotation of any length; a clip that is the annotation holds one FFT frame at least.
    key, block = ("window_s", "features") if features["clip"] == "window" else ("shortest_annotation_s", "data")
    shortest_s = params[block][key]
    if rate_hz is not None and shortest_s < features["n_fft"] / rate_hz:
        yield (
            f"{block}.{key}: {shortest_s:g}: expected >= {features['n_fft'] / rate_hz:.4g}, one FFT frame of "
            f"features.n_fft {features['n_fft']} at {rate_hz} Hz"
        )
    of_kind = getattr(kinds.get(features["kind"]), "contradictions", None)
    if of_kind:
        yield from of_kind(features)


def _of_partitions(params: dict) -> Iterator[str]:
    split, patience = params["split"], params["train"]["early_stopping_patience"]
    share = split["test_fraction"] + split["validation_fraction"]
    if share >= 1 and split["method"] == "grouped":
        yield (
            f"split.test_fraction + split.validation_fraction: {share:g}: expected < 1, so that rows are left to train"
        )
    if split["validation_fraction"] == 0 and split["method"] == "article":
        yield "split.validation_fraction: 0: expected more than 0, because split.method is article"
    elif split["validation_fraction"] == 0 and split["validation_groups"] is None and patience is not None:
        yield (
            "split.validation_fraction: 0: expected more than 0 (or split.validation_groups), because "
            "train.early_stopping_patience chooses the epoch by validation"
        )


def _of_training(params: dict) -> Iterator[str]:
    features, train = params["features"], params["train"]
    if train["background_share"] > 0 and not (kinds.get(features["kind"]).KIND.powers_in_db and not features["deltas"]):
        able = [name for name in kinds.names() if kinds.get(name).KIND.powers_in_db]
        yield (
            f"train.background_share: {train['background_share']:g}: expected 0 with features.kind "
            f"{features['kind']} and features.deltas {features['deltas']}: only powers can be added "
            f"({', '.join(able)}, 0)"
        )
    if train["background_min_db"] > train["background_max_db"]:
        yield (
            f"train.background_min_db: {train['background_min_db']:g}: expected at most train.background_max_db "
            f"{train['background_max_db']:g}"
        )
    on = [f"train.{key} {train[key]:g}" for key, off in OVER_TIME.items() if train[key] != off]
    if params["dataset"]["padding"] == "centre" and on:
        yield (
            f'dataset.padding: "centre": expected right, because {", ".join(on)}: augmentation over time takes a clip '
            "to begin with its sound"
        )


def _of_presence(params: dict) -> Iterator[str]:
    features, presence = params["features"], params["presence"]
    if presence["network"] == "none":
        return
    because, of_embeddings = "because presence.network is not none", presence["network"] == "gru"
    quality = "vectors" if of_embeddings else "powers_in_db"
    able = [name for name in kinds.names() if getattr(kinds.get(name).KIND, quality)]
    if features["kind"] not in able:
        yield (
            f"features.kind: {shown(features['kind'])}: expected one of {', '.join(able)}, because presence.network is "
            f"{presence['network']}"
        )
    if of_embeddings:
        for key, off in OF_BANDS.items():
            if presence[key] != off:
                yield (
                    f"presence.{key}: {presence[key]:g}: expected {off}, because presence.network is gru, which is "
                    "given embeddings: they have no bands and no level"
                )
    if features["deltas"]:
        yield f"features.deltas: {features['deltas']}: expected 0, {because}"
    if features["sample_rate_hz"] is None:
        yield f"features.sample_rate_hz: null: expected one rate for all recordings, {because}"
        return
    if 2 * presence["margin_s"] >= presence["stretch_s"]:
        yield (
            f"presence.margin_s: {presence['margin_s']:g}: expected less than half of presence.stretch_s "
            f"{presence['stretch_s']:g}"
        )
    n_halvings = presence["pool_frames"].bit_length() - 1
    if not of_embeddings and n_halvings > len(presence["widths"]):
        yield (
            f"presence.pool_frames: {presence['pool_frames']}: expected at most {2 ** len(presence['widths'])}, since "
            f"each of the {len(presence['widths'])} convolutions of presence.widths halves time once"
        )
