"""What Snakemake itself tells of a run: its report, its graph, its summary."""

import json
import re
import zipfile

import pytest
from project import ROOT

CATEGORIES = {"Report", "Data", "Training", "Naming clips", "Finding calls"}
CAPTIONS = ROOT / "workflow/report"


def test_every_caption_is_of_a_result():
    """That each result finds its caption, Snakemake sees to."""
    text = "".join(path.read_text() for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")])
    named = set(re.findall(r"report/(\w+)\.rst", text)) | set(re.findall(r'^    "(\w+)": "[A-Z]', text, re.MULTILINE))
    assert {path.stem for path in CAPTIONS.glob("*.rst")} == named


@pytest.mark.long
@pytest.mark.parametrize("ending", [pytest.param("zip", marks=pytest.mark.again), "html"])
def test_the_report_holds_the_results_with_captions_and_categories(ran_project, ending):
    ran_project.run("snakemake", "--report", f"run.{ending}")
    if ending == "zip":
        with zipfile.ZipFile(ran_project.path / "run.zip") as archive:
            text = archive.read("run/report.html").decode()
            held = {name.rpartition("/")[2] for name in archive.namelist()}
        assert {"report.html", "per_class.csv", "detection.svg", "headline.json", "audit.csv"} <= held
    else:
        text = (ran_project.path / "run.html").read_text()
    [line] = re.findall(r"^\s*var categories = (.*?);?\s*$", text, re.MULTILINE)
    assert json.loads(line).keys() == CATEGORIES
    for caption in ("confusion", "detection_events", "report"):
        words = (CAPTIONS / f"{caption}.rst").read_text().split()
        assert re.search(r"\s+".join(map(re.escape, words[:6])), text), caption


@pytest.mark.long
def test_the_graph_and_the_summary(ran_project):
    graph = ran_project.run("snakemake", "--dag").stdout
    assert {"recordings", "model", "report"} <= set(re.findall(r'label = "(\w+)', graph))
    rows = [line.split("\t") for line in ran_project.run("snakemake", "--summary").stdout.splitlines() if "\t" in line]
    made = {row[0]: (row[2], row[-1]) for row in rows[1:]}
    assert made["reports/report.html"] == ("report", "no update")
    assert {plan for _, plan in made.values()} == {"no update"}
