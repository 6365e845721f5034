"""The steps of docs/own-recordings.md, taken from the page and run as they stand, on seconds of sound."""

import csv
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from project import IDS, PARAMS, PITCHES_HZ, ROOT, Project, rules_of

PAGE = ROOT / "docs/own-recordings.md"
# The sections of the page, by the format that they are of.
SECTIONS = {"rfcx": "RFCX's layout", "raven": "Raven", "audacity": "Audacity", "csv": "Any other CSV"}
# A block of a params file, by name: its first line and those up to the next one.
BLOCK = r"(?P<text>^(?P<name>\w+):.*\n(?:(?!\w).*\n)*)"
# What makes a run of the default recipe take minutes.
QUICK = ("features", "model", "train", "presence", "figures")
# The command of the folder that it runs in, as `make` puts it into the environment.
PROGRAM = ("env", "PYTHONPATH=src", "python", "-m", "dawnchorus.commands.cli")


@dataclass(frozen=True)
class Section:
    """How the page explains a format: the first lines of a table, and the blocks of params.yaml."""

    table: list[str]
    text: str

    @property
    def blocks(self) -> dict:
        return yaml.safe_load(self.text)


def fenced(text: str, *languages: str) -> list[str]:
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def by_hand() -> str:
    return PAGE.read_text().split("\n## By hand\n")[1].split("\n## ")[0]


def forms(*of_ci: str) -> list:
    """Return the cases of all formats; those that are not ``of_ci`` are more of the same."""
    return [pytest.param(form, marks=() if form in of_ci else pytest.mark.again) for form in SECTIONS]


def section(form: str) -> Section:
    text = by_hand().split(f"\n### {SECTIONS[form]}\n")[1].split("\n### ")[0]
    [table], [blocks] = fenced(text, "csv", "tsv"), fenced(text, "yaml")
    return Section(table.splitlines(), blocks)


def short_way(text: str = "") -> list[str]:
    """Return the commands of README's section on own recordings, or of that of another page, without comments."""
    text = text or (ROOT / "README.md").read_text().split("\n## Your own recordings\n")[1]
    block = re.search(r"(?:^    \S.*\n)+", text, re.MULTILINE)
    return [line.partition("#")[0].strip() for line in block[0].splitlines()] if block else []


def commands() -> list[str]:
    """Return the commands of the steps by hand."""
    return re.findall(r"^    (\S.*)$", by_hand(), re.MULTILINE)


def paste(params: Path, blocks: str) -> None:
    """Put blocks, as they are written, in place of those of their names; the other lines stay as they are."""
    old, new = (
        {found["name"]: found["text"] for found in re.finditer(BLOCK, text, re.MULTILINE)}
        for text in (params.read_text(), blocks)
    )
    assert old.keys() >= new.keys()
    params.write_text("".join((old | new).values()))


def write_tables(folder: Path, shown: Section, calls: list[dict]) -> None:
    """Write the calls as the page shows such a table: with its header, its separators, and where its block says."""
    path, form = folder / shown.blocks["data"]["annotations"], shown.blocks["data"]["format"]
    header = [] if form == "audacity" else [shown.table[0]]
    cells = {
        "rfcx": lambda call: [call["id"], call["species"], call["t_min"], call["t_max"]],
        "csv": lambda call: [f"{call['id']}.wav", call["species"], call["t_min"], call["t_max"]],
        "audacity": lambda call: [call["t_min"], call["t_max"], call["species"]],
        "raven": lambda call: ["1", "Spectrogram 1", "1", call["t_min"], call["t_max"], "500", "3000", call["species"]],
    }[form]
    separator = "," if form in ("rfcx", "csv") else "\t"
    # As many cells as the page shows in a row.
    assert {len(cells(call)) for call in calls} == {len(line.split(separator)) for line in shown.table}
    tables: dict[Path, list[str]] = {}
    for call in calls:
        name = {"raven": f"{call['id']}.Table.1.selections.txt", "audacity": f"{call['id']}.txt"}.get(form)
        tables.setdefault(path / name if name else path, []).append(separator.join(cells(call)))
    for table, rows in tables.items():
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text("\n".join([*header, *rows]) + "\n")


@pytest.fixture
def clone(tmp_path) -> Project:
    """A fresh clone with the default params.yaml."""
    project = Project.create(tmp_path / "project", n_recordings=0, dvc=False)
    shutil.copy(ROOT / "presets/default.yaml", project.path / "params.yaml")
    return project


def shorten(project: Project, *blocks: str) -> None:
    """Give blocks of params.yaml values with which a run takes seconds."""
    params = project.params()
    for name in blocks:
        values = PARAMS.get(name, {}) | PARAMS.get(f"{name}_reset", {})
        params[name] = dict(values) if name == "model" else params[name] | values
    project.write_params(params)


def recorded(project: Project) -> list[dict]:
    """Write recordings into the folder that the page names, in subfolders, and return their calls."""
    names = {"0": "wood owl", "1": "tree frog", "2": "Käuzchen, juv."}
    assert names.keys() == PITCHES_HZ.keys()
    calls = []
    for number, recording_id in enumerate(IDS):
        rows = project.add_recording(recording_id, number)
        made = project.path / f"raw/audio/{recording_id}.wav"
        sound = project.path / f"mine/audio/site-{number % 3}/{recording_id}.wav"
        sound.parent.mkdir(parents=True, exist_ok=True)
        made.rename(sound)
        calls += [
            {"id": f"site-{number % 3}/{recording_id}", "species": names[row[1]], "t_min": row[3], "t_max": row[5]}
            for row in rows
        ]
    return calls


def annotated(project: Project, form: str) -> tuple[Section, list[dict]]:
    """Write recordings and a table of their calls as the page shows it, and return the section and the calls."""
    shown, calls = section(form), recorded(project)
    if form in ("rfcx", "csv"):
        calls = [call | {"species": call["species"].replace(",", "")} for call in calls]
    write_tables(project.path, shown, calls)
    return shown, calls


@pytest.mark.long
@pytest.mark.parametrize("form", forms("csv"))
def test_the_steps_by_hand_lead_to_a_report(clone, form):
    shown, calls = annotated(clone, form)
    paste(clone.path / "params.yaml", shown.text)
    shorten(clone, *QUICK)
    assert clone.params()["data"] == shown.blocks["data"]
    [command] = commands()
    ran = rules_of(clone.run(*command.split()).stdout)
    assert ran["recordings"] == 1
    assert "simulate" not in ran
    with (clone.path / "data/recordings/annotations.csv").open(newline="") as file:
        made = list(csv.DictReader(file))
    told = {(row["recording_id"], row["species_id"], float(row["t_min_s"]), float(row["t_max_s"])) for row in made}
    assert told == {(call["id"], call["species"], float(call["t_min"]), float(call["t_max"])) for call in calls}
    report = (clone.path / "reports/report.html").read_text()
    assert all(species in report for species in {call["species"] for call in calls})
    if form == "csv":
        # Whoever names no other recordings searches those of the run.
        clone.run("snakemake", "--cores", "8", "detections")
        labels = clone.path / "reports/detections/raven"
        heard = {path.relative_to(labels).as_posix() for path in labels.rglob("*.txt")}
        assert heard == {f"{call['id']}.wav.selections.txt" for call in calls}


@pytest.mark.long
@pytest.mark.parametrize("form", forms("raven"))
def test_the_short_way_leads_to_a_report_and_to_calls_in_other_recordings(clone, form):
    """The lines of README, with the table of each format in place of README's."""
    shown, calls = annotated(clone, form)
    activate, init, run, detect = short_way()
    assert activate == "source .venv/bin/activate"
    assert short_way(PAGE.read_text()) == [activate, init, run]
    clone.run(*PROGRAM, *init.split()[1:-2], shown.blocks["data"]["annotations"], init.split()[-1])
    params = clone.params()
    assert (params["data"]["format"], params["data"]["audio_dir"]) == (form, "mine/audio")
    # What init chose to cut out of the sound stays.
    shorten(clone, *(name for name in QUICK if name != "features"))
    clone.run(*run.split())
    report = (clone.path / "reports/report.html").read_text()
    assert all(species in report for species in {call["species"] for call in calls})
    (clone.path / "mine/audio/site-0").rename(clone.path / "new-recordings")
    clone.run(*PROGRAM, *detect.split()[1:])
    assert (clone.path / "detections/detections.html").is_file()


def test_the_page_shows_every_format_and_every_key_of_data():
    default = yaml.safe_load((ROOT / "presets/default.yaml").read_text())
    for form in SECTIONS:
        blocks = section(form).blocks
        assert blocks["data"]["format"] == form
        assert blocks.keys() == {"data", "simulate"}
        assert blocks["data"].keys() == default["data"].keys()
