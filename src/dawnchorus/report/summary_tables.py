"""Tables of a run as the report shows them; cells come in as text, as they were read."""

from collections.abc import Sequence

import pandas as pd

PER_CLASS_TITLES = {
    "species_id": "Id",
    "support": "Clips",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "average_precision": "Average precision",
    "threshold": "Threshold",
    "false_positive_clips": "Checked absent",
    "false_positive_rate": "Heard there",
}
COUNTS = ("support", "false_positive_clips")
TEXT_COLUMNS = ("model", "temperature")
AUDIT_ROWS = 50


def numbers(table: pd.DataFrame) -> list[dict]:
    """Return the rows with every cell but names as a number, None where it is empty."""
    return [
        {key: of if key in TEXT_COLUMNS else float(of) if of else None for key, of in row.items()}
        for row in table.to_dict("records")
    ]


def per_class_table(table: pd.DataFrame, names: Sequence[str]) -> dict:
    """Return columns and rows of the table of classes: the known columns that are there, in a fixed order."""
    present = [name for name in PER_CLASS_TITLES if name in table]
    columns = [{"title": "Species", "number": False}] + [
        {"title": PER_CLASS_TITLES[name], "number": name != "species_id"} for name in present
    ]
    rows = []
    for index, row in enumerate(table.to_dict("records")):
        cells = [{"index": index, "text": names[index], "value": None}]
        for name in present:
            text = str(row[name]).strip()
            if name == "species_id":
                cells.append({"text": text, "value": None})
            elif text in ("", "nan"):
                cells.append({"text": "–", "value": None})
            else:
                cells.append({"text": text if name in COUNTS else f"{float(text):.3f}", "value": float(text)})
        rows.append(cells)
    return {"columns": columns, "rows": rows}


def facts_of(rows: pd.DataFrame, recordings: pd.DataFrame, groups: pd.Series) -> list[tuple[str, str]]:
    """Return what there is, in a few numbers: clips, species, recordings, hours, rates, channels, groups."""
    rates = sorted(set(recordings["sample_rate_hz"].astype(int)))
    channels = sorted(set(recordings["channels"].astype(int)))
    minutes = recordings["duration_s"].astype(float).sum() / 60
    length = f"{minutes / 60:.1f} hours" if minutes >= 60 else f"{minutes:.1f} minutes"
    return [
        ("Clips", f"{len(rows):,}"),
        ("Species", str(rows["class_index"].nunique())),
        ("Recordings", f"{len(recordings):,}, {length}"),
        ("Sample rates", ", ".join(f"{rate / 1000:g} kHz" for rate in rates)),
        ("Channels", ", ".join(str(n) for n in channels)),
        ("Groups of the split", f"{groups.nunique():,}"),
        ("Median duration", f"{rows['duration_s'].median():.2f} s"),
    ]


def audit_of(table: pd.DataFrame, data: dict, n_kept: int) -> dict:
    """Return what the audit found, in a sentence and in rows.

    ``data``: the block of params.yaml; ``n_kept``: the annotations that are left.
    """
    if table.empty:
        text = "The audit found nothing wrong with table and recordings: nothing was left out."
    elif data["on_bad_recording"] == "quarantine":
        in_table = table["file"] == data["annotations"]
        n_rows, n_files = table.loc[in_table, "line"].nunique(), table.loc[~in_table, "file"].nunique()
        left_out = [f"{n_rows} row{'s' * (n_rows != 1)} of {data['annotations']}"] * bool(n_rows)
        left_out += [f"what {n_files} bad file{'s' * (n_files != 1)} would have given"] * bool(n_files)
        text = (
            f"The audit left out {' and '.join(left_out)}; {n_kept} annotations are used. Each problem is under Data."
        )
    else:
        text = f"The audit noted {len(table)} problems; they are listed under Data."
    return {"text": text, "count": len(table), "rows": table.head(AUDIT_ROWS).to_dict("records")}
