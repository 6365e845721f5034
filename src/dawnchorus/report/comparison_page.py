"""The comparison of two runs as a page and as text for a terminal, in the same words."""

from collections.abc import Callable, Mapping

from dawnchorus.evaluation import comparison
from dawnchorus.foundation.display_names import printable
from dawnchorus.partitioning.groups import FEWEST_TO_DIFFER
from dawnchorus.report import interval_words
from dawnchorus.report.findings import metric_name

LISTED = 20
NOTHING: Mapping[int, dict] = {}
VERDICTS = {"better": "B is better", "worse": "B is worse", "unclear": "no difference shown"}
COMMON_NOTE = (
    "The two runs have different test clips, so one model may have been trained on other clips of a recording that is "
    "tested here."
)
FEW_NOTE = (
    f"With fewer than {FEWEST_TO_DIFFER} of them no difference is called one, whatever its interval: so few lie on one "
    "side by chance alone too often."
)
ONE_GROUP_NOTE = "All these clips are of one recording, so there are no intervals and no difference can be shown."
# Of so many intervals one leaves 0 out by chance alone.
BY_CHANCE = 20


def species_table(species: list[dict], count: str) -> dict:
    """Return the metrics of each species for a table: ``columns``, the metrics; ``rows``: species, count, ``metrics``.

    ``count``: the key of what a species has, clips or calls. A metric that is not known of a species is None.
    """
    keys = list(dict.fromkeys(row["metric"] for of in species for row in of["metrics"]))
    rows = []
    for of in species:
        found = {row["metric"]: row for row in of["metrics"]}
        rows.append({"species": of["species"], "count": of[count], "metrics": [found.get(key) for key in keys]})
    return {"columns": [_of_species(key) for key in keys], "rows": rows, "note": _chance_note(species)}


def _of_species(key: str) -> str:
    """Return what a metric is called of one species, which has no mean over species."""
    return "AP of segments" if key == "segment_average_precision" else metric_name(key)


def _chance_note(species: list[dict]) -> str:
    n = sum(row["low"] is not None for of in species for row in of["metrics"])
    if n < BY_CHANCE:
        return ""
    return f"Of {n} intervals about {n / BY_CHANCE:.0f} would leave 0 out by chance alone."


def html(result: dict, heard: Mapping[int, dict] = NOTHING) -> str:
    """Return the page; ``heard``: picture and sound of clips that changed, by position.

    ``result``: from :func:`dawnchorus.evaluation.comparison.compare`, with ``a`` and ``b``, the name and the commit of
    each run (None for the working folder), and ``params`` and ``versions`` (of libraries), both from
    :func:`comparison.params_diff`.
    """
    from dawnchorus.report import figure_style, figures, inline_svg, pages

    params, versions = (
        [{"name": p["name"]} | {of: comparison.written(p[of]) for of in ("a", "b") if of in p} for p in result[kind]]
        for kind in ("params", "versions")
    )
    metrics = [
        {**row, "name": metric_name(row["metric"]), "word": VERDICTS[row["verdict"]]} for row in result["metrics"]
    ]
    detection = result["detection"] and {
        "note": _detection_note(result["detection"]),
        "metrics": [
            {**row, "name": metric_name(row["metric"]), "word": VERDICTS[row["verdict"]]}
            for row in result["detection"]["metrics"]
        ],
        "species": species_table(result["detection"]["species"], "calls"),
    }
    drawn = figures.differences(metrics, [row["name"] for row in metrics])
    said = "; ".join(f"{row['name']}: {row['difference']:+.3f}, {row['word']}" for row in metrics)
    said = f"Differences of the metrics, B minus A. {said}."
    svg = figure_style.encoded(drawn, "svg").decode()
    context = {
        **result,
        "params": params,
        "versions": versions,
        "metrics": metrics,
        "detection": detection,
        "species": species_table(result["species"], "clips"),
        "changed": [{**clip, "card": heard.get(number)} for number, clip in enumerate(result["changed"])],
        "figure_of_differences": inline_svg.inlined(svg, "differences", said),
        "note": _note(result),
        "counted": _units(result),
        "only": _only(result),
    }
    return pages.render("comparison.html.j2", context)


def text(result: dict) -> str:
    """Return the comparison as lines for a terminal; ``result`` as for :func:`html`."""
    lines = [
        f"A  {_named(result['a'])}",
        f"B  {_named(result['b'])}",
        f"{result['clips']} test clips in both, {_units(result)}" + f"; {_only(result)}" * bool(_only(result)),
        *([_note(result)] if _note(result) else []),
        "",
        f"{'':24}{'A':>8}{'B':>8}{'B - A':>9}   95 % interval",
    ]
    lines += _rows(result["metrics"])
    lines += _species_lines(result["species"], "clips")
    if found := result["detection"]:
        lines += ["", _detection_note(found), *_rows(found["metrics"])]
        lines += _species_lines(found["species"], "calls")
    test = result["mcnemar"]
    lines += [
        "",
        f"{test['became_right']} clips became right, {test['became_wrong']} became wrong: "
        f"McNemar's exact test p = {test['p_value']:.3g}",
    ]
    for became in ("wrong", "right"):
        clips = [clip for clip in result["changed"] if clip["became"] == became]
        lines += [f"became {became}:"] * bool(clips)
        lines += [
            f"  {printable(c['recording_id'])} {c['t_min_s']:.2f} to {c['t_max_s']:.2f} s, {printable(c['species'])}: "
            f"{printable(c['predicted_by_a'])} -> {printable(c['predicted_by_b'])}"
            for c in clips[:LISTED]
        ]
        lines += [f"  and {len(clips) - LISTED} more (--json or --html lists all)"] * (len(clips) > LISTED)
    lines += ["", "parameters that differ:" if result["params"] else "no parameter differs"]
    lines += _differences(result["params"])
    if result["versions"]:
        lines += ["", "made with other versions of libraries:", *_differences(result["versions"])]
    return "\n".join(lines)


def _differences(found: list[dict]) -> list[str]:
    width = max((len(row["name"]) for row in found), default=0)
    return [f"  {printable(row['name']):{width}}  {_value(row, 'a')} -> {_value(row, 'b')}" for row in found]


def _rows(metrics: list[dict], width: int = 24, named: Callable[[str], str] = metric_name) -> list[str]:
    lines = []
    for row in metrics:
        ends = "none" if row["low"] is None else f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        name, verdict = named(row["metric"]), VERDICTS[row["verdict"]]
        lines.append(f"{name:{width}}{row['a']:8.3f}{row['b']:8.3f}{row['difference']:+9.3f}   {ends:18} {verdict}")
    return lines


def _species_lines(species: list[dict], count: str) -> list[str]:
    """Return a table of the species of which any metric differs, and how many others there are."""
    differ = [of for of in species if any(row["difference"] for row in of["metrics"])]
    if not differ:
        return []
    lines = ["", f"species of which it differs ({len(differ)} of {len(species)}):"]
    for of in differ:
        lines.append(f"{printable(of['species'])}, {of[count]} {count}")
        lines += [f"  {line}" for line in _rows(of["metrics"], 22, _of_species)]
    note = _chance_note(species)
    return [*lines, *([note] if note else [])]


def _units(found: dict) -> str:
    return interval_words.drawn_over(found)


def _detection_note(found: dict) -> str:
    only = [f"{found[f'only_in_{side}']} only in {side.upper()}" for side in "ab" if found[f"only_in_{side}"]]
    left_out = f"; left out: {', '.join(only)}" if only else ""
    return f"detection in {found['recordings']} whole test recordings of both, {_units(found)}{left_out}"


def _value(param: dict, of: str) -> str:
    return printable(comparison.written(param[of])) if of in param else "(not there)"


def _named(revision: dict) -> str:
    return printable(revision["name"]) + (
        f" ({revision['commit'][:10]})" if revision["commit"] else " (the files as they are)"
    )


def _only(result: dict) -> str:
    only_a, only_b = result["only_in_a"], result["only_in_b"]
    return f"left out: {only_a} only in A, {only_b} only in B" if only_a or only_b else ""


def _note(result: dict) -> str:
    notes = [COMMON_NOTE] * bool(_only(result)) + [ONE_GROUP_NOTE] * (result["groups"] < 2)
    compared = [result, result["detection"]] if result["detection"] else [result]
    of_species = [row for found in compared for of in found["species"] for row in of["metrics"]]
    rows = [*(row for found in compared for row in found["metrics"]), *of_species]
    if result["groups"] >= 2 and any(row["low"] is not None and row["groups"] < FEWEST_TO_DIFFER for row in rows):
        notes.append(FEW_NOTE.replace("them", result["units"]))
    return " ".join(notes)
