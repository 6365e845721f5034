"""The page of a learning curve, and the same in a few lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dawnchorus.evaluation.learning_curve import ALL, Curve
from dawnchorus.report import figure_style, inline_svg, interval_words, pages
from dawnchorus.report.interval_words import PERCENT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {"accuracy": "accuracy", "average_precision": "average precision"}
FORECAST = "90\u00a0%"
# A gain that is less than this is not worth to label twice as much for.
SMALL_GAIN = 0.02


def html(curve: Curve, figure: Figure) -> str:
    """Return the page; ``figure``: of :mod:`learning_curve_figure`."""
    svg = figure_style.encoded(figure, "svg").decode()
    fit = curve.fit
    return pages.render(
        "learning_curve.html.j2",
        {
            "model": fit["model"],
            "lead": fit["accuracy"]["twice"] and _lead(fit),
            "figure": inline_svg.inlined(svg, "learning-curve", " ".join(_forecasts(fit)) or "Metrics by labels"),
            "sentences": [*_forecasts(fit), *_hindsights(fit)] or [_no_fit(curve)],
            "rows": [_row(row) for row in curve.sizes],
            "notes": [_note(fit), *_method(curve)],
        },
    )


def lines(curve: Curve) -> list[str]:
    """Return the few lines that a person wants at the end of the study."""
    said = [
        f"{_size(row)}: accuracy {_number(row, 'accuracy')}, average precision {_number(row, 'average_precision')}"
        for row in curve.sizes
    ]
    said += [*(_forecasts(curve.fit) or [_no_fit(curve)]), *_hindsights(curve.fit)]
    return [line.replace("\u00a0", " ") for line in said]


def _lead(fit: dict) -> dict:
    twice, measured = fit["accuracy"]["twice"], fit["accuracy"]["measured"]
    return {**twice, "text": f"With all labels it is {measured:.3f}. {_advice(twice, measured)}"}


def _advice(twice: dict, measured: float) -> str:
    if twice["low"] - measured >= SMALL_GAIN:
        return "More labels are worth their work."
    if twice["high"] - measured < SMALL_GAIN:
        return "More labels of the same kind would change little: look at the confusions, the sound, the recipe."
    return "More labels may help: how much, so few draws do not say."


def _forecasts(fit: dict) -> list[str]:
    """Say of each metric what twice the labels would bring."""
    return [
        f"With twice the labels, {of['twice']['labels']:.3g} of a class, {name} would be {_ends(of['twice'])} "
        f"({FORECAST}); with all labels it is {of['measured']:.3f}."
        for metric, name in NAMES.items()
        if (of := fit[metric])["twice"]
    ]


def _hindsights(fit: dict) -> list[str]:
    """Say of each metric whether a forecast of what is known now would have held."""
    said = []
    for metric, name in NAMES.items():
        if before := fit[metric]["hindsight"]:
            measured = fit[metric]["measured"]
            held = "holds it" if before["low"] <= measured <= before["high"] else "does not hold it"
            said.append(
                f"A test of such forecasts: from up to {before['from_labels']} labels alone, {name} with all of them "
                f"would have been {_ends(before)} ({FORECAST}), and is {measured:.3f}: the interval {held}."
            )
    return said


def _no_fit(curve: Curve) -> str:
    n = curve.fit["labels_per_class"]
    return (
        f"No forecast: the classes have {n:.3g} labels in the mean, and of the numbers in learning_curve.labels fewer "
        "than two are less than that."
    )


def _note(fit: dict) -> str:
    n, units = fit["groups"], fit["units"]
    over = f"{n} {units.removesuffix('s') if n == 1 else units}"
    if n < 2:
        return f"There are no {PERCENT} intervals: they take two recordings or more, and the test has {over}."
    rough = f" So few {units} leave the intervals themselves rough." if n < interval_words.FEW else ""
    return (
        f"On {fit['clips']} test clips, the same for all. The {PERCENT} intervals are over draws of labels and over "
        f"{over} of the test.{rough} The {FORECAST} interval of a forecast is over draws alone: it is of what one "
        "training with so many labels would reach on these test clips."
    )


def _method(curve: Curve) -> list[str]:
    fewer = [row["labels"] for row in curve.sizes if row["labels"] != ALL]
    n = max(row["trainings"] for row in curve.sizes)
    return [
        f"Trained as params.yaml says, {n} times on each of {', '.join(fewer)} labels of a class; a class that has "
        "fewer gives all. Each draw holds the smaller ones. Labels come from as many groups of the split as there are, "
        "and in these from as many recordings, before a second one of any. Validation clips are those of the run, all "
        "of them: a training that stops early looks at so many labels more.",
        "The fitted curve goes from guessing, with no label, by an inverse power of the labels to a floor; of all such "
        "curves each counts as often as the measured values make it likely. A forecast takes more labels to be of the "
        "same kind: from as many more recordings, and as right.",
    ]


def _size(row: dict) -> str:
    if row["labels"] == ALL:
        return f"all labels, {row['labels_per_class']:.3g} of a class"
    return f"{row['labels']} label{'s' if row['labels'] != '1' else ''} of a class"


def _row(row: dict) -> dict:
    return {
        "size": _size(row).partition(",")[0],
        "labels": f"{row['labels_per_class']:.3g}",
        "clips": row["clips"],
        "trainings": row["trainings"],
        **{metric: _number(row, metric) for metric in NAMES},
        **{f"{metric}_sd": _plain(row[f"{metric}_draw_sd"]) for metric in NAMES},
    }


def _number(row: dict, metric: str) -> str:
    low, high = row[f"{metric}_low"], row[f"{metric}_high"]
    return _plain(row[metric]) + ("" if low is None else f" [{low:.3f}, {high:.3f}]")


def _ends(of: dict) -> str:
    return f"{of['value']:.3f} [{of['low']:.3f}, {of['high']:.3f}]"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
