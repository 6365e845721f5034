"""Where a result comes from: contents, commit, licences, and the card that a model needs beside it."""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

LICENCE_COLUMNS = ("licence", "license", "rights")
WRITTEN_BY_A_RUN = "dvc.lock"
FEW_TEST_CLIPS = 5
NAMED = 8


def md5_of(path: str | os.PathLike) -> str:
    """Return the MD5 of a file's content, by which dvc.lock names it; no security rests on it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def git_state(folder: Path) -> str:
    """Say in words at which commit a folder is, and which of Git's files differ from it.

    Never an input of the workflow: each commit would put every report out of date. dvc.lock is left out, since the run
    that makes the page is also writing it.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, errors="replace").stdout

    try:
        commit = git("rev-parse", "HEAD").strip()
        listed = git("diff", "--name-only", "-z", "HEAD", "--").split("\0")
    except (OSError, subprocess.CalledProcessError):
        return "not in a Git repository, or nothing was committed yet"
    changed = sorted(path for path in listed if path and Path(path).name != WRITTEN_BY_A_RUN)
    return f"{commit}, and changes since in {_some(changed)}" if changed else commit


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def licences(header: Sequence[str], rows: Sequence[dict]) -> list[str]:
    """Return the distinct values of the recordings' column of licences; none without such a column."""
    columns = [column for column in header if column.lower() in LICENCE_COLUMNS]
    return sorted({row[column] or "not given" for column in columns for row in rows})


def model_card(
    params: dict, support: Sequence[tuple[str, int]], terms: Sequence[str], pretrained: Sequence[str] = ()
) -> list[tuple[str, list[str]]]:
    """Return the headings of the model card, each with its sentences.

    ``support``: name and number of test clips of each class; ``terms``: the licences of the recordings.
    ``pretrained``: what is to say of models of the user's.
    """
    purpose = "To predict the species of a sound clip that is known to contain a call of one of its classes."
    if params["data"]["source"] == "simulated":
        rights = "All sound was synthesised by this program; nobody else holds rights in it."
        origin = (
            "A simulated set, which shows that the pipeline works and lets settings be compared. It says "
            "nothing about real animals."
        )
    else:
        origin = f"Annotations from {params['data']['annotations']}."
        rights = "The table of recordings names no licence; if it had a column “licence”, it would be shown here."
        if terms:
            rights = f"Licences of the recordings, according to their table: {'; '.join(terms)}."
    limits = [
        f"It knows {len(support)} classes and assigns every clip to one of them, even a clip that contains none.",
        "It was not tested on sites, seasons, recorders or background sounds other than those of the training clips, "
        "unless the split holds such groups out.",
    ]
    few = [name for name, clips in support if clips < FEW_TEST_CLIPS]
    if few:
        known = f"Fewer than {FEW_TEST_CLIPS} test clips, so next to nothing is known of"
        limits.append(f"{known} {_some(few)}.")
    if params["split"]["method"] == "grouped":
        group = params["split"]["group"]
        how = f"Whole groups (one value of “{group}”) were held out: no group has clips in two partitions."
    else:
        how = (
            "Clips were split one by one, as in the article: training and test share recordings, which makes the "
            "test easier than new recordings are."
        )
    if params["dataset"]["fit_on"] == "train":
        unseen = "No test clip was used to fit, to normalize, to choose an epoch or to set a threshold."
    else:
        unseen = "Normalization was fitted on all clips, test clips included, as in the article."
    return [
        ("What it is for", [purpose]),
        ("Data and licences", [origin, rights, *pretrained]),
        ("Limits", limits),
        ("How it was evaluated", [how, unseen]),
    ]
