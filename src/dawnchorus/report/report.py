"""What the report shows, as plain values for its template."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dawnchorus.features import kinds
from dawnchorus.foundation.display_names import display_names
from dawnchorus.learning import presence
from dawnchorus.learning.history import kept_epoch
from dawnchorus.report import (
    confusions,
    detection_section,
    excerpts,
    findings,
    inline_svg,
    interval_words,
    provenance,
    review_section,
    summary_tables,
)
from dawnchorus.report.class_figures import class_counts

LABEL_CHARACTERS, NAME_CHARACTERS = 26, 200
HIGHLIGHTS = 24
PAIRS = 20
LISTED_CLIPS = 20_000
CLIP_IMAGE, EXAMPLE_IMAGE, WAVE_IMAGE, FEATURE_IMAGE = (260, 96), (300, 110), (300, 48), (300, 76)
# Size of a cell of the confusion matrix and of its text, in rem, by the largest number of classes that it suits.
CELLS = ((6, 4.0, 1.0), (14, 2.7, 0.9), (30, 2.0, 0.8), (60, 1.4, 0.7), (10_000, 1.15, 0.62))
COMMANDS = """snakemake --cores 8        # makes what is missing or out of date
dvc repro                  # the same, and records the contents in dvc.lock"""


@dataclass(frozen=True)
class Run:
    """All that a report is made from: tables by their definitions, and what there is beside them.

    ``metrics``: metrics.json; ``detection_metrics``: detection_metrics.json;
    ``presence_calibration``: presence_calibration.json; ``card``: what is written beside the
    model's weights; ``params``: the blocks of the run; ``figures``: SVG files as text, by name; ``hashes``: path and
    MD5 of the files read; ``review``: what :func:`review_section.read` returns, None without one; ``commit``: where the
    code is.
    """

    metrics: dict
    detection_metrics: dict
    presence_calibration: dict
    detection_baselines: pd.DataFrame
    detection_per_class: pd.DataFrame
    detection_events: pd.DataFrame
    baselines: pd.DataFrame
    predictions: pd.DataFrame
    per_class: pd.DataFrame
    reliability: pd.DataFrame
    history: pd.DataFrame
    rows: pd.DataFrame
    recordings: pd.DataFrame
    audit: pd.DataFrame
    card: dict
    params: dict
    figures: dict[str, str]
    hashes: Sequence[tuple[str, str]]
    review: dict | None
    commit: str


def embedded(order: Sequence[int], places: Sequence[excerpts.Place], params: dict) -> dict[int, dict]:
    """Return picture and sound of the first clips in ``order``, by position: as many as the limits allow.

    ``params``: the block ``report``.
    """
    wanted = order[: params["clips"]]
    found = excerpts.cards(
        [places[position] for position in wanted], params["sound_rate_hz"], CLIP_IMAGE, with_mfcc=True
    )
    made = {wanted[number]: card for number, card in found}
    return excerpts.with_room({position: made[position] for position in wanted}, params["media_mb"])


def species_examples(rows: pd.DataFrame, n_classes: int, places: Sequence[excerpts.Place], params: dict) -> list[dict]:
    """Return one clip of each class that has any, in class order: pictures of it, its sound, and where it is.

    ``places``: of each of ``rows``; ``params``: the blocks of the run.
    """
    chosen = [position for position in excerpts.median_clips(rows, n_classes) if position is not None]
    wanted = [places[position] for position in chosen]
    seen = excerpts.as_the_model_sees_it(wanted, params["features"], WAVE_IMAGE, FEATURE_IMAGE)
    examples = {}
    for number, card in excerpts.cards(wanted, params["report"]["sound_rate_hz"], EXAMPLE_IMAGE, with_mfcc=True):
        row = rows.iloc[chosen[number]]
        examples[number] = {
            **card,
            **seen[number],
            "index": int(row["class_index"]),
            "recording": row["recording_id"],
            "clip_start_s": row["t_min_s"],
            "clip_end_s": row["t_max_s"],
        }
    return [examples[number] for number in sorted(examples)]


def flat(params: dict, prefix: str = "") -> list[tuple[str, object]]:
    """Return every value of nested blocks with its dotted name, in the order given."""
    values: list[tuple[str, object]] = []
    for name, value in params.items():
        if isinstance(value, dict) and value:
            values += flat(value, f"{prefix}{name}.")
        else:
            values.append((prefix + name, value))
    return values


def context(run: Run, audio_dir: Path) -> dict:
    """Return what the template report.html.j2 needs; the sound is read from ``audio_dir``."""
    params, card, rows = run.params, run.card, run.rows
    ids, names = ([of[key] for of in card["classes"]] for key in ("species_id", "species_name"))
    labels, full = (display_names(ids, names, most) for most in (LABEL_CHARACTERS, NAME_CHARACTERS))
    n_classes = len(ids)
    # Those with an annotation; the others only have boxes that were checked to hold none.
    everywhere = run.recordings.set_index("recording_id").to_dict("index")
    used = run.recordings[run.recordings["recording_id"].isin(rows["recording_id"])]
    recording_of = used.set_index("recording_id").to_dict("index")
    context_s, longest_s = params["report"]["context_s"], params["report"]["longest_clip_s"]
    places = [
        excerpts.place_of(row, recording_of[row["recording_id"]], audio_dir, context_s, longest_s)
        for row in rows.to_dict("records")
    ]
    place_of_annotation = dict(zip(rows["annotation_id"], places, strict=True))

    clips = confusions.test_clips(run.predictions, ids)
    by_cell = confusions.cells(clips)
    order = confusions.embedding_order(clips, by_cell, HIGHLIGHTS)
    media = embedded(order, [place_of_annotation[clip["annotation"]] for clip in clips], params["report"])
    counts = summary_tables.clips_by_partition(class_counts(rows, n_classes))
    early_stopping = params["train"]["early_stopping_patience"] is not None
    of_test = rows.loc[rows["partition"] == "test", "group"]
    split = interval_words.Split(params["split"]["method"], params["split"]["group"], of_test.nunique())
    kept, baseline_labels = kept_epoch(run.history, early_stopping), findings.baseline_labels(run.baselines)
    tables = rows, run.reliability, run.per_class, run.detection_per_class
    said = summary_tables.descriptions(run.history, kept, run.baselines, baseline_labels, *tables)
    said["detection"] = detection_section.description(run.detection_metrics["test"])
    page_data = _page_data(clips, by_cell, order, media, full, labels)
    cell_rem, cell_font_rem = next((cell, font) for most, cell, font in CELLS if n_classes <= most)
    lead = findings.lead(run.metrics, run.detection_metrics, run.detection_baselines)
    return {
        "title": f"{n_classes} species, network {params['model']['name']}",
        "subtitle": f"Report of a run of dawnchorus on {params['data']['annotations']}",
        "classes": page_data["classes"],
        "figures": {name: inline_svg.inlined(svg, name, said[name]) for name, svg in run.figures.items()},
        "n_test": len(clips),
        "lead": lead,
        "lead_key": lead and lead["key"],
        "detection": _detection(run, split, everywhere, audio_dir),
        "review": run.review and review_section.section(run.review),
        "headline": findings.headline(run.metrics),
        "gap": findings.gap(run.metrics),
        "headline_note": findings.headline_note(run.metrics["test"], split),
        "baseline_notes": findings.baseline_notes(run.baselines),
        "baseline_verdicts": findings.baseline_verdicts(run.metrics) if clips else [],
        "audit": summary_tables.audit_of(run.audit, params["data"]["on_bad_recording"] == "quarantine", len(rows)),
        "facts": summary_tables.facts_of(rows, used, params["split"]),
        "partitions": counts,
        "examples": species_examples(rows, n_classes, places, params),
        "kind": kinds.get(params["features"]["kind"]).KIND,
        "training_text": findings.training_text(run.history, early_stopping, card),
        "lists": page_data["lists"],
        "matrix": confusions.matrix(by_cell, n_classes),
        "cell_rem": cell_rem,
        "cell_font_rem": cell_font_rem,
        "pairs": confusions.confused_pairs(by_cell, PAIRS),
        "embedded_text": f"Picture and sound of {len(media)} of {len(clips)} test clips are in this page.",
        "n_embedded": len(media),
        "per_class": summary_tables.per_class_table(run.per_class, full),
        "reliability_text": findings.reliability_text(run.reliability, run.metrics),
        "reliability_bins": _filled(run.reliability),
        "made": [
            ("Made at commit", run.commit),
            ("Root seed", params["seed"]),
            ("Network", params["model"]["name"]),
            ("Device", card["device"]),
            ("Training", f"{card['epochs_trained']} epochs in {card['training_time_s']} s"),
        ],
        "commands": COMMANDS,
        "hashes": run.hashes,
        "parameters": flat(params),
        "versions": sorted(card["versions"].items()),
        "card": provenance.model_card(
            params,
            list(zip(full, [of["test"] for of in counts], strict=True)),
            provenance.licences(list(used.columns), used.to_dict("records")),
            kinds.origins(params["features"]),
        ),
        "page_data": page_data,
    }


def _detection(run: Run, split: interval_words.Split, recordings: dict[str, dict], audio_dir: Path) -> dict:
    """Return what the section on detections shows."""
    params = run.params["report"]
    alarms, misses = detection_section.worst(run.detection_events, params["detection_examples"])
    return {
        "headline": detection_section.headline(run.detection_metrics),
        "sentences": detection_section.sentences(
            run.detection_metrics, run.params["detection_metrics"]["segment_s"], split
        ),
        "fusion": detection_section.fusion(run.presence_calibration)
        if presence.wanted(run.params["presence"])
        else None,
        "baselines": detection_section.baselines(run.detection_baselines),
        "has_curves": run.detection_metrics["test"]["segment_average_precision"] is not None,
        "per_class": detection_section.per_class(run.detection_per_class),
        "alarms": detection_section.cards(alarms, recordings, audio_dir, params),
        "misses": detection_section.cards(misses, recordings, audio_dir, params),
    }


def _page_data(
    clips: Sequence[dict], by_cell: dict, order: Sequence[int], media: dict, full: Iterable[str], labels: Iterable[str]
) -> dict:
    """Return what the program of the page, report.js, looks up when a cell or a list is opened."""
    listed = set(order[:LISTED_CLIPS])
    return {
        "classes": [{"name": name, "label": label} for name, label in zip(full, labels, strict=True)],
        "clips": {position: clips[position] for position in listed},
        "media": media,
        "cells": {
            f"{true}-{guess}": {"listed": [i for i in of if i in listed], "count": len(of)}
            for (true, guess), of in by_cell.items()
        },
        "lists": {
            "wrong": confusions.confidently_wrong(clips)[:HIGHLIGHTS],
            "uncertain": confusions.least_certain(clips)[:HIGHLIGHTS],
        },
    }


def _filled(bins: pd.DataFrame) -> list[dict]:
    return bins[(bins["temperature"] == "before") & (bins["n"] > 0)].to_dict("records")
