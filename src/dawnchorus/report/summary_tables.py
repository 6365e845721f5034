"""Tables of a run as the report shows them, and as a screen reader says them where the page has a figure."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dawnchorus.partitioning.groups import ARTICLE
from dawnchorus.tables.definitions import PARTITIONS

PER_CLASS_TITLES = {
    "species_id": "Id",
    "support": "Clips",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "average_precision": "Average precision",
    "threshold": "Threshold",
    "absent_clips": "Clips checked absent",
    "detected_share_where_absent": "Detected there",
}
COUNTS = ("support", "absent_clips")
AUDIT_ROWS = 50


def per_class_table(table: pd.DataFrame, names: Sequence[str]) -> dict:
    """Return columns and rows of per_class.csv for the page; a column that is all empty is left out."""
    present = [name for name in PER_CLASS_TITLES if table[name].notna().any()]
    columns = [{"title": "Species", "number": False}] + [
        {"title": PER_CLASS_TITLES[name], "number": name != "species_id"} for name in present
    ]
    rows = []
    for index, row in enumerate(table.to_dict("records")):
        cells = [{"index": index, "text": names[index], "value": None}]
        for name in present:
            value = row[name]
            if name == "species_id":
                cells.append({"text": value, "value": None})
            elif np.isnan(value):
                cells.append({"text": "–", "value": None})
            else:
                text = f"{value:.0f}" if name in COUNTS else f"{value:.3f}"
                low, high = (row.get(f"{name}_{end}", np.nan) for end in ("low", "high"))
                text += "" if np.isnan(low) else f" ({low:.3f} to {high:.3f})"
                cells.append({"text": text, "value": float(value)})
        rows.append(cells)
    return {"columns": columns, "rows": rows}


def clips_by_partition(counts: pd.DataFrame) -> list[dict[str, int]]:
    """Return the clips of each class, in class order: one key a partition, and ``all``.

    ``counts``: from :func:`dawnchorus.report.class_figures.class_counts`.
    """
    return [{**row, "all": sum(row.values())} for row in counts[list(PARTITIONS)].to_dict("records")]


def facts_of(rows: pd.DataFrame, recordings: pd.DataFrame, split: dict) -> list[tuple[str, str]]:
    """Return the data in a few numbers: clips, species, recordings, hours, rates, channels, and what the groups are.

    ``split``: the block.
    """
    rates = sorted(set(recordings["sample_rate_hz"]))
    channels = sorted(set(recordings["channels"]))
    minutes = recordings["duration_s"].sum() / 60
    length = f"{minutes / 60:.1f} hours" if minutes >= 60 else f"{minutes:.1f} minutes"
    return [
        ("Clips", f"{len(rows):,}"),
        ("Species", str(rows["class_index"].nunique())),
        ("Recordings", f"{len(recordings):,}, {length}"),
        ("Sample rates", ", ".join(f"{rate / 1000:g} kHz" for rate in rates)),
        ("Channels", ", ".join(str(n) for n in channels)),
        ("Split", split_text(rows, split)),
        ("Median duration", f"{(rows['t_max_s'] - rows['t_min_s']).median():.2f} s"),
    ]


def split_text(rows: pd.DataFrame, split: dict) -> str:
    """Say what a group of the split is, and how many each partition has; ``rows``: group, partition."""
    if split["method"] == ARTICLE:
        return "clip by clip"
    of_partition = rows.groupby("partition")["group"].nunique()
    counts = [f"{of_partition[name]:,} {name}" for name in PARTITIONS if name in of_partition]
    return f"by {split['group']}: {', '.join(counts)}"


def audit_of(table: pd.DataFrame, quarantine: bool, n_kept: int) -> dict:
    """Return what the audit found, in a sentence and in rows.

    ``table``: audit.csv, in which line 0 stands for a file as a whole; ``n_kept``: the annotations that are left.
    """
    in_table = table["line"] > 0
    of_tables = table[in_table].groupby("file")["line"].nunique()
    n_rows, n_files = int(of_tables.sum()), table.loc[~in_table, "file"].nunique()
    if table.empty:
        text = "The audit found nothing wrong with tables and recordings: nothing was left out."
    elif quarantine:
        whose = of_tables.index[0] if len(of_tables) == 1 else f"{len(of_tables)} tables"
        left_out = [f"{n_rows} row{'s' * (n_rows != 1)} of {whose}"] * bool(n_rows)
        left_out += [f"the annotations of {n_files} unusable file{'s' * (n_files != 1)}"] * bool(n_files)
        text = f"The audit left out {' and '.join(left_out)}; {n_kept} annotations are used. Details are under Data."
    else:
        text = f"The audit noted {len(table)} problem{'s' * (len(table) != 1)}; details are under Data."
    return {"text": text, "count": len(table), "rows": table.head(AUDIT_ROWS).to_dict("records")}


def descriptions(
    history: pd.DataFrame,
    kept: int,
    baselines: pd.DataFrame,
    labels: Sequence[str],
    rows: pd.DataFrame,
    bins: pd.DataFrame,
    per_class: pd.DataFrame,
    detection_per_class: pd.DataFrame,
) -> dict[str, str]:
    """Return what each figure of the page shows, in words.

    ``history``: history.csv and its epoch that was ``kept``; ``baselines``: baselines.csv and ``labels`` of its rows;
    ``rows``: those of the data set; ``bins``: reliability.csv; ``per_class``, ``detection_per_class``: those tables.
    """
    durations_s = rows["t_max_s"] - rows["t_min_s"]
    last = history.iloc[-1]
    filled = bins[(bins["n"] > 0) & (bins["temperature"] == "before")]
    return {
        "training": f"Loss and accuracy by epoch, training and validation. At the last, epoch {last['epoch']:.0f}, the "
        f"training loss is {last['loss']:.3f} and the training accuracy {last['accuracy']:.3f}; epoch {kept} was kept.",
        "baselines": "Accuracy on the test clips. "
        + "; ".join(map(_accuracy, labels, baselines.to_dict("records")))
        + ".",
        "durations": f"Histogram of the durations of {len(rows)} annotated calls, {durations_s.min():.2f} to "
        f"{durations_s.max():.2f} s, median {durations_s.median():.2f} s.",
        "classes": "Clips of each species in each partition; the same numbers are in the table below.",
        "precision_recall": "Precision against recall of each species among the test clips. "
        + _average_precisions(per_class, "average_precision"),
        "detection_precision_recall": "Precision against recall of each species in segments of the test recordings. "
        + _average_precisions(detection_per_class, "segment_average_precision"),
        "reliability": "Share of clips that are right by their highest score, beside perfect calibration. "
        + "; ".join(f"score {row.mean_score:.2f}: {row.accuracy:.2f} right" for row in filled.itertuples())
        + ".",
    }


def _accuracy(label: str, row: dict) -> str:
    if np.isnan(row["accuracy"]):
        return f"{label}: not available"
    low, high = row["accuracy_low"], row["accuracy_high"]
    return f"{label}: {row['accuracy']:.3f}" + ("" if np.isnan(low) else f", {low:.3f} to {high:.3f}")


def _average_precisions(table: pd.DataFrame, column: str) -> str:
    known = table[table[column].notna()]
    said = (f"{name}: {value:.2f}" for name, value in zip(known["species_name"], known[column], strict=True))
    return f"Average precision: {'; '.join(said)}." if len(known) else "It is not known of any."
