"""How a recipe follows from what was found: one small function a decision, each with its value and the reason.

Read as a list: every rule takes the :class:`Facts`, and where one builds on another, the values decided before it, and
what a preset keeps. The numbers are those of the recipes that were tried (presets/rfcx.yaml for calls of seconds,
presets/song.yaml for syllables of tens of milliseconds), written as shares of how long calls are, so that they hold for
pulses of bats and flies too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from dawnchorus.features import clips, kinds
from dawnchorus.parameters import fields
from dawnchorus.parameters.features import Features
from dawnchorus.parameters.recipe import RECIPE
from dawnchorus.parameters.split import Split
from dawnchorus.partitioning import held_back

# Rates that recorders and recipes have (Hz): sound is brought down to one of them where calls end far below.
USUAL_RATES_HZ = (
    *(1000, 2000, 4000, 8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 96_000, 128_000, 192_000),
    *(250_000, 256_000, 384_000, 500_000),
)
RATES_HZ = tuple(fields.rule_of(Features, "sample_rate_hz")["anyOf"][0][key] for key in ("minimum", "maximum"))
LONGEST_FRAME_S = 0.065
SHORTEST_FRAME_SAMPLES = 32
MOST_FRAME_SAMPLES = fields.rule_of(Features, "n_fft")["maximum"]
MEL_BANDS = (64, 48, 40, 32, 24, 20, 16, 12, 8, 4, 2)
LOWEST_HZ = 50.0
# Whose values divide recordings into groups that share more than a recording does, the widest first.
GROUPS = (
    *("fold", "site", "location", "place", "station", "plot", "region", "transect", "recorder", "device", "deployment"),
    *("individual", "bird", "animal", "subject", "session", "day", "date", "night", "year"),
)
# Fewer groups than this cannot be dealt by shares.
ENOUGH_GROUPS = 6
# Of rows that are divided, whatever recording they are of: these validate, and test if that is one of each class.
ROWS_SHARE = 0.25
# A column that leaves more rows than that in species of fewer than three groups is no column to group by.
ENOUGH_SPREAD = 0.8
MOST_FOLDS = 10
# Fewer labels or recordings of a middling species are few; pretrained models were trained on what people hear.
ENOUGH_LABELS, ENOUGH_RECORDINGS = 20, 4
MOST_PRETRAINED_HZ = 96_000
# What the hint to bring a model is known by.
PRETRAINED = "a pretrained model of yours"
# Windows that are shorter than this say little by themselves.
LEAST_WINDOW_S = 1.0
MOST_NAMED = 5
# A job needs 4 s to start and tenths of a second for a recording of a minute; one that is killed is to lose little.
LEAST_OF_A_JOB, MOST_OF_A_JOB = 25, 1500
# Of a workstation.
CORES = 8
MOST_JOBS = fields.rule_of(RECIPE, "shards")["maximum"]
RECORDING = "recording_id"
NOTHING: Mapping[str, Any] = MappingProxyType({})
# The page plays sound at this rate at most.
HEARD_HZ = 48_000


@dataclass(frozen=True)
class Facts:
    """What the tables and the headers of the recordings say.

    Attributes:
        durations_s: of the annotations, (annotations,).
        gaps_s: from the end of an annotation to the next one of its recording, (gaps,); overlaps are below 0.
        bands_hz: lower and upper edges of those that have both, (boxes, 2).
        rates_hz, recordings_s: sample rate and duration of each annotated recording.
        species: of each annotation.
        groups: by column, the group of each annotation; ``recording_id`` is one of them.
        of_names: those of these columns that no table has: names of files say them.
        n_sounds: how many sound files there are, annotated or not.
        shortest_negative_s: the shortest false positive; infinite where there is no table of them.
        spans: whether a table says what was annotated.
    """

    durations_s: np.ndarray
    gaps_s: np.ndarray
    bands_hz: np.ndarray
    rates_hz: Sequence[int]
    recordings_s: Sequence[float]
    species: Sequence[str]
    groups: Mapping[str, Sequence[str]]
    shortest_negative_s: float = math.inf
    spans: bool = False
    of_names: Collection[str] = ()
    n_sounds: int = 0

    @property
    def short_s(self) -> float:
        """A short call: all but a twentieth are longer."""
        return float(np.quantile(self.durations_s, 0.05))

    @property
    def median_s(self) -> float:
        """The middle of the durations of all annotations."""
        return float(np.median(self.durations_s))

    @property
    def long_s(self) -> float:
        """A long call: all but a twentieth are shorter."""
        return float(np.quantile(self.durations_s, 0.95))

    @property
    def hours(self) -> float:
        """Length of all recordings together."""
        return sum(self.recordings_s) / 3600


class Choice(NamedTuple):
    """Values by key, as DVC names keys, why in a line, and what is left for a person to decide, or nothing."""

    values: dict[str, Any]
    reason: str
    undecided: str = ""


def nice(value: float, digits: int = 2) -> float:
    """Return a positive number with few digits, as a person would write it."""
    return float(f"{value:.{digits}g}")


def bounded(key: str, value: float) -> float:
    """Return a value, or the most that params.yaml takes for its key."""
    block, _, name = key.partition(".")
    rule = fields.rule_of(fields.block(RECIPE, block), name)
    return min(value, float(rule.get("anyOf", [rule])[0]["maximum"]))


def rate(facts: Facts) -> Choice:
    """Take the lowest rate of the recordings, or a usual one below it that holds the boxes."""
    counts = Counter(facts.rates_hz)
    native_hz, undecided = min(counts), ""
    common_hz, n_common = counts.most_common(1)[0]
    if len(counts) > 1:
        listed = ", ".join(f"{n} at {rate_hz} Hz" for rate_hz, n in sorted(counts.items()))
        of_all = f"recordings differ ({listed})"
        if native_hz < 0.6 * common_hz and n_common >= 0.8 * len(facts.rates_hz):
            native_hz = common_hz
            undecided = (
                f"{of_all}: those below {common_hz} Hz are brought up to it, and hold nothing in the upper band; where "
                f"such a rate goes with a site or a species, it gives them away: features.f_max_hz {min(counts) // 2}"
            )
        else:
            of_all = f"the lowest rate, since {of_all}"
    else:
        of_all = f"all recordings are at {native_hz} Hz"
    rate_hz, reason = native_hz, of_all
    if len(facts.bands_hz):
        highest_hz = float(np.quantile(facts.bands_hz[:, 1], 0.98))
        lower = [usual for usual in USUAL_RATES_HZ if 2.1 * highest_hz <= usual < native_hz]
        if lower:
            rate_hz = lower[0]
            n_above = int((facts.bands_hz[:, 1] > rate_hz / 2).sum())
            above = f", {n_above} of {len(facts.bands_hz)} boxes reach higher" if n_above else ""
            reason = f"98 % of the boxes end below {highest_hz:.0f} Hz{above}; {of_all}"
    rate_hz = min(max(rate_hz, RATES_HZ[0]), RATES_HZ[1])
    # Below the rates of all of them it does not matter that they differ.
    return Choice({"features.sample_rate_hz": rate_hz}, reason, undecided if rate_hz > min(counts) else "")


def frame(facts: Facts, rate_hz: int, kept: Mapping[str, Any] = NOTHING) -> Choice:
    """Take FFT frames of four tenths of a short call, and an eighth of it from one to the next.

    Beside what is ``kept`` of the two, no sound lies between frames, and there is a bin for each mel band.
    """
    wanted = min(0.4 * facts.short_s, LONGEST_FRAME_S) * rate_hz
    n_fft = 2 ** round(math.log2(wanted))
    while n_fft > LONGEST_FRAME_S * rate_hz:
        n_fft //= 2
    n_fft = max(n_fft, SHORTEST_FRAME_SAMPLES)
    if not kinds.get(kept.get("features.kind", "log_mel")).KIND.vectors:
        least = max(kept.get("features.hop_length", 1), 2 * (kept.get("features.n_mels", 1) - 1), 1)
        n_fft = min(max(n_fft, 2 ** math.ceil(math.log2(least))), MOST_FRAME_SAMPLES)
    n_fft = kept.get("features.n_fft", n_fft)
    hop = min(n_fft // 2, max(n_fft // 8, round(facts.short_s / 8 * rate_hz)))
    hop = kept.get("features.hop_length", hop)
    return Choice(
        {"features.n_fft": n_fft, "features.hop_length": hop},
        f"frames of {seconds(n_fft / rate_hz)}, one every {seconds(hop / rate_hz)}, for calls of "
        f"{seconds(facts.short_s)} to {seconds(facts.long_s)}",
    )


def band(facts: Facts, rate_hz: int, n_fft: int, kept: Mapping[str, Any] = NOTHING) -> Choice:
    """Take what half the rate allows, from a little below the lowest boxes; within an edge that is ``kept``."""
    top_hz = min(rate_hz, min(facts.rates_hz) if max(facts.rates_hz) < rate_hz else rate_hz) / 2
    if mel_rate_hz := kept.get("features.mel_sample_rate_hz"):
        top_hz = min(top_hz, mel_rate_hz / 2)
    top_hz = kept.get("features.f_max_hz") or top_hz
    least_hz = min(LOWEST_HZ, top_hz / 20)
    low_hz, reason = max(least_hz, rate_hz / n_fft / 2), "no boxes with a band: all that the rate allows"
    if len(facts.bands_hz):
        lowest_hz = float(np.quantile(facts.bands_hz[:, 0], 0.02))
        low_hz, reason = max(least_hz, 0.8 * lowest_hz), f"98 % of the boxes begin above {lowest_hz:.0f} Hz"
    low_hz = nice(min(low_hz, top_hz / 2))
    return Choice({"features.f_min_hz": low_hz, "features.f_max_hz": float(top_hz)}, f"{reason}; up to half the rate")


def mel_bands(features: Mapping[str, Any], n_kept: int | None = None) -> Choice:
    """Take as many mel bands as have a bin of the FFT each, or those kept; ``features``: the block but for them."""
    kind = kinds.get("log_mel")
    n_mels, allowed = MEL_BANDS[-1], [n for n in MEL_BANDS if n <= 1 + features["n_fft"] // 2]
    for n in allowed:
        if kind.remark({**features, "n_mels": n, "mel_sample_rate_hz": None}, features["sample_rate_hz"]) is None:
            n_mels = n
            break
    n_mels = n_kept or n_mels
    share = n_mels / MEL_BANDS[0]
    values: dict[str, Any] = {"features.n_mels": n_mels}
    if share < 1:
        defaults = fields.defaults(RECIPE)
        for key in ("train.band_shift", "presence.band_shift"):
            values[key] = nice(share * fields.value_of(defaults, key))
        for key in ("train.frequency_mask_width", "presence.frequency_mask_width"):
            values[key] = max(1, round(share * fields.value_of(defaults, key)))
    width_hz = features["sample_rate_hz"] / features["n_fft"]
    return Choice(values, f"bins are {width_hz:.4g} Hz wide" + (", and each band needs one" if share < 1 else ""))


def clip(facts: Facts, rate_hz: int, n_fft: int, kept: Mapping[str, Any] = NOTHING) -> Choice:
    """Cut clips as they are annotated, or windows around them where many are shorter than a frame or these are kept."""
    frame_s, shortest_s = n_fft / rate_hz, min(float(facts.durations_s.min()), facts.shortest_negative_s)
    half_s = bounded("data.shortest_annotation_s", below(shortest_s / 2))
    n_shorter = int((facts.durations_s < frame_s).sum())
    are_windows = n_shorter > 0.01 * len(facts.durations_s)
    if kept.get("features.clip", "window" if are_windows else "annotation") == "window":
        window_s = kept.get("features.window_s", bounded("features.window_s", nice(max(4 * frame_s, 2 * facts.long_s))))
        return Choice(
            {
                "features.clip": "window",
                "features.window_s": window_s,
                "features.jitter_s": nice(window_s / 10),
                "data.shortest_annotation_s": half_s,
            },
            f"{n_shorter} annotations are shorter than a frame of {seconds(frame_s)}: a clip is {seconds(window_s)} "
            "around each",
        )
    least_s = max(half_s, frame_s)
    values: dict[str, Any] = {"features.clip": "annotation", "data.shortest_annotation_s": least_s}
    if n_shorter:
        values["data.on_bad_recording"] = "quarantine"
        reason = f"{n_shorter} annotations are shorter than a frame of {seconds(frame_s)} and are left out"
        return Choice(values, reason)
    return Choice(values, f"the shortest annotation, {seconds(shortest_s)}, holds a frame of {seconds(frame_s)}")


def below(value: float) -> float:
    """Return a number of two digits that is no more than ``value``."""
    digits = 1 - math.floor(math.log10(value))
    return float(f"{math.floor(value * 10**digits + 1e-9) / 10**digits:.2g}")


def length(facts: Facts, hop_s: float, are_windows: bool) -> Choice:
    """Cut off the longest clips where a few are much longer than the others: every row is as long as the longest."""
    if are_windows:
        return Choice({"dataset.frames": None}, "windows are of one length")
    longest_s, usual_s = float(facts.durations_s.max()), clips.length_without_outliers(facts.durations_s)
    if usual_s is None:
        return Choice({"dataset.frames": None}, f"the longest annotation, {seconds(longest_s)}, is near the others")
    frames = int(bounded("dataset.frames", max(2, math.ceil(usual_s / hop_s))))
    return Choice(
        {"dataset.frames": frames},
        f"{100 * clips.WHOLE_SHARE:.0f} % of the annotations last at most {seconds(usual_s)}, and the longest "
        f"{seconds(longest_s)}: of a longer one its middle is kept",
    )


def surroundings(facts: Facts) -> Choice:
    """Measure silence, segments and the context in pictures in calls, not in seconds."""
    return Choice(
        {
            "features.context_gap_s": nice(min(0.5, facts.short_s / 2)),
            "detection_metrics.segment_s": nice(min(5.0, 10 * facts.median_s), 1),
            "report.context_s": nice(min(0.5, 2 * facts.median_s), 1),
        },
        f"half of the calls last {seconds(facts.median_s)} or less",
    )


def stretches(facts: Facts, hop_s: float, kept: Mapping[str, Any] = NOTHING) -> Choice:
    """Learn presence from some hundred frames, and several calls with the gaps between them."""
    between_s = float(np.median(facts.gaps_s)) if len(facts.gaps_s) else 0.0
    wanted_s = min(max(600 * hop_s, 10 * between_s), 1200 * hop_s, 10.0)
    stretch_s = nice(min(max(wanted_s, 2 * facts.long_s), 60.0, float(np.median(facts.recordings_s))))
    stretch_s = kept.get("presence.stretch_s", stretch_s)
    pool = next((n for n in (4, 2) if n * hop_s <= max(hop_s, min(0.09, facts.short_s / 4)) * 1.001), 1)
    pool = kept.get("presence.pool_frames", pool)
    margin_s = nice(min(1.0, stretch_s / 10))
    return Choice(
        {"presence.stretch_s": stretch_s, "presence.margin_s": margin_s, "presence.pool_frames": pool},
        f"{stretch_s / hop_s:.0f} frames, and a decision every {seconds(pool * hop_s)}, a part of a short call",
    )


def training(facts: Facts, stretch_s: float) -> Choice:
    """Train for longer where there are few clips, and the wider networks of the recipes for real recordings."""
    n, n_classes = len(facts.species), len(set(facts.species))
    calls = stretch_s * n / max(sum(facts.recordings_s), stretch_s)
    values = {
        "train.epochs": 1 if n_classes == 1 else 80 if n < 1500 else 40,
        "presence.widths": [24, 48, 96, 128],
        "presence.epochs": 15 if calls > 5 else 20 if n_classes == 1 else 40,
        "presence.steps": 40,
    }
    if n_classes == 1:
        return Choice(
            values,
            "one class: nothing to tell apart, so the network that names clips trains for an epoch, presence for 20",
        )
    return Choice(values, f"{n} clips, {nice(calls):g} calls in a stretch of {seconds(stretch_s)}", few(facts))


def few(facts: Facts) -> str:
    """Say that a pretrained model is worth a try where the middle one of the species has few labels or recordings."""
    labels = sorted(Counter(facts.species).values())
    recordings = sorted(groups_of(facts, RECORDING).values())
    n_labels, n_recordings = (counts[(len(counts) - 1) // 2] for counts in (labels, recordings))
    is_enough = n_labels >= ENOUGH_LABELS and n_recordings >= ENOUGH_RECORDINGS
    if is_enough or max(facts.rates_hz) > MOST_PRETRAINED_HZ:
        return ""
    return (
        f"model: {n_labels} labels of a species in the middle, from {n_recordings} recordings: few to learn from; "
        f"{PRETRAINED} names more of them right (--preset birdnet; docs/few-labels.md)"
    )


def annotated(facts: Facts) -> Choice:
    """Say whether sound outside of the boxes is known to hold no call."""
    key, n_recordings = "data.annotated", len(facts.recordings_s)
    share = len(facts.durations_s) / n_recordings
    if math.isfinite(facts.shortest_negative_s):
        return Choice({key: "boxes"}, "there is a table of false positives: somebody checked detections, not all sound")
    if facts.spans:
        return Choice(
            {key: "all"}, "a table says which spans were annotated; in these every call is taken as annotated"
        )
    if share < 1.5 and max(facts.recordings_s) > 5 * facts.long_s:
        return Choice(
            {key: "boxes"},
            f"{share:.2g} annotations a recording: the rest may hold calls that nobody marked",
            "data.annotated: all, if every call of these species is annotated: then false alarms can be counted",
        )
    return Choice(
        {key: "all"},
        f"{share:.3g} annotations a recording: sound outside of them is taken to hold no call",
        "data.annotated: boxes, if some calls were left unmarked: then what is found there is no error",
    )


def group(facts: Facts) -> Choice:
    """Take the column that people group by, where three of its values or more hold the species; else the recording."""
    recordings = facts.groups[RECORDING]
    key, n_recordings = "split.group", len(set(recordings))
    usable: list[str] = []
    scarce: list[str] = []
    for column, values in facts.groups.items():
        n = len(set(values))
        whole = len(set(zip(recordings, values, strict=True))) == n_recordings
        # Columns of measurements have almost as many values as there are recordings.
        if column == RECORDING or not whole or "" in values or not 2 <= n <= max(n_recordings / 2, MOST_FOLDS):
            continue
        if n < n_recordings:
            (usable if spread(facts, column) >= ENOUGH_SPREAD else scarce).append(column)
    known = sorted((_place(column), column) for column in usable if _place(column) < len(GROUPS))
    others = [column for column in usable if not known or column != known[0][1]]
    undecided = [f"{key}: {', '.join(others)} would keep recordings together too"] if others else []
    undecided += [
        f"{key}: {column} has {len(set(facts.groups[column]))} values, too few of which hold each species: rows of one "
        "train and test"
        for column in scarce
        if not known and _place(column) < len(GROUPS)
    ]
    if known:
        column = known[0][1]
        reason = (
            f"recordings of one {column} ({len(set(facts.groups[column]))} of them"
            f"{', as the names of files say' * (column in facts.of_names)}) stay together"
        )
        return Choice({key: column}, reason, "; ".join(undecided))
    return Choice(
        {key: RECORDING}, "a recording stays whole, and nothing larger was found to keep together", "; ".join(undecided)
    )


def spread(facts: Facts, column: str) -> float:
    """Return which share of the annotations is of species that three groups or more hold: to learn, validate, test."""
    n_groups = groups_of(facts, column)
    return sum(n_groups[species] >= 3 for species in facts.species) / len(facts.species)


def groups_of(facts: Facts, column: str) -> Counter[str]:
    """Return in how many groups each species is."""
    return Counter(species for species, _ in set(zip(facts.species, facts.groups[column], strict=True)))


def _place(column: str) -> int:
    words = column.lower().replace("-", "_").split("_")
    return next((place for place, name in enumerate(GROUPS) if name in words or f"{name}s" in words), len(GROUPS))


def split(facts: Facts, column: str, kept: Mapping[str, Any] = NOTHING) -> Choice:
    """Deal groups by shares where there are enough, one each to test and to validate where there are few.

    The rows of one recording are divided, and those of several where ``kept`` is to divide rows.
    """
    if kept.get("split.method") == "article":
        return _of_rows(facts, "rows are divided, those of one recording too")
    n = len(set(facts.groups[column]))
    test, validation = "split.test_fraction", "split.validation_fraction"
    rare = {species for species, n_groups in groups_of(facts, column).items() if n_groups < 3} if n >= 3 else set()
    named = ", ".join(sorted(rare)[:MOST_NAMED]) + (", ..." if len(rare) > MOST_NAMED else "")
    undecided = f"{len(rare)} species are in fewer than 3 groups, so one to learn, validate or test lacks: {named}"
    if n >= ENOUGH_GROUPS:
        reason = f"{n} groups: shares of them can be dealt"
        return Choice({test: 0.25, validation: 0.2}, reason, undecided if rare else "")
    if n >= 3:
        return Choice(
            {test: nice(1 / n), validation: nice(1 / n)},
            f"{n} groups: one tests, one validates; `snakemake --cores 8 cross_validation` tests each in turn",
            undecided if rare else "",
        )
    if n == 2:
        return Choice(
            {test: 0.25, validation: 0.0},
            "2 groups: one trains, one tests",
            "no recording is left to validate: the last fifth of those that train chooses the thresholds of presence, "
            "those of clips stay at 0.5; a third one would do",
        )
    dealt = _of_rows(facts, "one recording: its rows are divided")
    alone = "one recording trains and tests: its numbers say nothing of other recordings"
    return Choice(
        {**dealt.values, "split.group": RECORDING}, dealt.reason, "; ".join(filter(None, [alone, dealt.undecided]))
    )


def _of_rows(facts: Facts, reason: str) -> Choice:
    """Divide rows, as large a share to test as holds one of each class: the article's split asks for that."""
    n, n_classes = len(facts.species), len(set(facts.species))
    key = "split.test_fraction"
    most = fields.rule_of(Split, "test_fraction")["maximum"]
    shares = (percent / 100 for percent in range(round(100 * ROWS_SHARE), round(100 * most) + 1))
    share = next((share for share in shares if n_classes <= math.ceil(share * n) <= n - max(n_classes, 2)), None)
    values = {"split.method": "article", key: share or ROWS_SHARE, "split.validation_fraction": ROWS_SHARE}
    if share is None:
        lacking = f"{key}: no share of {n} rows holds one of each of {n_classes} classes and leaves as many to train"
        return Choice(values, reason, lacking)
    if share > ROWS_SHARE:
        reason += f", {math.ceil(share * n)} of {n} test, since there are {n_classes} classes"
    return Choice(values, reason)


def folds(facts: Facts, column: str) -> Choice:
    """Take the values of the column as folds where they are few, else draw five."""
    n = len(set(facts.groups[column]))
    validation = 0.1 if n >= 3 else 0.0
    values: dict[str, Any] = {"cross_validation.validation_fraction": validation}
    if column != RECORDING and 3 <= n <= MOST_FOLDS:
        return Choice(
            {**values, "cross_validation.column": column, "cross_validation.folds": n},
            f"each {column} is tested once",
        )
    return Choice({**values, "cross_validation.folds": min(5, max(2, n))}, f"{n} groups are dealt to folds")


def aim(facts: Facts, is_all: bool, validation_share: float) -> Choice:
    """Aim at false alarms an hour where these can be counted and what validates is long enough."""
    key = "presence_calibration.aim"
    allowed = 3.0 * facts.hours * validation_share * len(set(facts.species))
    if not is_all:
        return Choice({key: "f1"}, "false alarms cannot be counted where not every call is annotated")
    if allowed < 3:
        return Choice({key: "f1"}, f"{60 * facts.hours * validation_share:.2g} minutes to validate: too few for a rate")
    return Choice({key: "false_alarms_per_hour"}, "thresholds for 3 false alarms an hour of each species, at most")


def windows(facts: Facts) -> Choice:
    """Lay windows shorter than a long call, closely: beside presence they tell moment by moment which species it is."""
    keys = ("detections.window_s", "detections.step_s")
    window_s = bounded(keys[0], nice(0.6 * facts.median_s))
    if window_s < LEAST_WINDOW_S:
        return Choice(dict.fromkeys(keys), f"calls of {seconds(facts.median_s)}: windows as the network was trained")
    return Choice(
        dict(zip(keys, (window_s, nice(window_s / 3)), strict=True)),
        f"half of the calls last {seconds(facts.median_s)} or more: shorter windows, closely set, tell what it is",
    )


def decisions(facts: Facts, kept: Mapping[str, Any] = NOTHING) -> list[Choice]:
    """Return all decisions but those about files, in the order in which one builds on another.

    ``kept``: values that are decided already, by key as DVC names keys: what builds on them fits them.
    """
    made: list[Choice] = []
    values = dict(kept)

    def take(*choices: Choice) -> None:
        made.extend(choices)
        for choice in choices:
            values.update({key: value for key, value in choice.values.items() if key not in kept})

    take(rate(facts))
    rate_hz = values["features.sample_rate_hz"] or min(facts.rates_hz)
    take(frame(facts, rate_hz, kept))
    n_fft, hop_s = values["features.n_fft"], values["features.hop_length"] / rate_hz
    take(band(facts, rate_hz, n_fft, kept))
    keys = ("sample_rate_hz", "n_fft", "hop_length", "f_min_hz", "f_max_hz")
    block = {key: values[f"features.{key}"] for key in keys} | {"sample_rate_hz": rate_hz}
    take(mel_bands(block, kept.get("features.n_mels")), clip(facts, rate_hz, n_fft, kept))
    take(length(facts, hop_s, values["features.clip"] == "window"), surroundings(facts))
    take(stretches(facts, hop_s, kept))
    take(training(facts, values["presence.stretch_s"]))
    grouping = group(facts)
    column = grouping.values["split.group"]
    take(grouping, split(facts, column, kept), folds(facts, column), annotated(facts))
    is_all = values["data.annotated"] == "all"
    tests, validates = (values[f"split.{part}_fraction"] for part in ("test", "validation"))
    validates = validates or held_back.SHARE * (1 - tests)
    take(aim(facts, is_all, validates), windows(facts), shards(facts))
    return made


def shards(facts: Facts) -> Choice:
    """Take as many jobs as are worth their start: for a workstation eight at most, for a survey more."""
    n = max(facts.n_sounds, len(facts.recordings_s))
    wanted = max(min(n / LEAST_OF_A_JOB, CORES), n / MOST_OF_A_JOB)
    # Powers of two: when their number changes, each job finds what it needs in few files.
    count = min(2 ** math.floor(math.log2(max(wanted, 1))), MOST_JOBS)
    of_each = "all" if count == 1 else f"{n // count}"
    return Choice({"shards": count}, f"{n} recording{'s' * (n != 1)}: a job for {of_each} of them is worth its start")


def seconds(value: float) -> str:
    """Return a time as people say it."""
    return f"{1000 * value:.3g} ms" if value < 0.5 else f"{value:.3g} s"
